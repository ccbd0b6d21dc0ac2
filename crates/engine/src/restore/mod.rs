//! Restore: a snapshot, or a part of one, becomes files again.
//!
//! The walk over the snapshot makes directories and everything without content at once and
//! collects files in a *window*. A window is then fetched pack by pack, each pack once, decoded and
//! written on all cores, while the walk fills the next one; after it come the hard links into it
//! and the metadata of the directories that the walk has left, deepest first. So memory does not
//! grow with the snapshot:
//!
//! ```text
//! windows 2, each ≤ 16,384 entries, ≤ 200 files of several chunks (open files of the one that is
//!         written), and closed after 2 GiB of content: about 48 bytes a chunk, 0.5 KiB an entry
//! packs   64 MiB fetched, or being fetched, and not yet written; a larger one alone (72 MiB)
//! frames  cores × 3 × 4 MiB: deciphered, decompressed, and cut into chunks
//! always  the index, 32 MiB of frames of directories, hard-link groups, and the few late flags
//! ```
//! With little memory it is 2,048 entries, one pack, one core, and 4 MiB of frames of directories.
//!
//! Every chunk is verified by its id before it is written, and a file gets its name only when all
//! of it is. What is damaged is told and the rest goes on. Nothing is written outside the target:
//! that is the promise of [`target`](crate::target), through which everything here goes.

mod budget;
mod called;
mod filter;
mod finish;
pub(crate) mod layout;
mod level;
mod pipeline;
mod plan;
mod planner;
mod report;
mod trail;
mod window;
mod writeback;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ownkey_crypto::{NameKeys, ObjectHash};

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::name::Name;
use crate::list::{Start, join};
use crate::lock::lock;
use crate::monitor::{Monitor, Problem};
use crate::repository::{Repository, Snapshot};
use crate::target::{
    Applier, Marker, Overwrite, Owners, SetIds, TargetDir, TargetError, TargetTree, Trust,
};
use crate::tree::{Browser, Found};
use finish::{LateFlags, LeftDir};
use report::Tally;
use trail::Trail;
use window::Source;
use writeback::WriteBack;

pub use filter::{Filter, Verdict};
pub use report::{Outcome, RestoreReport};

/// What to restore, where, and how.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The folder everything goes into; made if it is missing.
    pub target: PathBuf,
    /// The part of the snapshot that is wanted. The contents of a directory go directly into the
    /// target; without a part the absolute paths of the snapshot are made again below it.
    pub subpath: Option<PathBuf>,
    /// Which entries.
    pub filter: Filter,
    /// What happens to what is already there.
    pub overwrite: Overwrite,
    /// What happens to what the snapshot does not have.
    pub extras: Extras,
    /// Whether anything is written.
    pub mode: Mode,
    /// Whether files are read back.
    pub verify: Verify,
    /// Who owns what is restored.
    pub owners: Owners,
    /// What becomes of setuid and setgid bits.
    pub set_ids: SetIds,
}

/// What happens to entries of restored directories that the snapshot does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extras {
    /// They stay.
    Keep,
    /// Those that the filter takes are removed; the caller has asked the user.
    Delete,
}

/// Whether a restore writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Write,
    /// It only counts what it would do.
    DryRun,
}

/// Whether files are read back before they get their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// What was written was verified; the file system is believed.
    No,
    /// Every chunk is read back and its id recomputed.
    ReadBack,
}

impl RestoreOptions {
    /// Everything into `target`, changed files replaced, nothing removed.
    pub fn into_folder(target: &Path) -> Self {
        Self {
            target: target.to_owned(),
            subpath: None,
            filter: Filter::default(),
            overwrite: Overwrite::Always,
            extras: Extras::Keep,
            mode: Mode::Write,
            verify: Verify::No,
            owners: Owners::ByName,
            set_ids: SetIds::Restore,
        }
    }
}

