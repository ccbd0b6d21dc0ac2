//! Eight words that name a repository and one entry of one of its logs (docs/format.md §17).
//!
//! Short enough for paper and for the telephone. Whoever has them has the repository's id and a history that every later
//! state must extend: 88 bits, so nobody finds another repository or another entry with the same words.

use ownkey_crypto::{RepoId, object_hash};

use crate::error::{Lie, Result};
use crate::format::entry::EntryRef;
use crate::repository::Repository;

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

/// Finds the entry that a fingerprint names. What is newest is tried first; older entries are read again
/// from the beginning of their logs, so that what is found is an ancestor of what is shown.
///
/// # Errors
/// [`Lie::NotPinned`] if no log has it; those of reading.
pub fn find(repository: &Repository, wanted: &Fingerprint) -> Result<EntryRef> {
    let repo = repository.id();
    let is_it = |entry: &EntryRef| fingerprint(&repo, entry) == *wanted;
    if let Some(entry) = repository.logs.entries().find(is_it) {
        return Ok(entry);
    }
    for member in repository.roster.members() {
        let log = repository.log_reader().reread(member)?;
        if let Some(entry) = log.entries(member.id).find(is_it) {
            return Ok(entry);
        }
    }
    Err(Lie::NotPinned.into())
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
