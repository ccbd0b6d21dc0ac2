//! Snapshots without what is lost, beside those that have lost it.
//!
//! A file with a lost chunk is left out, not cut: half a file that looks whole is worse than none, and `dump` and `restore` get
//! what there is out of the old snapshot, which stays. What is left out is a problem of the new one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ownkey_crypto::ObjectHash;

use super::may_repair;
use crate::backup::session::Session;
use crate::check::{self, ReadData};
use crate::copy::{Earlier, Original, Trust};
use crate::error::{Error, Result};
use crate::format::record::{FIRST_PROBLEMS, MAX_TAGS, SnapshotRecord};
use crate::monitor::{Figure, Monitor, Problem};
use crate::repository::{Repository, Snapshot};
use crate::tree::Browser;

const PREFIX: &str = "ownkey:repaired-from=";

/// The snapshot of which a repaired one has what is left: a tag of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepairedFrom(pub ObjectHash);

impl RepairedFrom {
    /// What the tags of a repaired snapshot say; `None` for others.
    pub fn of(record: &SnapshotRecord) -> Option<Self> {
        // Of what was repaired twice, the last repair counts.
        record.tags.iter().rev().find_map(|tag| Self::parse(tag))
    }

    /// Reads a tag; `None` is another one.
    pub fn parse(tag: &str) -> Option<Self> {
        ObjectHash::parse(tag.strip_prefix(PREFIX)?).ok().map(Self)
    }

    fn tag(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }
}

/// A snapshot that was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repaired {
    /// The snapshot that has lost something, and stays.
    pub from: ObjectHash,
    /// What is left of it.
    pub to: ObjectHash,
    /// Entries that were left out.
    pub problems: u64,
}

/// What a repair of snapshots came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotsReport {
    /// In the order of their times.
    pub repaired: Vec<Repaired>,
    /// Snapshots that have lost something and were repaired before.
    pub present: u64,
    /// Snapshots of which nothing is left.
    pub empty: u64,
}

/// Makes a new snapshot for each that has lost something.
///
/// # Errors
/// Those of a [check](check::run) and of a backup.
pub fn snapshots(
    repository: &mut Repository,
    read: ReadData,
    monitor: &dyn Monitor,
) -> Result<SnapshotsReport> {
    may_repair(repository)?;
    repository.refresh_logs()?;
    // What it finds is told by the repair itself, entry by entry.
    let concerned = check::run(repository, read, &Hushed(monitor))?.concerned_snapshots;
    let all = repository.snapshots();
    let before = all.iter().filter_map(|it| RepairedFrom::of(&it.record));
    let before: BTreeSet<ObjectHash> = before.map(|from| from.0).collect();
    let mut report = SnapshotsReport::default();
    let browser = Arc::new(Browser::new(repository)?);
    let mut session = Session::begin(repository, monitor)?;
    for snapshot in all.iter().filter(|it| concerned.contains(&it.id)) {
        if before.contains(&snapshot.id) {
            report.present += 1;
            continue;
        }
        match repaired(&mut session, &browser, snapshot)? {
            Some(repaired) => report.repaired.push(repaired),
            None => report.empty += 1,
        }
    }
    if let Some(note) = browser.chunks.healed_note() {
        monitor.note(&note);
    }
    Ok(report)
}

/// `None` if nothing of it is left.
fn repaired(
    session: &mut Session<'_>,
    browser: &Arc<Browser>,
    snapshot: &Snapshot,
) -> Result<Option<Repaired>> {
    let mut record = snapshot.record.clone();
    if record.tags.len() >= MAX_TAGS {
        return Err(Error::Source(format!(
            "snapshot {} has as many tags as the format can hold, and none can say where a repaired one comes from",
            snapshot.id
        )));
    }
    record.tags.push(RepairedFrom(snapshot.id).tag());
    session.take_up(record)?;
    // Each time something relied on turns out to be condemned, another pass does without it.
    loop {
        let index = Arc::clone(session.index());
        let root = &snapshot.record.root;
        let mut original = Original {
            from: Arc::clone(browser),
            root: root.clone(),
            // Beside itself: what it has and can be relied on is taken over, and only the rest is read.
            earlier: Some(Earlier {
                theirs: root.clone(),
                ours: root.clone(),
                to: Arc::new(Browser::over(session.repository(), index)),
                trust: Trust::FileByFile,
            }),
        };
        session.pass(&mut original, None)?;
        let record = session.record_mut();
        if record.counts.files + record.counts.others == 0 {
            return Ok(None);
        }
        let problems = record.problems;
        keep_problems(record, &snapshot.record);
        if let Some(made) = session.confirm()? {
            return Ok(Some(Repaired {
                from: snapshot.id,
                to: made.snapshot,
                problems,
            }));
        }
    }
}

/// What could not be backed up is missing still.
fn keep_problems(record: &mut SnapshotRecord, of: &SnapshotRecord) {
    record.problems = record.problems.saturating_add(of.problems);
    let earlier = of.first_problems.iter().cloned();
    record.first_problems.extend(earlier);
    record.first_problems.truncate(FIRST_PROBLEMS);
}

/// A monitor that counts and can be cancelled, and says nothing.
struct Hushed<'m>(&'m dyn Monitor);

impl Monitor for Hushed<'_> {
    fn problem(&self, _problem: &Problem) {}

    fn count(&self, figure: Figure, by: u64) {
        self.0.count(figure, by);
    }

    fn at(&self, path: &Path) {
        self.0.at(path);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_and_what_only_resembles_one_is_a_tag_of_the_user() {
        let from = RepairedFrom(ObjectHash::from_bytes([3; 32]));
        let tag = from.tag();
        assert!(tag.len() <= 255);
        assert_eq!(RepairedFrom::parse(&tag), Some(from));
        assert_eq!(RepairedFrom::parse(&tag[..tag.len() - 1]), None);
        assert_eq!(RepairedFrom::parse("ownkey:repaired"), None);
    }
}
