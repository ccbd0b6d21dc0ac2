//! `ownkey recovery kit`

use std::sync::Arc;

use ownkey_engine::repository::Credential;
use serde_json::json;

use crate::args;
use crate::context::{Context, host_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::SlotKind;
use crate::kit::{KitFiles, kit_of};
use crate::location::RepositoryUrl;
use crate::session::Session;
use crate::storage_key::StorageKey;
use crate::ways;

/// Where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct KitArgs {
    #[command(flatten)]
    kit: KitFiles,
    /// Put the storage's access key on it too (s3: places), so that nothing else is needed to come back
    #[arg(long)]
    with_storage_key: bool,
}

/// Other services have their logins in places of their own: ssh's keys, rclone's configuration.
fn must_take_keys(place: &RepositoryUrl) -> Result<(), Failure> {
    match place {
        RepositoryUrl::S3(_) => Ok(()),
        _ => Err(Failure::usage(format!(
            "{place} is no s3: place, so there is no storage key to put on a kit"
        ))
        .hint("leave --with-storage-key out, and keep what logs in there beside the kit")),
    }
}

/// The recovery key is on the old kit and nowhere else: it is typed, tried, and printed again.
pub(super) fn run(cx: &Context, args: &KitArgs) -> Result<Class, Failure> {
    let prompt = cx.prompt();
    args.kit.must_reach_somebody(prompt.as_ref())?;
    let place = cx.place()?;
    if args.with_storage_key {
        must_take_keys(&place)?;
    }
    let files = args.kit.create()?;
    if args.with_storage_key {
        // The repository is opened with it, so it is known to be right.
        let key = StorageKey::for_kit(args::environment(), prompt.as_ref())?;
        let _ = cx.storage_key.set(key);
    }
    let (key, _) = ways::typed_recovery_key(cx)?;
    let session = Session::open_at_place(cx, place, Credential::RecoveryKey(&key))?;
    let kit_secret = match ways::of_kinds(&session.repository, &[SlotKind::PasswordKit])? {
        with_kit if with_kit.is_empty() => None,
        _ => Some(ways::kit_secret(cx)?),
    };
    let random = Arc::clone(&session.room.environment.random);
    let mut kit = kit_of(&session, &host_name(), key.to_groups(), kit_secret.as_ref())?;
    let storage_key = cx.storage_key.get();
    kit.storage_key = storage_key.and_then(|key| StorageKey::new(&key.id, &key.secret));
    files.hand_over(prompt.as_ref(), &kit, &*random)?;
    cx.ui
        .line("this kit is of today; the old one still opens the same, and can be destroyed")?;
    cx.ui
        .json("kit", json!({ "fingerprint": kit.fingerprint }))?;
    Ok(Class::Ok)
}
