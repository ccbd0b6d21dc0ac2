//! `ownkey recovery key`

use std::sync::Arc;

use ownkey_engine::access::Admin;
use ownkey_engine::repository::{Credential, Way};
use serde_json::json;

use crate::clock;
use crate::context::{Context, host_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::{RecoveryKey, SlotKind};
use crate::kit::{KitFiles, kit_of};
use crate::new_password::no_randomness;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;
use crate::ways::{self, replace};

/// What to do with it.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RecoveryKeyCommand {
    /// Make a new one and a new kit; the old kit opens nothing that is written afterwards
    New(NewArgs),
    /// Type the one on paper, to see that it opens the repository
    Verify,
}

/// Where the new kit goes.
#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    #[command(flatten)]
    kit: KitFiles,
}

/// Does it.
pub(super) fn run(cx: &Context, command: &RecoveryKeyCommand) -> Result<Class, Failure> {
    match command {
        RecoveryKeyCommand::New(args) => new(cx, args),
        RecoveryKeyCommand::Verify => verify(cx),
    }
}

/// The new key is on paper, and has opened the repository, before the old one is thrown out.
fn new(cx: &Context, args: &NewArgs) -> Result<Class, Failure> {
    let prompt = cx.prompt();
    args.kit.must_reach_somebody(prompt.as_ref())?;
    let files = args.kit.create()?;
    let mut session = Session::open_as_owner(cx)?;
    let random = Arc::clone(&session.room.environment.random);
    let old = ways::of_kinds(&session.repository, &[SlotKind::RecoveryKey])?;
    let kit_secret = match ways::of_kinds(&session.repository, &[SlotKind::PasswordKit])? {
        with_kit if with_kit.is_empty() => None,
        _ => Some(ways::kit_secret(cx)?),
    };
    let key = RecoveryKey::generate(&*random).map_err(|error| no_randomness(&error))?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let added = Admin::of(&mut session.repository, &monitor)?
        .add_way_back("recovery key", &Way::RecoveryKey(&key))?;
    monitor.finish();
    let given = kit_of(&session, &host_name(), key.to_groups(), kit_secret.as_ref())
        .and_then(|kit| files.hand_over(prompt.as_ref(), &kit, &*random));
    if let Err(failure) = given {
        // A key that nobody wrote down must not open anything.
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        Admin::of(&mut session.repository, &monitor)?.remove(&added)?;
        return Err(failure.hint("the old recovery key is still the right one"));
    }
    let session = session.reopen(cx, Credential::RecoveryKey(&key))?;
    let epoch = replace(cx, session, &old)?;
    cx.ui.line(
        "the new kit is the right one now; destroy the old one: it opens nothing that is written from now on. Who has \
         it and a copy of the storage as it was still reads what was in it then, and nobody can change that.",
    )?;
    cx.ui
        .json("recovery_key_replaced", json!({ "epoch": epoch }))?;
    Ok(Class::Ok)
}

fn verify(cx: &Context) -> Result<Class, Failure> {
    let (key, corrected) = ways::typed_recovery_key(cx)?;
    let session = Session::open_with(cx, Credential::RecoveryKey(&key))?;
    let snapshots = session.repository.snapshots();
    let newest = snapshots.last().map(|snapshot| {
        let started = snapshot.record.started;
        format!(
            ", the newest of {}",
            clock::local(started.seconds, started.nanoseconds)
        )
    });
    if let Some(position) = corrected {
        cx.ui.note(&format!(
            "character {} was wrong and was put right: correct it on paper",
            position + 1
        ));
    }
    cx.ui.line(&format!(
        "this recovery key opens {}: {}{}",
        session.place,
        show::counted(snapshots.len() as u64, "snapshot", "snapshots"),
        newest.unwrap_or_default()
    ))?;
    cx.ui.json(
        "recovery_key_verified",
        json!({ "snapshots": snapshots.len(), "corrected": corrected.map(|at| at + 1) }),
    )?;
    Ok(Class::Ok)
}
