//! Changes of the roster in sentences, for the owner's other machines.
//!
//! Promise: whatever opens a repository to somebody, or closes it, is told once on every machine that is enrolled.

use ownkey_crypto::{Capabilities, DeviceId};

use super::Roster;
use crate::format::entry::ROSTER;
use crate::format::roster::{Change, Role, RosterEntry};

/// What an entry changed; `None` for what only completes another entry.
#[must_use]
pub fn sentence(roster: &Roster, entry: &RosterEntry) -> Option<String> {
    let who = label(roster, &entry.signer);
    let what = match &entry.change {
        Change::AddIdentity(identity) => {
            format!(
                "added the {} {:?}, which may {}",
                noun(identity.role),
                identity.label,
                abilities(identity.capabilities).join(", ")
            )
        }
        Change::Remove(device) => format!("removed {}", label(roster, device)),
        Change::Capabilities {
            device,
            capabilities,
        } => format!(
            "changed what {} may do: {}",
            label(roster, device),
            abilities(*capabilities).join(", ")
        ),
        Change::NewEpoch { epoch, .. } => format!("replaced the keys: epoch {epoch} has begun"),
        Change::Slot { device, added, .. } => {
            let verb = if *added { "made" } else { "withdrew" };
            format!("{verb} a key slot for {}", label(roster, device))
        }
        Change::Label { device, label } => {
            format!("gave device {} the name {label:?}", short(device))
        }
        Change::Accept { device, next, .. } => format!(
            "accepted that {} goes on at entry {next}, whatever was there",
            match *device == ROSTER {
                true => "the list of who has access".to_owned(),
                false => format!("the log of {}", label(roster, device)),
            }
        ),
        Change::FormatLevel(level) => format!("raised the format level to {level}"),
        Change::Policy(_) => "changed the policy".to_owned(),
        Change::Unknown(_) => "made a change that this ownkey does not know".to_owned(),
        Change::Cut { .. } => return None,
    };
    Some(format!("{who} {what}"))
}

/// Words for what somebody may do.
#[must_use]
pub fn abilities(capabilities: Capabilities) -> Vec<&'static str> {
    [
        (Capabilities::WRITE, "write"),
        (Capabilities::READ, "read"),
        (Capabilities::PRUNE, "prune"),
        (Capabilities::ADMIN, "admin"),
    ]
    .into_iter()
    .filter(|(capability, _)| capabilities.contain(*capability))
    .map(|(_, word)| word)
    .collect()
}

fn label(roster: &Roster, id: &DeviceId) -> String {
    match roster.member(id) {
        Some(member) => format!("the {} {:?}", noun(member.role), member.label),
        None => format!("device {}", short(id)),
    }
}

fn noun(role: Role) -> &'static str {
    match role {
        Role::Device => "device",
        Role::Recovery => "way back",
    }
}

fn short(id: &DeviceId) -> String {
    id.to_string().chars().take(8).collect()
}
