//! Backing up: sources in, a confirmed snapshot out.
//!
//! The order is law: packs, then index segments, then the `Backup` entry; then the look; and
//! only then the `Confirm` that makes it a snapshot (docs/design.md, "The look rule"). A run that
//! stops anywhere before leaves garbage, never a lie.

mod cut;
pub(crate) mod framer;
pub(crate) mod leaf;
mod linked;
pub(crate) mod outlet;
mod parent;
pub(crate) mod pass;
pub(crate) mod session;
mod share;
mod stream;
mod trees;
pub(crate) mod walker;

use std::collections::HashSet;
use std::io::Read;

use ownkey_crypto::{Capabilities, ObjectHash};

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::record::{Counts, SnapshotRecord};
use crate::format::time::Timestamp;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::source::{Excludes, ExcludesBuilder, InvalidRule, Selection, Walk, WalkOptions};
use session::Session;

pub use crate::retention::{Locked, lock_period};

/// What to back up.
pub struct Sources {
    /// The paths.
    pub selection: Selection,
    /// What to leave out of them; what ownkey itself keeps is always left out besides.
    pub excludes: ExcludesBuilder,
    /// How to walk.
    pub walk: WalkOptions,
}

/// What a snapshot is to say of itself.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// The machine's name.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// The user's tags.
    pub tags: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// A copy of the machine's profile.
    pub profile: Option<Vec<u8>>,
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The snapshot.
    pub snapshot: ObjectHash,
    /// What is in it.
    pub counts: Counts,
    /// Files that were read because they are new or changed.
    pub read_files: u64,
    /// Entries that could not be read, or not wholly.
    pub problems: u64,
    /// Packs stored.
    pub packs: u64,
    /// Bytes of all objects stored.
    pub stored_bytes: u64,
    /// What keeping it locked came to, where that was asked for.
    pub locked: Option<Locked>,
    /// When it began.
    pub started: Timestamp,
    /// When it was confirmed.
    pub ended: Timestamp,
}

/// Backs up `sources`.
pub fn run(
    repository: &mut Repository,
    sources: &Sources,
    labels: &Labels,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let excludes = std::sync::Arc::new(
        excludes(repository, sources).map_err(|rule| Error::Source(rule.to_string()))?,
    );
    let paths: Vec<Vec<u8>> = sources
        .selection
        .paths()
        .into_iter()
        .map(|path| path.into_os_string().into_encoded_bytes())
        .collect();
    let walk = || {
        Walk::new(
            &sources.selection,
            std::sync::Arc::clone(&excludes),
            sources.walk.clone(),
        )
    };
    let mut session = Session::begin(repository, monitor)?;
    session.describe(draft(labels, paths));
    // Each time something relied on turns out to be condemned, another pass does without it.
    loop {
        session.tree_pass(walk())?;
        if let Some(report) = session.confirm()? {
            return Ok(report);
        }
    }
}

/// Backs up what `content` gives until its end, as the file `name`. `finish` tells whether the
/// content was whole; if not there is no snapshot.
pub fn run_stream(
    repository: &mut Repository,
    name: &str,
    content: &mut dyn Read,
    finish: &mut dyn FnMut() -> std::result::Result<(), String>,
    labels: &Labels,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut session = Session::begin(repository, monitor)?;
    session.describe(draft(labels, vec![format!("/{name}").into_bytes()]));
    session.stream_pass(name, content)?;
    finish().map_err(Error::Source)?;
    match session.confirm()? {
        Some(report) => Ok(report),
        // A stream cannot be read twice.
        None => Err(Error::Source(
            "a prune condemned what this stream relied on; run the backup again".to_owned(),
        )),
    }
}

/// What would be backed up: the events of a walk, for a dry run.
pub fn dry_run(repository: &Repository, sources: &Sources) -> Result<Walk, InvalidRule> {
    let excludes = std::sync::Arc::new(excludes(repository, sources)?);
    Ok(Walk::new(
        &sources.selection,
        excludes,
        sources.walk.clone(),
    ))
}

/// ownkey's own keys, state and cache, and a local repository, are never backed up: a restored
/// machine enrols anew, and a repository inside itself would grow for ever.
fn excludes(repository: &Repository, sources: &Sources) -> Result<Excludes, InvalidRule> {
    let mut builder = sources.excludes.clone();
    builder
        .own(&repository.environment.state)
        .own(&repository.environment.cache);
    if let Some(folder) = repository.location().as_folder() {
        builder.own(folder);
    }
    builder.build()
}

fn draft(labels: &Labels, paths: Vec<Vec<u8>>) -> SnapshotRecord {
    SnapshotRecord {
        host: labels.host.clone(),
        user: labels.user.clone(),
        paths,
        tags: labels.tags.clone(),
        version: labels.version.clone(),
        profile: labels.profile.clone(),
        ..SnapshotRecord::default()
    }
}

/// Names the record of one set of paths in the state folder.
fn sources_key(paths: &[Vec<u8>]) -> String {
    let mut sorted: Vec<&Vec<u8>> = paths.iter().collect();
    sorted.sort();
    let joined: Vec<u8> = sorted
        .into_iter()
        .flat_map(|path| path.iter().chain(&[0]))
        .copied()
        .collect();
    ownkey_crypto::object_hash(&joined)
        .to_string()
        .chars()
        .take(16)
        .collect()
}

fn may_write(repository: &Repository) -> Result<()> {
    repository.must_be_writable()?;
    if repository.keys.capabilities.contain(Capabilities::WRITE) {
        return Ok(());
    }
    Err(Error::NotAllowed("write to this repository"))
}

/// Objects relied on, for the look.
#[derive(Debug, Default)]
pub(crate) struct Relied {
    pub(crate) packs: HashSet<PackName>,
    pub(crate) segments: HashSet<ObjectHash>,
}
