//! Slots and grants that belong to nobody of the roster (docs/format.md §7, §8).
//!
//! They open nothing here and are never used; this says that they are there. Who can write to the storage can put one there, and so does a
//! command that adds somebody and ends in its middle. What a member ever had is no stranger: slots that were replaced, grants of
//! epochs that never began, grants of who was removed.

use std::collections::BTreeSet;

use ownkey_crypto::{GrantName, ObjectHash, RepoId};
use ownkey_storage::ObjectName;

use super::Roster;
use crate::format::layout::Object;
use crate::format::roster::Change;

/// Everybody who ever was in the roster, and every slot that ever was.
pub(crate) struct Acquaintances {
    slots: BTreeSet<ObjectHash>,
    grants: BTreeSet<GrantName>,
}

impl Acquaintances {
    pub(crate) fn of(roster: &Roster, repo: &RepoId) -> Self {
        let entries = roster.changes_after(0);
        Self {
            slots: entries
                .filter_map(|entry| match &entry.change {
                    Change::Slot { slot, .. } => Some(*slot),
                    _ => None,
                })
                .collect(),
            grants: roster
                .members()
                .map(|member| member.public.grant_name(repo))
                .collect(),
        }
    }

    /// Whether this is a slot or a grant, and nobody's.
    pub(crate) fn lack(&self, name: &ObjectName) -> bool {
        match Object::parse(name) {
            Some(Object::Slot(hash)) => !self.slots.contains(&hash),
            Some(Object::Grant(of, ..)) => !self.grants.contains(&of),
            _ => false,
        }
    }
}

/// Names that a sentence holds; the number of all is in it too.
const NAMED: usize = 3;

/// What to say about them; `None` if there are none.
#[must_use]
pub fn about_strangers(names: &[ObjectName]) -> Option<String> {
    let first: Vec<&str> = names.iter().take(NAMED).map(ObjectName::as_str).collect();
    let (is, they) = match names.len() {
        0 => return None,
        1 => (
            "1 key slot or key grant in the storage is",
            "it opens nothing here and is",
        ),
        _ => (
            "key slots or key grants in the storage are",
            "they open nothing here and are",
        ),
    };
    let count = match names.len() {
        1 => String::new(),
        count => format!("{count} "),
    };
    let more = match names.len() > NAMED {
        true => ", …",
        false => "",
    };
    Some(format!(
        "{count}{is} of nobody in the roster: put there by somebody who can write to the storage, or by a command that did \
         not end; {they} ignored ({}{more})",
        first.join(", ")
    ))
}
