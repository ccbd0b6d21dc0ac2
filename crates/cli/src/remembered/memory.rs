//! What this machine remembers of a storage: what a probe found, and how often it was asked.
//!
//! A folder for each place, in the state folder. Losing it costs a probe.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ownkey_engine::keys::object_hash;
use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use crate::location::RepositoryUrl;

/// What is remembered of one place.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    name: String,
    folder: PathBuf,
}

/// What a probe found: the facts that decide how a storage is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    /// Raised when a probe asks for more.
    pub(crate) version: u32,
    /// When it was probed, in seconds since 1970.
    pub(crate) probed: i64,
    /// Whether of racing creators exactly one wins.
    pub(crate) exclusive_creation: bool,
    /// Whether reads see every write that ended before them.
    pub(crate) fresh_reads: bool,
    /// Whether what was deleted can be read again.
    pub(crate) versions: bool,
    /// Whether objects can be locked.
    pub(crate) locks: bool,
}

impl Facts {
    /// Before anything was tried.
    pub(crate) const NOTHING: Self = Self {
        version: FACTS_VERSION,
        probed: 0,
        exclusive_creation: false,
        fresh_reads: false,
        versions: false,
        locks: false,
    };
}

/// The probe whose facts are believed.
pub(crate) const FACTS_VERSION: u32 = 1;
/// Facts are a line; more was not written by us.
const MOST: u64 = 4096;

impl Memory {
    /// What is remembered of `place` in the state folder; nothing is touched.
    pub(crate) fn of(state: &Path, place: &RepositoryUrl) -> Self {
        let hash = object_hash(place.identity().as_bytes()).to_string();
        let name: String = hash.chars().take(32).collect();
        Self {
            folder: state.join("storages").join(&name),
            name,
        }
    }

    /// Where its objects are kept at hand.
    pub(crate) fn cache(&self, caches: &Path) -> PathBuf {
        caches.join("storages").join(&self.name)
    }

    /// What the last probe found; a file that cannot be read is no memory, and is probed anew.
    pub(crate) fn facts(&self) -> Option<Facts> {
        let file = File::open(self.facts_path()).ok()?;
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).ok()?;
        let facts: Facts = serde_json::from_slice(&text).ok()?;
        (facts.version == FACTS_VERSION).then_some(facts)
    }

    /// Remembers what a probe found.
    pub(crate) fn store_facts(&self, facts: &Facts) -> io::Result<()> {
        let text = serde_json::to_vec(facts).map_err(io::Error::other)?;
        replace(&self.facts_path(), &text)
    }

    /// How often it was asked.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::of(&self.folder)
    }

    fn facts_path(&self) -> PathBuf {
        self.folder.join("facts.json")
    }
}

/// Writes a small file whole or not at all, for this user's eyes.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let staging = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&staging)?;
    file.write_all(bytes)?;
    fs::rename(&staging, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(folder: &Path, place: &str) -> Memory {
        let place = RepositoryUrl::parse(place.as_ref(), None).expect("a place");
        Memory::of(folder, &place)
    }

    #[test]
    fn facts_are_remembered_place_by_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = memory(folder.path(), "s3://host.example/one");
        let facts = Facts {
            exclusive_creation: true,
            ..Facts::NOTHING
        };
        assert_eq!(one.facts(), None);
        one.store_facts(&facts).expect("stored");
        assert_eq!(one.facts(), Some(facts));
        let same = memory(folder.path(), "s3:host.example/one?region=garage");
        assert_eq!(
            same.facts(),
            Some(facts),
            "a region is a way there, not another place"
        );
        assert_eq!(memory(folder.path(), "s3://host.example/two").facts(), None);
    }

    #[test]
    fn facts_of_another_probe_and_broken_files_are_no_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = memory(folder.path(), "s3://host.example/one");
        let old = Facts {
            version: FACTS_VERSION + 1,
            ..Facts::NOTHING
        };
        one.store_facts(&old).expect("stored");
        assert_eq!(one.facts(), None);
        fs::write(one.facts_path(), "{").expect("a file");
        assert_eq!(one.facts(), None);
    }
}