/// Restores from `snapshot`.
///
/// # Errors
/// [`Error::NoPath`] if the part does not exist, [`Error::Cancelled`], [`Error::Local`] if the
/// target cannot be used or is full, and those of the storage that are not damage. Everything that
/// concerns single entries is a [`Problem`] and counted in the report.
pub fn run(
    repository: &Repository,
    browser: &Browser,
    snapshot: &Snapshot,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport> {
    let start = Start::find(browser, snapshot, options.subpath.as_deref())?;
    let is_new = is_missing_or_empty(&options.target);
    let mut session = [0; 16];
    repository.environment.random.fill(&mut session)?;
    let tree = match options.mode {
        Mode::DryRun if !options.target.is_dir() => None,
        _ => Some(
            TargetTree::open(&options.target, session)
                .map_err(|error| unusable(&options.target, error))?,
        ),
    };
    let marker = tree
        .as_ref()
        .filter(|_| options.mode == Mode::Write)
        .map(|tree| Marker::begin(tree.root()));
    let restorer = Restorer {
        browser,
        names: &repository.keys.names,
        applier: Applier::new(options.owners, options.set_ids),
        trust: marker.as_ref().map_or(Trust::ContentOnly, Marker::trust),
        tree,
        options,
        monitor,
        tally: Tally::default(),
        write_back: WriteBack::default(),
        fatal: Mutex::default(),
        damaged_packs: Mutex::default(),
        sources: Mutex::default(),
        groups: Mutex::default(),
        late: Mutex::default(),
        deferred: Mutex::default(),
    };
    planner::plan(&restorer, &start)?;
    restorer.finish_late()?;
    if let Some(note) = browser.chunks.healed_note() {
        monitor.note(&note);
    }
    if let (Some(marker), Some(tree)) = (marker, &restorer.tree) {
        tree.sync()
            .map_err(|error| unusable(&options.target, error))?;
        marker.finish();
        // A folder that somebody else made, and uses, keeps its own metadata.
        if let (Found::Node(node), true, true) = (&start.found, is_new, start.directory().is_some())
        {
            restorer.metadata_problems(
                &[],
                restorer.applier.finish_dir(tree.root(), &node.metadata),
            );
        }
    }
    Ok(restorer.into_report())
}

/// One restore; shared by its threads.
pub(super) struct Restorer<'a> {
    browser: &'a Browser,
    names: &'a NameKeys,
    /// Absent in a dry run into a folder that does not exist.
    tree: Option<TargetTree>,
    applier: Applier,
    trust: Trust,
    options: &'a RestoreOptions,
    monitor: &'a dyn Monitor,
    tally: Tally,
    write_back: WriteBack,
    /// Why everything stops, told by whichever thread was first.
    fatal: Mutex<Option<Error>>,
    damaged_packs: Mutex<BTreeSet<PackName>>,
    /// First restored names of hard-link groups.
    sources: Mutex<HashMap<u64, Source>>,
    /// What the first entry of each group is.
    groups: Mutex<HashMap<u64, ObjectHash>>,
    late: Mutex<Vec<LateFlags>>,
    deferred: Mutex<Vec<LeftDir>>,
}

impl Restorer<'_> {
    fn tree(&self) -> Result<&TargetTree, TargetError> {
        let missing = || TargetError::new("find the target", rustix::io::Errno::NOENT);
        self.tree.as_ref().ok_or_else(missing)
    }

    fn dir(&self, path: &Trail) -> Result<TargetDir, TargetError> {
        self.tree()?.dir(&path.names())
    }

    fn is_dry(&self) -> bool {
        self.options.mode == Mode::DryRun
    }

    /// The path in the target, for people.
    fn shown(&self, path: &[Name]) -> PathBuf {
        join(&self.options.target, path)
    }

    fn problem(&self, path: &[Name], message: String) {
        self.tally.add(&self.tally.problems, 1);
        self.monitor.problem(&Problem {
            path: self.shown(path),
            message,
        });
    }

    /// What failed at the target: a problem of one entry, or the end if the target is full.
    fn target_failed(&self, path: &[Name], error: TargetError) {
        match error {
            // Counted in the shortfalls and told once.
            TargetError::NeedsRoot => {}
            error if error.is_full() => self.stop(unusable(&self.shown(path), error)),
            error => self.problem(path, error.message()),
        }
    }

    fn metadata_problems(&self, path: &[Name], problems: Vec<crate::target::MetadataProblem>) {
        for problem in problems {
            self.problem(path, problem.to_string());
        }
    }

    /// Content that cannot be had: counted as damage.
    fn damaged(&self, path: &[Name], error: &Error) {
        self.tally.add(&self.tally.damaged, 1);
        self.problem(path, error.to_string());
    }

    fn stop(&self, error: Error) {
        lock(&self.fatal).get_or_insert(error);
    }

    fn is_stopped(&self) -> bool {
        self.monitor.cancelled() || lock(&self.fatal).is_some()
    }

    /// The error that stopped everything, if one did.
    fn stopped(&self) -> Result<()> {
        match lock(&self.fatal).take() {
            Some(error) => Err(error),
            None if self.monitor.cancelled() => Err(Error::Cancelled),
            None => Ok(()),
        }
    }

    fn into_report(self) -> RestoreReport {
        let shortfalls = self.applier.shortfalls().counts();
        let damaged_packs = self
            .damaged_packs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        self.tally.report(damaged_packs, shortfalls)
    }
}

fn unusable(path: &Path, error: TargetError) -> Error {
    let source = match error {
        TargetError::Refused { source, .. } => source,
        other => std::io::Error::other(other.message()),
    };
    Error::Local {
        action: "restore into",
        path: path.to_owned(),
        source,
    }
}

fn is_missing_or_empty(target: &Path) -> bool {
    match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
