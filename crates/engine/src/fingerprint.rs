//! Eight words that name a repository and one entry of one of its logs (docs/format.md §17).
//!
//! Short enough for paper and for the telephone. Whoever has them has the repository's id and a history that every later
//! state must extend: 88 bits, so nobody finds another repository or another entry with the same words.
//!
//! An entry names the one before it, and the newest its author had seen of every other log and of the roster. So the
//! words of the last entry stand for all of the repository, and a few more are needed only while nobody has seen everything.

use std::collections::BTreeMap;

use ownkey_crypto::{DeviceId, RepoId, object_hash};

use crate::error::{Lie, Result};
use crate::format::entry::{EntryRef, LogEntry, ROSTER, RosterPosition};
use crate::repository::Repository;
use crate::roster::Roster;

/// Numbers of words, each below 2,048.
pub type Fingerprint = [u16; 8];

/// The fingerprint of one entry of a repository.
#[must_use]
pub fn fingerprint(repo: &RepoId, entry: &EntryRef) -> Fingerprint {
    let named = [
        b"ownkey/1 fingerprint".as_slice(),
        repo.as_bytes(),
        entry.device.as_bytes(),
        &entry.at.seq.to_le_bytes(),
        entry.at.hash.as_bytes(),
    ]
    .concat();
    let hash = *object_hash(&named).as_bytes();
    let (pairs, _) = hash.as_chunks::<2>();
    let mut words = [0; 8];
    for (word, pair) in words.iter_mut().zip(pairs) {
        *word = u16::from_le_bytes(*pair) & 0x7ff;
    }
    words
}

/// The newest entries: of every log and of the roster the last one, but for those that another of them says to have seen.
/// Mostly one.
///
/// # Errors
/// Those of reading the last entry of every log.
pub fn newest(repository: &Repository) -> Result<Vec<EntryRef>> {
    let roster = repository.roster.position();
    let mut seen = Seen::default();
    for (device, at) in repository.logs.tips() {
        seen.add(&read(repository, device, at.seq)?);
    }
    let tips = repository.logs.tips();
    let logs = tips
        .iter()
        .filter(|(device, at)| seen.behind(device) <= at.seq);
    let logs = logs.map(|(device, at)| EntryRef {
        device: *device,
        at: *at,
    });
    let roster = (seen.behind(&ROSTER) <= u64::from(roster.n)).then(|| EntryRef::of_roster(roster));
    Ok(logs.chain(roster).collect())
}

/// What somebody had seen: of every log, and of the roster, the number behind the newest entry.
#[derive(Default)]
struct Seen(BTreeMap<DeviceId, u64>);

impl Seen {
    fn add(&mut self, entry: &LogEntry) {
        let logs = entry.seen.iter().map(|seen| (seen.device, seen.at.seq));
        let roster = (ROSTER, u64::from(entry.roster.n));
        for (device, seq) in logs.chain([roster]) {
            let behind = self.0.entry(device).or_default();
            *behind = (*behind).max(seq.saturating_add(1));
        }
    }

    fn behind(&self, device: &DeviceId) -> u64 {
        self.0.get(device).copied().unwrap_or_default()
    }
}

fn read(repository: &Repository, device: DeviceId, seq: u64) -> Result<LogEntry> {
    let hidden = Lie::LogRolledBack { device, seq };
    let member = repository.roster.member(&device).ok_or(hidden.clone())?;
    let entry = repository.log_reader().entry(member, seq)?;
    Ok(entry.ok_or(hidden)?.1)
}

/// What eight words say about what is shown here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// They name an entry of what is shown.
    Known {
        /// The entry.
        entry: EntryRef,
        /// For every log, and for the roster, how many entries of it its author had not seen, where there are any: what
        /// whoever is shown nothing newer than these words lacks.
        since: Vec<(DeviceId, u64)>,
    },
    /// All but one or two are those of an entry of what is shown: they were misread.
    Misread {
        /// How many are wrong.
        words: usize,
    },
}

