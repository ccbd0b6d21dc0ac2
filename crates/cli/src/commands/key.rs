//! `ownkey key list`

use clap::Subcommand;
use ownkey_engine::Member;
use ownkey_engine::format::roster::Role;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::Capabilities;
use crate::session::Session;
use crate::ui::table::{Align, Table};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the devices and ways back that can open the repository
    List,
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &KeyCommand) -> Result<Class, Failure> {
    match command {
        KeyCommand::List => list(cx),
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
        let may = abilities(member);
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

fn abilities(member: &Member) -> Vec<&'static str> {
    [
        (Capabilities::WRITE, "write"),
        (Capabilities::READ, "read"),
        (Capabilities::PRUNE, "prune"),
        (Capabilities::ADMIN, "admin"),
    ]
    .into_iter()
    .filter(|(capability, _)| member.capabilities.contain(*capability))
    .map(|(_, word)| word)
    .collect()
}
