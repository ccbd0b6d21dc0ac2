//! Copy: snapshots of one repository into another, which has other keys.
//!
//! Contents are read, verified, cut anew with the boundaries of the repository they go to, and
//! sealed under its keys, so that they are one with what is backed up there and nothing of the
//! one repository's secrets shows in the other. It is a backup whose source is a snapshot: the
//! same pipeline, the same order, the same look.
//!
//! A copy keeps what its snapshot says of itself, and says where it comes from ([`CopiedFrom`]);
//! what is there is not copied again. An interrupted copy goes on: chunks that were stored are
//! named by a checkpoint and are not stored again.

mod content;
mod note;
mod walk;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use ownkey_crypto::ObjectHash;

use crate::backup::session::Session;
use crate::error::{Error, Result};
use crate::format::record::{Counts, FIRST_PROBLEMS, MAX_TAGS, SnapshotRecord};
use crate::monitor::Monitor;
use crate::repository::{Repository, Snapshot};
use crate::tree::Browser;
pub(crate) use walk::{Earlier, Original, Trust};

pub use note::CopiedFrom;

/// One snapshot that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The snapshot.
    pub from: ObjectHash,
    /// Its copy.
    pub to: ObjectHash,
    /// Entries that are not in the copy, because they are damaged where they were read.
    pub problems: u64,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyReport {
    /// The snapshots copied, in this order.
    pub copied: Vec<Copied>,
    /// Snapshots asked for that were there already.
    pub present: u64,
    /// Entries missing in the copies because they are damaged; each was told to the monitor.
    pub problems: u64,
    /// Files whose content was read.
    pub read_files: u64,
    /// Plaintext of the chunks that were new, in bytes.
    pub new_bytes: u64,
    /// Packs stored.
    pub packs: u64,
    /// Bytes of the packs and index segments stored.
    pub stored_bytes: u64,
}

/// Copies `snapshots` of `from` that `to` does not have, by device and in the order of its log.
///
/// What is damaged in `from` is a problem of one entry; the rest is copied.
///
/// # Errors
/// [`Error::NotAllowed`] if `from` or `to` cannot be read or `to` not be written,
/// [`Error::SameRepository`], [`Error::Cancelled`], and those of both storages that are not damage
/// of `from`.
pub fn run(
    from: &Repository,
    snapshots: &[Snapshot],
    to: &mut Repository,
    monitor: &dyn Monitor,
) -> Result<CopyReport> {
    if from.id() == to.id() {
        return Err(Error::SameRepository);
    }
    if !from.keys.may_read() || !to.keys.may_read() {
        return Err(Error::NotAllowed("read, and so not copy"));
    }
    let browser = Arc::new(Browser::new(from)?);
    let mut run = Run {
        from,
        browser,
        session: Session::begin(to, monitor)?,
        copies: Vec::new(),
    };
    let mut known = run.known();
    let mut report = CopyReport::default();
    let mut snapshots: Vec<&Snapshot> = snapshots.iter().collect();
    // A log is in the order in which its device wrote; clocks may say otherwise.
    snapshots.sort_by_key(|snapshot| (snapshot.device, snapshot.at.seq));
    snapshots.dedup_by_key(|snapshot| snapshot.id);
    for snapshot in snapshots {
        let first = CopiedFrom::first(from, snapshot);
        if known.contains_key(&first) {
            report.present += 1;
            continue;
        }
        let copy = run.copy(snapshot, first, &mut report)?;
        known.insert(first, copy.clone());
        run.copies.push(Pair {
            theirs: snapshot.record.clone(),
            ours: copy,
        });
    }
    Ok(report)
}

/// A snapshot and what its copy says of itself.
struct Pair {
    theirs: SnapshotRecord,
    ours: SnapshotRecord,
}

/// A copy in progress.
struct Run<'r> {
    from: &'r Repository,
    browser: Arc<Browser>,
    session: Session<'r>,
    /// What was copied, in this run or an earlier one.
    copies: Vec<Pair>,
}

