//! Where a copied snapshot comes from: a tag of its record (docs/adr/0013-copy.md).

use ownkey_crypto::{ObjectHash, RepoId};

use crate::format::record::SnapshotRecord;
use crate::repository::{Repository, Snapshot};

const PREFIX: &str = "ownkey:copied-from=";

/// The snapshot that a copy is of, wherever it was copied on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopiedFrom {
    /// The repository it was made in.
    pub repository: RepoId,
    /// Its id there.
    pub snapshot: ObjectHash,
}

impl CopiedFrom {
    /// What the tags of a copy say; `None` for a snapshot that was made where it is.
    pub fn of(record: &SnapshotRecord) -> Option<Self> {
        record.tags.iter().find_map(|tag| Self::parse(tag))
    }

    /// The first place of a snapshot of `repository`, which may be this one.
    pub(crate) fn first(repository: &Repository, snapshot: &Snapshot) -> Self {
        Self::of(&snapshot.record).unwrap_or(Self {
            repository: repository.id(),
            snapshot: snapshot.first.at.hash,
        })
    }

    /// Reads a tag; `None` is a tag of the user.
    pub fn parse(tag: &str) -> Option<Self> {
        let (repository, snapshot) = tag.strip_prefix(PREFIX)?.split_once('/')?;
        Some(Self {
            repository: RepoId::parse(repository).ok()?,
            snapshot: ObjectHash::parse(snapshot).ok()?,
        })
    }

    /// The tag that says so.
    pub(crate) fn tag(&self) -> String {
        format!("{PREFIX}{}/{}", self.repository, self.snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_fits_a_tag_and_what_only_resembles_one_is_a_tag_of_the_user() {
        let note = CopiedFrom {
            repository: RepoId::from_bytes([1; 32]),
            snapshot: ObjectHash::from_bytes([2; 32]),
        };
        let tag = note.tag();
        assert!(tag.len() <= 255);
        assert_eq!(CopiedFrom::parse(&tag), Some(note));
        assert_eq!(CopiedFrom::parse(&tag[..tag.len() - 1]), None);
        assert_eq!(CopiedFrom::parse(&format!("{tag}0")), None);
        assert_eq!(CopiedFrom::parse("holidays"), None);
    }
}
