//! Pins: snapshots that nobody forgets, whatever a policy says, until they are unpinned.
//!
//! A Pin is an entry, so all devices know of it. Several may pin one snapshot, and it stays until all of these Pins are
//! ended; who ends some names them, so a Pin that it did not know of stands.

use std::collections::BTreeSet;

use super::{AT_ONCE, begin, say};
use crate::error::{Error, Result};
use crate::format::entry::{EntryRef, Event};
use crate::monitor::Monitor;
use crate::repository::Repository;

/// Pins snapshots; those that are pinned already are left out. Says how many it was.
///
/// # Errors
/// [`Error::NotAllowed`] unless the identity that opened the repository may prune; [`Error::NoSnapshot`] if one of them
/// was forgotten, be it at the same moment; those of the storage.
pub fn add(
    repository: &mut Repository,
    snapshots: &BTreeSet<EntryRef>,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let _lock = begin(repository, monitor)?;
    must_stand(repository, snapshots)?;
    let pinned = repository.pinned();
    let new: Vec<EntryRef> = snapshots.difference(&pinned).copied().collect();
    pin(repository, &new)?;
    // Whoever forgets one of them from now on sees the Pin; whoever did before is seen here.
    repository.look_around(monitor)?;
    must_stand(repository, snapshots)?;
    Ok(new.len() as u64)
}

/// Ends all pins of snapshots. Says how many of them were pinned.
///
/// # Errors
/// [`Error::NotAllowed`] unless the identity that opened the repository may prune; those of the storage.
pub fn remove(
    repository: &mut Repository,
    snapshots: &BTreeSet<EntryRef>,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let _lock = begin(repository, monitor)?;
    let (mut ended, mut pinned) = (Vec::new(), BTreeSet::new());
    for (pin, named) in repository.logs.pins(&repository.roster) {
        if named.iter().any(|snapshot| snapshots.contains(snapshot)) {
            ended.push(pin);
            pinned.extend(named.iter().copied());
        }
    }
    let others: Vec<EntryRef> = pinned.difference(snapshots).copied().collect();
    // What is pinned by the same entries is pinned anew before they end.
    pin(repository, &others)?;
    for ended in ended.chunks(AT_ONCE) {
        let event = Event::Pin {
            pinned: Vec::new(),
            ended: ended.to_vec(),
        };
        say(repository, event)?;
    }
    Ok((pinned.len() - others.len()) as u64)
}

fn pin(repository: &mut Repository, snapshots: &[EntryRef]) -> Result<()> {
    for some in snapshots.chunks(AT_ONCE) {
        let event = Event::Pin {
            pinned: some.to_vec(),
            ended: Vec::new(),
        };
        say(repository, event)?;
    }
    Ok(())
}

fn must_stand(repository: &Repository, snapshots: &BTreeSet<EntryRef>) -> Result<()> {
    let standing = repository.snapshots().into_iter();
    let standing: BTreeSet<EntryRef> = standing.map(|snapshot| snapshot.entry()).collect();
    match snapshots.difference(&standing).next() {
        Some(gone) => Err(Error::NoSnapshot(gone.at.hash.to_string())),
        None => Ok(()),
    }
}
