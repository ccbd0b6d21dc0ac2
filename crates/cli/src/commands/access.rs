//! `ownkey access`: who and what can open this repository.

use ownkey_engine::access::{SlotOf, slots_of, strangers};
use ownkey_engine::format::roster::Role;
use ownkey_engine::format::time::Timestamp;
use ownkey_engine::repository::{GuardKind, Repository};
use ownkey_engine::{Member, abilities, about_strangers, sentence};
use serde_json::json;

use super::device::standing;
use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::guard;
use crate::keys::SlotKind;
use crate::session::Session;
use crate::silence;

/// Tells it in the order in which a tired person asks.
pub(crate) fn run(cx: &Context) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    let repository = &session.repository;
    cx.ui
        .line(&format!("{} can be opened by:", session.place))?;
    let slots = slots_of(repository)?;
    for role in [Role::Device, Role::Recovery] {
        for member in standing(repository, role) {
            let way = match role {
                Role::Device => with_which_key(repository, member)?,
                Role::Recovery => by_which_way(&slots, member),
            };
            told(cx, repository, member, &way)?;
        }
    }
    cx.ui.lines(
        "\nNobody and nothing else: the storage has no key, and there is no other way in.\n\
         Whoever only reads leaves no trace here, so \"last seen\" is the last time that something was written.",
    )?;
    let strangers = strangers(repository)?;
    if let Some(text) = about_strangers(&strangers) {
        cx.ui.note(&text);
    }
    for name in strangers {
        cx.ui
            .json("key_of_nobody", json!({ "object": name.to_string() }))?;
    }
    history(cx, repository)?;
    silence::note(cx, repository);
    Ok(Class::Ok)
}

fn told(cx: &Context, repository: &Repository, member: &Member, way: &str) -> Result<(), Failure> {
    let noun = match member.role {
        Role::Device => "device",
        Role::Recovery => "way back",
    };
    let mark = match member.id == repository.me() {
        true => ", which you are using now",
        false => "",
    };
    let since = repository.roster().added(member);
    let seen = last_seen(repository, member);
    let may = abilities(member.capabilities);
    cx.ui
        .lines(&format!("\n  {noun} {:?}{mark}", member.label))?;
    cx.ui.line(&format!("    opens it with: {way}"))?;
    cx.ui
        .line(&format!("    may:           {}", may.join(", ")))?;
    cx.ui.line(&format!("    since:         {}", at(since)))?;
    cx.ui.line(&format!(
        "    last seen:     {}",
        seen.map_or_else(|| "never".to_owned(), at)
    ))?;
    cx.ui.json(
        "access",
        json!({
            "id": member.id.to_string(),
            "kind": if member.role == Role::Device { "device" } else { "recovery" },
            "name": member.label,
            "way": way,
            "capabilities": may,
            "since": clock::rfc3339(since.seconds, since.nanoseconds),
            "last_seen": seen.map(|seen| clock::rfc3339(seen.seconds, seen.nanoseconds)),
            "current": member.id == repository.me(),
        }),
    )
}

fn at(time: Timestamp) -> String {
    clock::local(time.seconds, time.nanoseconds)
}

/// Only a machine itself knows what its key is kept behind.
fn with_which_key(repository: &Repository, member: &Member) -> Result<String, Failure> {
    let file = "the key file in its state folder";
    Ok(match guard::of_member(repository, member)? {
        None => file.to_owned(),
        Some(GuardKind::Nothing) => format!("{file}; no password"),
        Some(guard) => format!("{file}, together with {guard}"),
    })
}

fn by_which_way(slots: &[SlotOf], member: &Member) -> String {
    let mut ways = Vec::new();
    for slot in slots {
        if slot.device == member.id {
            ways.push(match slot.kind {
                Some(SlotKind::Password) => "a password",
                Some(SlotKind::PasswordKit) => "a password together with the kit secret on paper",
                Some(SlotKind::RecoveryKey) => "the recovery key on the kit",
                Some(SlotKind::Contacts) => "recovery contacts together",
                None => "nothing: its slot is missing or damaged in the storage",
            });
        }
    }
    match ways.is_empty() {
        true => "nothing that is stored here".to_owned(),
        false => ways.join("; or "),
    }
}

/// The last time that it wrote: a backup, or a change of who has access.
fn last_seen(repository: &Repository, member: &Member) -> Option<Timestamp> {
    let backups = repository.snapshots().into_iter();
    let backups = backups
        .filter(|snapshot| snapshot.device == member.id)
        .map(|snapshot| snapshot.record.started);
    let changes = repository
        .roster()
        .changes_after(0)
        .filter(|entry| entry.signer == member.id)
        .map(|entry| entry.time);
    backups.chain(changes).max()
}

/// What has changed since the repository was made.
fn history(cx: &Context, repository: &Repository) -> Result<(), Failure> {
    let roster = repository.roster();
    cx.ui.lines(&format!(
        "\nWhat has changed (keys of epoch {} are in use):\n\n  {}  the repository was made",
        roster.current_epoch(),
        at(roster.founded())
    ))?;
    for entry in roster.changes_after(0) {
        if let Some(text) = sentence(roster, entry) {
            cx.ui.line(&format!("  {}  {text}", at(entry.time)))?;
            cx.ui.json(
                "access_change",
                json!({
                    "n": entry.n,
                    "time": clock::rfc3339(entry.time.seconds, entry.time.nanoseconds),
                    "text": text,
                }),
            )?;
        }
    }
    Ok(())
}
