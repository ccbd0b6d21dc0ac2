//! `ownkey key`: what opens the repository, and the password of it.

mod passwd;

use clap::Subcommand;
use ownkey_engine::abilities;
use ownkey_engine::format::roster::Role;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::table::{Align, Table};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the devices and ways back that can open the repository
    List,
    /// Change the password: the old one opens nothing that is written afterwards
    Passwd(passwd::PasswdArgs),
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &KeyCommand) -> Result<Class, Failure> {
    match command {
        KeyCommand::List => list(cx),
        KeyCommand::Passwd(args) => passwd::run(cx, args),
    }
}

fn list(cx: &Context) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    let me = session.repository.me();
    let mut table = Table::new(&[
        ("id", Align::Left),
        ("kind", Align::Left),
        ("may", Align::Left),
        ("name", Align::Left),
    ]);
    for member in session
        .repository
        .roster()
        .members()
        .filter(|member| member.removed.is_none())
    {
        let kind = match member.role {
            Role::Device => "device",
            Role::Recovery => "way back",
        };
        let id = member.id.to_string();
        let may = abilities(member.capabilities);
        let mark = if member.id == me {
            " (in use here)"
        } else {
            ""
        };
        cx.ui.json(
            "key",
            json!({
                "id": id,
                "kind": if member.role == Role::Device { "device" } else { "recovery" },
                "capabilities": may,
                "label": member.label,
                "slots": member.slots.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "current": member.id == me,
            }),
        )?;
        let short = id.chars().take(8).collect();
        table.row([
            short,
            kind.to_owned(),
            may.join(", "),
            format!("{}{mark}", member.label),
        ]);
    }
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    Ok(Class::Ok)
}