impl Run<'_> {
    /// The snapshots that are there, by where they come from; those that come from `from` are
    /// pairs to compare with.
    fn known(&mut self) -> HashMap<CopiedFrom, SnapshotRecord> {
        let to = self.session.repository();
        let there = to.snapshots().into_iter();
        let known: HashMap<CopiedFrom, SnapshotRecord> = there
            .map(|snapshot| (CopiedFrom::first(to, &snapshot), snapshot.record))
            .collect();
        for theirs in self.from.snapshots() {
            if let Some(ours) = known.get(&CopiedFrom::first(self.from, &theirs)) {
                self.copies.push(Pair {
                    theirs: theirs.record,
                    ours: ours.clone(),
                });
            }
        }
        known
    }

    fn copy(
        &mut self,
        snapshot: &Snapshot,
        first: CopiedFrom,
        report: &mut CopyReport,
    ) -> Result<SnapshotRecord> {
        let mut record = snapshot.record.clone();
        (record.parent, record.original) = (None, None);
        if CopiedFrom::of(&record).is_none() {
            if record.tags.len() >= MAX_TAGS {
                return Err(Error::Source(format!(
                    "snapshot {} has as many tags as the format can hold, and none can say where a copy comes from",
                    snapshot.id
                )));
            }
            record.tags.push(first.tag());
        }
        self.session.take_up(record)?;
        // Each time something relied on turns out to be condemned, another pass does without it.
        loop {
            let earlier = self.earlier(&snapshot.record);
            if earlier.as_ref().is_some_and(|it| it.trust == Trust::Wholly) {
                self.session.rely_on_everything()?;
            }
            let mut original = Original {
                from: Arc::clone(&self.browser),
                root: snapshot.record.root.clone(),
                earlier,
            };
            self.session.pass(&mut original, None)?;
            drop(original);
            let problems = self.session.record_mut().problems;
            keep_what_it_says(self.session.record_mut(), &snapshot.record);
            if let Some(made) = self.session.confirm()? {
                report.problems += problems;
                report.read_files += made.read_files;
                report.new_bytes += made.counts.new_bytes;
                report.packs += made.packs;
                report.stored_bytes += made.stored_bytes;
                report.copied.push(Copied {
                    from: snapshot.id,
                    to: made.snapshot,
                    problems,
                });
                return Ok(self.session.record_mut().clone());
            }
        }
    }

    /// The pair most like a snapshot: of the same machine and paths, and near in time.
    fn earlier(&self, record: &SnapshotRecord) -> Option<Earlier> {
        let pair = self.copies.iter().min_by_key(|pair| {
            let them = &pair.theirs;
            let alike = (them.host == record.host, them.paths == record.paths);
            let apart = them.started.seconds.abs_diff(record.started.seconds);
            (Reverse(alike), apart)
        })?;
        let index = self.session.index();
        let complete = pair.ours.problems == pair.theirs.problems;
        Some(Earlier {
            theirs: pair.theirs.root.clone(),
            ours: pair.ours.root.clone(),
            to: Arc::new(Browser::over(self.session.repository(), Arc::clone(index))),
            trust: if complete && index.is_wholly_reliable() {
                Trust::Wholly
            } else {
                Trust::FileByFile
            },
        })
    }
}

/// A copy counts what its snapshot counts: directories taken over are not looked into. What is
/// missing in it is a problem more.
fn keep_what_it_says(copy: &mut SnapshotRecord, of: &SnapshotRecord) {
    copy.counts = Counts {
        new_bytes: copy.counts.new_bytes,
        ..of.counts
    };
    copy.problems = copy.problems.saturating_add(of.problems);
    copy.first_problems
        .extend(of.first_problems.iter().cloned());
    copy.first_problems.truncate(FIRST_PROBLEMS);
}
