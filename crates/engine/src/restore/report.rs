//! What a restore came to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::format::entry::PackName;
use crate::target::ShortfallCounts;

/// The figures of a finished restore; of a dry run, what it would have done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreReport {
    /// Files written, or given another name by a hard link.
    pub files: u64,
    /// Directories made, or given their metadata.
    pub directories: u64,
    /// Links, pipes and devices made.
    pub others: u64,
    /// Content of the files written, holes not counted, in bytes.
    pub bytes: u64,
    /// Files whose content was right already.
    pub unchanged: u64,
    /// Entries that the overwrite policy left alone.
    pub skipped: u64,
    /// Entries removed because the snapshot does not have them.
    pub removed: u64,
    /// What could not be done; each was told to the monitor.
    pub problems: u64,
    /// Entries whose content is missing or damaged in the repository; counted in `problems` too.
    pub damaged: u64,
    /// Packs found damaged, also where another copy of the chunk was good.
    pub damaged_packs: BTreeSet<PackName>,
    /// What needs root or another file system.
    pub shortfalls: ShortfallCounts,
}

/// How a restore ended, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything asked for is there.
    Complete,
    /// Something could not be applied.
    Incomplete,
    /// Something is lost in the repository.
    Damaged,
}

impl RestoreReport {
    /// The worst that happened.
    pub fn outcome(&self) -> Outcome {
        if self.damaged > 0 {
            Outcome::Damaged
        } else if self.problems > 0 || self.shortfalls.needs_root() || self.is_cut_short() {
            Outcome::Incomplete
        } else {
            Outcome::Complete
        }
    }

    fn is_cut_short(&self) -> bool {
        self.shortfalls.unsupported_xattrs > 0 || self.shortfalls.unsupported_flags > 0
    }
}

/// Counters shared by the threads of a restore.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) files: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) others: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) removed: AtomicU64,
    pub(super) problems: AtomicU64,
    pub(super) damaged: AtomicU64,
}

impl Tally {
    /// Figures only: nothing is ordered by them.
    pub(super) fn add(&self, counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn report(
        &self,
        damaged_packs: BTreeSet<PackName>,
        shortfalls: ShortfallCounts,
    ) -> RestoreReport {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RestoreReport {
            files: load(&self.files),
            directories: load(&self.directories),
            others: load(&self.others),
            bytes: load(&self.bytes),
            unchanged: load(&self.unchanged),
            skipped: load(&self.skipped),
            removed: load(&self.removed),
            problems: load(&self.problems),
            damaged: load(&self.damaged),
            damaged_packs,
            shortfalls,
        }
    }
}
