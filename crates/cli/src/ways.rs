//! Ways back, as the commands about them need them.

use ownkey_engine::access::{Admin, slots_of};
use ownkey_engine::repository::Repository;

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{DeviceId, KitSecret, RecoveryKey, SlotKind};
use crate::secrets::{KIT_SECRET, RECOVERY_KEY};
use crate::session::{Session, unreadable};
use crate::ui::progress::{Progress, Work};

/// A way back and what opens it.
pub(crate) struct WayBack {
    pub(crate) device: DeviceId,
    pub(crate) kind: SlotKind,
}

/// The ways back that are opened in one of these ways.
pub(crate) fn of_kinds(
    repository: &Repository,
    kinds: &[SlotKind],
) -> Result<Vec<WayBack>, Failure> {
    let slots = slots_of(repository)?.into_iter();
    let of_kinds = slots.filter_map(|slot| {
        let kind = slot.kind.filter(|kind| kinds.contains(kind))?;
        Some(WayBack {
            device: slot.device,
            kind,
        })
    });
    Ok(of_kinds.collect())
}

/// Throws the old ways back out and begins new keys; gives the number of the epoch. A new one of the same
/// kind has opened `session`.
pub(crate) fn replace(cx: &Context, mut session: Session, old: &[WayBack]) -> Result<u32, Failure> {
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let mut admin = Admin::of(&mut session.repository, &monitor)?;
    for way in old {
        admin.remove(&way.device)?;
    }
    let epoch = admin.begin_epoch()?;
    monitor.finish();
    Ok(epoch.get())
}

/// The secret that the kit adds to the password.
pub(crate) fn kit_secret(cx: &Context) -> Result<KitSecret, Failure> {
    let typed = match (cx.secret(KIT_SECRET)?, cx.prompt()) {
        (Some(text), _) => text,
        (None, Some(prompt)) => prompt.ask_secret("kit secret: ")?,
        (None, None) => {
            return Err(Failure::usage(
                "the password of this repository needs the kit secret beside it",
            )
            .hint("give it with OWNKEY_KIT_SECRET_FILE; the kit itself will do as the file"));
        }
    };
    let parsed = KitSecret::parse(&typed).map_err(|error| unreadable("kit secret", error))?;
    Ok(parsed.key)
}

/// The recovery key, from the settings or from the keyboard, and which of its characters was wrong.
pub(crate) fn typed_recovery_key(cx: &Context) -> Result<(RecoveryKey, Option<usize>), Failure> {
    let typed = match (cx.secret(RECOVERY_KEY)?, cx.prompt()) {
        (Some(text), _) => text,
        (None, Some(prompt)) => prompt.ask_secret("recovery key: ")?,
        (None, None) => {
            return Err(Failure::usage("the recovery key must be typed")
                .hint("run this on a terminal, or give it with OWNKEY_RECOVERY_KEY_FILE"));
        }
    };
    let parsed = RecoveryKey::parse(&typed).map_err(|error| unreadable("recovery key", error))?;
    Ok((parsed.key, parsed.corrected))
}
