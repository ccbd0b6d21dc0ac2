//! Forget: deciding which snapshots stay, and taking the others out of the list.
//!
//! Deciding is pure: snapshots are placed in time ([`place`]), and a [`Policy`] judges them, group by group. Nothing
//! is deleted here: a snapshot that is forgotten can be had back until its packs are pruned.

mod believed;
mod group;
mod length;
pub mod pin;
mod policy;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeSet;

use ownkey_crypto::Capabilities;

use crate::error::{Error, Result};
use crate::format::entry::{EntryRef, Event};
use crate::log::Draft;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::state::Lock;

pub use believed::{Maker, Placed, place};
pub use group::{By, Group, Key};
pub use length::{BadLength, Length};
pub use policy::Policy;
pub use verdict::{Every, Reason, Verdict};

/// Snapshots that one entry forgets or pins. The format allows twice as many (docs/format.md §14); a fold that holds them must be
/// readable as well.
const AT_ONCE: usize = 1 << 16;

/// Forgets snapshots; those that are forgotten already are left out. Says how many it was.
///
/// # Errors
/// [`Error::NotAllowed`] unless the identity that opened the repository may prune, [`Error::Pinned`] if one of them is; those
/// of the storage. In all cases but the last nothing was forgotten.
pub fn run(
    repository: &mut Repository,
    snapshots: &BTreeSet<EntryRef>,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let _lock = begin(repository, monitor)?;
    let standing = repository.snapshots().into_iter();
    let going: Vec<EntryRef> = standing
        .map(|snapshot| snapshot.entry())
        .filter(|entry| snapshots.contains(entry))
        .collect();
    let pinned = repository.pinned();
    if let Some(one) = going.iter().find(|entry| pinned.contains(entry)) {
        return Err(Error::Pinned(one.at.hash));
    }
    for some in going.chunks(AT_ONCE) {
        say(repository, Event::Forget(some.to_vec()))?;
    }
    Ok(going.len() as u64)
}

/// What this machine says next rests on all that was said before, and no other run of it comes between.
fn begin(repository: &mut Repository, monitor: &dyn Monitor) -> Result<Lock> {
    may_forget(repository)?;
    let lock = repository.state.lock()?;
    repository.catch_up(monitor)?;
    Ok(lock)
}

fn say(repository: &mut Repository, event: Event) -> Result<()> {
    let draft = Draft {
        event,
        record: None,
        time: repository.environment.clock.now(),
    };
    repository.append(&draft).map(drop)
}

/// Whoever may only write could otherwise make room for what it wants to be believed.
pub(crate) fn may_forget(repository: &Repository) -> Result<()> {
    repository.must_be_writable()?;
    let needed = Capabilities::WRITE.and(Capabilities::PRUNE);
    let me = repository.roster().standing(&repository.me());
    if me.is_some_and(|me| me.capabilities.contain(needed)) {
        return Ok(());
    }
    Err(Error::NotAllowed("say which snapshots stay"))
}
