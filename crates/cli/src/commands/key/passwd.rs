//! `ownkey key passwd`

use std::sync::Arc;

use ownkey_engine::Error;
use ownkey_engine::access::Admin;
use ownkey_engine::repository::{Credential, PasswordWay, Way};
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::SlotKind;
use crate::new_password::{self, Choice, PasswordArgs};
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ways::{self, replace};

/// How to change the password.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswdArgs {
    #[command(flatten)]
    password: PasswordArgs,
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
    let (weak, cost) = (args.password.weak(), args.password.cost()?);
    let random = Arc::clone(&session.room.environment.random);
    let prompt = cx.prompt();
    let password = new_password::choose(cx, prompt.as_ref(), weak, Choice::NewPassword, &*random)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let way = Way::Password(PasswordWay {
        password: &password,
        cost,
        kit: kit.as_ref(),
    });
    let added = Admin::of(&mut session.repository, &monitor)?.add_way_back("password", &way)?;
    monitor.finish();
    let member = session.repository.roster().member(&added);
    let slot = member.and_then(|member| member.slots.iter().next().copied());
    let slot = slot.ok_or(Error::NoGrant)?;
    // That one, although the old password may be the same.
    let credential = Credential::PasswordIn(&password, kit.as_ref(), &slot);
    let session = session.reopen(cx, credential)?;
    let epoch = replace(cx, session, &old)?;
    cx.ui.line(
        "the password is changed: the old one opens nothing that is written from now on, and no machine has to be \
         told. Who knows the old one and kept a copy of the storage as it was still reads what was in it then, and \
         nobody can change that.",
    )?;
    cx.ui.json("password_changed", json!({ "epoch": epoch }))?;
    Ok(Class::Ok)
}
