//! `ownkey key passwd`

use std::sync::Arc;

use ownkey_engine::access::Admin;
use ownkey_engine::repository::{Credential, PasswordWay, Way};
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::{KdfCost, SlotKind};
use crate::new_password;
use crate::secrets::NEW_PASSWORD;
use crate::session::Session;
use crate::strength::Weak;
use crate::ui::progress::{Progress, Work};
use crate::ways::{self, replace};

/// How to change the password.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswdArgs {
    /// Take a password that can be guessed
    #[arg(long)]
    allow_weak_password: bool,
    /// Memory that each guess at the password costs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=4096))]
    kdf_memory: u32,
}

/// Changes it. The new password has opened the repository before the old one is thrown out.
pub(super) fn run(cx: &Context, args: &PasswdArgs) -> Result<Class, Failure> {
    let mut session = Session::open_as_owner(cx)?;
    let old = ways::of_kinds(
        &session.repository,
        &[SlotKind::Password, SlotKind::PasswordKit],
    )?;
    let with_kit = old.iter().any(|way| way.kind == SlotKind::PasswordKit);
    let kit = match with_kit {
        true => Some(ways::kit_secret(cx)?),
        false => None,
    };
    let cost = KdfCost::new(
        args.kdf_memory << 10,
        KdfCost::DEFAULT.passes(),
        KdfCost::DEFAULT.lanes(),
    )
    .map_err(|error| Failure::usage("--kdf-memory is out of bounds").caused_by(&error))?;
    let weak = match args.allow_weak_password {
        true => Weak::Allowed,
        false => Weak::Refused,
    };
    let random = Arc::clone(&session.room.environment.random);
    let prompt = cx.prompt();
    let password = new_password::choose(cx, prompt.as_ref(), weak, NEW_PASSWORD, &*random)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let way = Way::Password(PasswordWay {
        password: &password,
        cost,
        kit: kit.as_ref(),
    });
    Admin::of(&mut session.repository, &monitor)?.add_way_back("password", &way)?;
    monitor.finish();
    let session = session.reopen(cx, Credential::Password(&password, kit.as_ref()))?;
    let epoch = replace(cx, session, &old)?;
    cx.ui.line(
        "the password is changed: the old one opens nothing that is written from now on, and no machine has to be \
         told. Who knows the old one and kept a copy of the storage as it was still reads what was in it then, and \
         nobody can change that.",
    )?;
    cx.ui.json("password_changed", json!({ "epoch": epoch }))?;
    Ok(Class::Ok)
}
