//! `ownkey device protect`

use ownkey_engine::Error;
use ownkey_engine::repository::{Enrolment, GuardKind, enrolment, keep_device_key};
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::guard::{self, Chosen};
use crate::new_password::Choice;
use crate::opening::{self, Purpose};

/// What to keep it behind.
#[derive(Debug, clap::Args)]
pub(crate) struct ProtectArgs {
    /// Behind what
    #[arg(value_enum, value_name = "BEHIND")]
    behind: Behind,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Behind {
    /// A passphrase, which every run here then needs
    Passphrase,
    /// The keychain of your desktop (Secret Service)
    Keychain,
    /// Nothing but the mode of its file: no run asks for anything
    Nothing,
}

/// Opens the key with what it is kept behind now, and keeps it behind something else.
pub(super) fn run(cx: &Context, args: &ProtectArgs) -> Result<Class, Failure> {
    let place = cx.place()?;
    let room = cx.engine()?;
    let storage = opening::open(cx, &room, &place, Purpose::Use)?;
    let now = match enrolment(&room.environment, &storage)? {
        Enrolment::Own(kind) => kind,
        Enrolment::None | Enrolment::Copied => {
            return Err(Error::NotEnrolled(place.to_string()).into());
        }
    };
    let key = guard::own_key(cx, &room.environment, &storage, now)?;
    let kind = match args.behind {
        Behind::Passphrase => GuardKind::Passphrase,
        Behind::Keychain => GuardKind::Keychain,
        Behind::Nothing => GuardKind::Nothing,
    };
    let choice = Choice::NewDevicePassphrase;
    let chosen = Chosen::of(cx, kind, choice, &*room.environment.random)?;
    keep_device_key(&room.environment, &storage, &key, chosen.guard())?;
    cx.ui.line(&format!(
        "the key of this machine is kept behind {kind} now: every run here needs {}",
        guard::needed(kind)
    ))?;
    if now == GuardKind::Nothing && kind != GuardKind::Nothing {
        cx.ui.tell_person(
            "the disk may still have the old file where no program reaches it, and so may copies of it; if that matters, \
             get a new key (ownkey device request --new-key) and remove the old one",
        );
    }
    cx.ui
        .json("device_protected", json!({ "guard": guard::word(kind) }))?;
    Ok(Class::Ok)
}
