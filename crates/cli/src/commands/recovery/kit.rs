//! `ownkey recovery kit`

use std::sync::Arc;

use ownkey_engine::repository::Credential;
use serde_json::json;

use crate::context::{Context, host_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::SlotKind;
use crate::kit::{KitFiles, kit_of};
use crate::session::Session;
use crate::ways;

/// Where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct KitArgs {
    #[command(flatten)]
    kit: KitFiles,
}

/// The recovery key is on the old kit and nowhere else: it is typed, tried, and printed again.
pub(super) fn run(cx: &Context, args: &KitArgs) -> Result<Class, Failure> {
    let prompt = cx.prompt();
    args.kit.must_reach_somebody(prompt.as_ref())?;
    let files = args.kit.create()?;
    let (key, _) = ways::typed_recovery_key(cx)?;
    let session = Session::open_with(cx, Credential::RecoveryKey(&key))?;
    let kit_secret = match ways::of_kinds(&session.repository, &[SlotKind::PasswordKit])? {
        with_kit if with_kit.is_empty() => None,
        _ => Some(ways::kit_secret(cx)?),
    };
    let random = Arc::clone(&session.room.environment.random);
    let kit = kit_of(&session, &host_name(), key.to_groups(), kit_secret.as_ref())?;
    files.hand_over(prompt.as_ref(), &kit, &*random)?;
    cx.ui
        .line("this kit is of today; the old one still opens the same, and can be destroyed")?;
    cx.ui
        .json("kit", json!({ "fingerprint": kit.fingerprint }))?;
    Ok(Class::Ok)
}
