//! What a check came to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ownkey_crypto::ObjectHash;
use ownkey_storage::ObjectName;

use crate::error::{Class, Error};
use crate::format::entry::PackName;
use crate::monitor::Problem;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it means.
    pub class: Class,
    /// What it is, as a sentence.
    pub message: String,
}

impl Finding {
    pub(crate) fn damage(message: String) -> Self {
        Self {
            class: Class::Damage,
            message,
        }
    }

    /// A failure that concerns one part of the repository; others end the check.
    pub(super) fn of(error: Error) -> Result<Self, Error> {
        match error.class() {
            class @ (Class::Damage | Class::StorageLied) => Ok(Self {
                class,
                message: error.to_string(),
            }),
            _ => Err(error),
        }
    }
}

/// An entry of a snapshot whose content is missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concerned {
    /// The snapshot.
    pub snapshot: ObjectHash,
    /// The file; or a directory, with all that is in it.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl Concerned {
    pub(super) fn as_problem(&self) -> Problem {
        let id = self.snapshot.to_string();
        let short = id.get(..8).unwrap_or(&id);
        Problem {
            path: self.path.clone(),
            message: format!("in snapshot {short}: {}", self.message),
        }
    }
}

/// Entries named in a report; the number of all is in it too.
pub const CONCERNED_NAMED: usize = 1_000;

/// The result of a check with a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Confirmed snapshots checked, and an unfinished one if there is one.
    pub snapshots: u64,
    /// Log entries read and verified, from the first of each log.
    pub log_entries: u64,
    /// Index segments read.
    pub segments: u64,
    /// Packs that the index knows.
    pub packs: u64,
    /// Different directories read.
    pub directories: u64,
    /// Files in them, each looked up chunk by chunk.
    pub files: u64,
    /// Packs opened wholly.
    pub packs_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// Packs and segments that no log entry needs: left by interrupted runs, removed by a prune.
    pub unreferenced: u64,
    /// Objects that are not ownkey's.
    pub foreign: Vec<ObjectName>,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// Packs that are missing, of a wrong length, or damaged.
    pub damaged_packs: BTreeSet<PackName>,
    /// Index segments that are missing or damaged.
    pub damaged_segments: BTreeSet<ObjectHash>,
    /// How many of both hold nothing that is not stored elsewhere as well, and so are no findings.
    pub superseded: u64,
    /// What cannot be restored: the first [`CONCERNED_NAMED`] entries.
    pub concerned: Vec<Concerned>,
    /// How many there are.
    pub concerned_count: u64,
    /// The snapshots that they are in.
    pub concerned_snapshots: BTreeSet<ObjectHash>,
}

impl CheckReport {
    /// The worst finding; `None` if everything is as it should be. That the storage lied is worse
    /// than damage: it concerns what nobody looked at, too.
    pub fn worst(&self) -> Option<Class> {
        let classes = || self.findings.iter().map(|finding| finding.class);
        classes()
            .find(|class| *class == Class::StorageLied)
            .or_else(|| classes().next())
    }
}
