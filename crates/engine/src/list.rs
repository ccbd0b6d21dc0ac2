//! Walking what a snapshot holds, in the order of its directories.
//!
//! One directory level takes the memory of one chunk, and the walk does not recurse, so a tree of
//! any size or depth is bounded. What cannot be read is reported in its place and the rest
//! goes on. The verbs that look at whole snapshots are built on [`Walk`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ownkey_crypto::{ObjectHash, object_hash};

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::name::Name;
use crate::format::node::{Node, NodeKind, Stream};
use crate::monitor::{Monitor, Problem};
use crate::repository::Snapshot;
use crate::tree::{Browser, Found, MAX_DEPTH, NodeStream};

/// A depth-first walk over one directory of a snapshot.
pub struct Walk<'b> {
    browser: &'b Browser,
    levels: Vec<NodeStream<'b>>,
    path: Vec<Name>,
    at: At,
}

/// What a walk comes to.
#[derive(Debug)]
pub enum Step {
    /// An entry. A directory is entered next, unless [`Walk::skip`] is called.
    Entry(Box<Node>),
    /// The rest of the directory cannot be read, for this reason.
    Broken(Error),
    /// The end of a directory that was entered; not of the one the walk began in.
    Leave,
}

/// Where the walk stands; decides what becomes of the last name of the path.
enum At {
    /// In a directory.
    Inside,
    /// At an entry of it.
    Entry(Option<Stream>),
    /// Just behind a directory.
    Left,
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<'b> Walk<'b> {
    /// A walk over the entries of `directory`.
    pub fn new(browser: &'b Browser, directory: &Stream) -> Self {
        Self {
            browser,
            levels: vec![browser.stream(directory)],
            path: Vec::new(),
            at: At::Inside,
        }
    }

    /// Where the last step was, from where the walk began.
    pub fn path(&self) -> &[Name] {
        &self.path
    }

    /// Does not enter the directory that the last step came to.
    pub fn skip(&mut self) {
        if let At::Entry(enter) = &mut self.at {
            *enter = None;
        }
    }

    /// Goes on; `None` at the end.
    pub fn step(&mut self) -> Option<Step> {
        match std::mem::replace(&mut self.at, At::Inside) {
            At::Inside => {}
            At::Entry(Some(below)) => self.enter(&below),
            At::Entry(None) | At::Left => {
                self.path.pop();
            }
        }
        match self.levels.last_mut()?.next() {
            Some(Ok(node)) => {
                self.path.push(node.name.clone());
                self.at = At::Entry(match &node.kind {
                    NodeKind::Directory { content } => Some(content.clone()),
                    _ => None,
                });
                Some(Step::Entry(Box::new(node)))
            }
            Some(Err(error)) => Some(Step::Broken(error)),
            None => {
                self.levels.pop();
                self.at = At::Left;
                (!self.levels.is_empty()).then_some(Step::Leave)
            }
        }
    }

    fn enter(&mut self, below: &Stream) {
        self.levels.push(if self.levels.len() < MAX_DEPTH {
            self.browser.stream(below)
        } else {
            let what = format!("a directory nested more than {MAX_DEPTH} levels deep");
            NodeStream::failed(self.browser, Error::Damage { what })
        });
    }
}

/// What tells one directory's contents from another's, also across snapshots: verbs that look at
/// many of them look at what they share once.
pub(crate) fn key(content: &Stream) -> ObjectHash {
    let mut bytes = content.length.to_le_bytes().to_vec();
    bytes.push(content.depth);
    content
        .ids
        .iter()
        .for_each(|id| bytes.extend_from_slice(id.as_bytes()));
    object_hash(&bytes)
}

/// The path that `names` make below `base`.
pub(crate) fn join(base: &Path, names: &[Name]) -> PathBuf {
    let base = base.as_os_str().as_bytes();
    let below: usize = names.iter().map(|name| 1 + name.as_bytes().len()).sum();
    let mut path = Vec::with_capacity(base.len() + below);
    path.extend_from_slice(base);
    for name in names {
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
    }
    PathBuf::from(OsStr::from_bytes(&path))
}

/// Where in a snapshot a verb begins.
pub(crate) struct Start {
    /// Absolute, as in the snapshot.
    pub(crate) path: PathBuf,
    pub(crate) found: Found,
}

impl Start {
    pub(crate) fn find(
        browser: &Browser,
        snapshot: &Snapshot,
        path: Option<&Path>,
    ) -> Result<Self> {
        let mut absolute = PathBuf::from("/");
        for part in path.iter().flat_map(|path| path.components()) {
            if let std::path::Component::Normal(name) = part {
                absolute.push(name);
            }
        }
        let found = browser.find(&snapshot.record.root, &absolute)?;
        Ok(Self {
            path: absolute,
            found,
        })
    }

    /// The directory found, if it is one.
    pub(crate) fn directory(&self) -> Option<&Stream> {
        match &self.found {
            Found::Root(root) => Some(root),
            Found::Node(node) => match &node.kind {
                NodeKind::Directory { content } => Some(content),
                _ => None,
            },
        }
    }
}

/// What a listing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListReport {
    /// Entries listed.
    pub entries: u64,
    /// Directories that could not be read, or not wholly; each was told to the monitor.
    pub broken: u64,
}

/// Whether a listing goes into the directory it was just given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descend {
    /// It does.
    Into,
    /// It goes on behind it.
    Past,
}

/// Calls `each` with the absolute path and the node of everything at and below `path` in a
/// snapshot, parents before children, siblings by name bytes.
///
/// # Errors
/// [`Error::NoPath`], [`Error::Cancelled`], those of `each`, and those of the storage that are not
/// damage; damaged directories are [`Problem`]s.
pub fn each(
    browser: &Browser,
    snapshot: &Snapshot,
    path: Option<&Path>,
    monitor: &dyn Monitor,
    mut each: impl FnMut(&Path, &Node) -> Result<Descend>,
) -> Result<ListReport> {
    let mut report = ListReport::default();
    let start = Start::find(browser, snapshot, path)?;
    if let Found::Node(node) = &start.found {
        report.entries += 1;
        if each(&start.path, node)? == Descend::Past {
            return Ok(report);
        }
    }
    let Some(directory) = start.directory() else {
        return Ok(report);
    };
    let mut walk = Walk::new(browser, directory);
    while let Some(step) = walk.step() {
        if monitor.cancelled() {
            return Err(Error::Cancelled);
        }
        match step {
            Step::Entry(node) => {
                report.entries += 1;
                if each(&join(&start.path, walk.path()), &node)? == Descend::Past {
                    walk.skip();
                }
            }
            Step::Broken(error) if is_damage(&error) => {
                report.broken += 1;
                let message = format!("the rest of this directory cannot be read: {error}");
                monitor.problem(&Problem {
                    path: join(&start.path, walk.path()),
                    message,
                });
            }
            Step::Broken(error) => return Err(error),
            Step::Leave => {}
        }
    }
    Ok(report)
}