/// Compares eight words of another machine with what is shown to this one.
///
/// # Errors
/// [`Lie::NotPinned`] if nothing that is shown has them; those of reading.
pub fn compare(repository: &Repository, wanted: &Fingerprint) -> Result<Compared> {
    let repo = repository.id();
    let mut closest = wanted.len();
    let found = search(repository, |entry| {
        let words = fingerprint(&repo, entry);
        let wrong = words.iter().zip(wanted).filter(|(one, other)| one != other);
        let wrong = wrong.count();
        closest = closest.min(wrong);
        wrong == 0
    })?;
    match found {
        Some(entry) => Ok(Compared::Known {
            entry,
            since: since(repository, &entry)?,
        }),
        // By chance two entries share six of eight words once in 2^61 pairs.
        None if closest <= 2 => Ok(Compared::Misread { words: closest }),
        None => Err(Lie::NotPinned.into()),
    }
}

fn since(repository: &Repository, entry: &EntryRef) -> Result<Vec<(DeviceId, u64)>> {
    let mut seen = Seen::default();
    if entry.in_roster().is_none() {
        seen.add(&read(repository, entry.device, entry.at.seq)?);
    }
    seen.0.insert(entry.device, entry.at.seq.saturating_add(1));
    let tips = repository.logs.tips().into_iter();
    let logs = tips.map(|(device, at)| (device, at.seq.saturating_add(1)));
    let roster = (ROSTER, u64::from(repository.roster.position().n) + 1);
    let ahead = |(device, end): (DeviceId, u64)| (device, end.saturating_sub(seen.behind(&device)));
    let all = logs.chain([roster]).map(ahead);
    Ok(all.filter(|(_, ahead)| *ahead > 0).collect())
}

/// Finds the entry that a fingerprint names.
///
/// # Errors
/// [`Lie::NotPinned`] if no log has it; those of reading.
pub fn find(repository: &Repository, wanted: &Fingerprint) -> Result<EntryRef> {
    let repo = repository.id();
    let found = search(repository, |entry| fingerprint(&repo, entry) == *wanted)?;
    Ok(found.ok_or(Lie::NotPinned)?)
}

/// What is newest is tried first; older entries are read again from the beginning of their logs, so that what is found is
/// an ancestor of what is shown.
fn search(
    repository: &Repository,
    mut is_it: impl FnMut(&EntryRef) -> bool,
) -> Result<Option<EntryRef>> {
    let newest = repository.logs.entries().chain(entries(&repository.roster));
    for entry in newest {
        if is_it(&entry) {
            return Ok(Some(entry));
        }
    }
    for member in repository.roster.members() {
        let log = repository.log_reader().reread(member, &|_| true)?;
        if let Some(entry) = log.entries(member.id).find(&mut is_it) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn entries(roster: &Roster) -> impl Iterator<Item = EntryRef> {
    let entries = roster.entries();
    entries.map(|(n, hash)| EntryRef::of_roster(RosterPosition { n, hash }))
}

#[cfg(test)]
mod tests {
    use ownkey_crypto::{DeviceId, ObjectHash};

    use super::*;
    use crate::format::entry::LogPosition;

    #[test]
    fn another_repository_log_number_or_entry_has_other_words() {
        let entry = EntryRef {
            device: DeviceId::from_bytes([1; 16]),
            at: LogPosition {
                seq: 7,
                hash: ObjectHash::from_bytes([2; 32]),
            },
        };
        let ours = RepoId::from_bytes([3; 32]);
        let words = fingerprint(&ours, &entry);
        assert!(words.iter().all(|word| *word < 2048));
        assert_eq!(words, fingerprint(&ours, &entry));
        let (mut log, mut number, mut hash) = (entry, entry, entry);
        log.device = DeviceId::from_bytes([9; 16]);
        number.at.seq = 8;
        hash.at.hash = ObjectHash::from_bytes([9; 32]);
        for other in [log, number, hash] {
            assert_ne!(words, fingerprint(&ours, &other));
        }
        assert_ne!(words, fingerprint(&RepoId::from_bytes([4; 32]), &entry));
    }
}
