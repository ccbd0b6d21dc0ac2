//! What a walk tells, and how it is told to go.

use std::path::PathBuf;
use std::sync::Arc;

use super::dir::Dir;
use super::excludes::Scope;
use super::rules::Rule;
use super::stat::Stat;
use crate::format::name::Name;
use crate::problem::Problem;

/// One entry of a directory.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its absolute path, for people.
    pub path: PathBuf,
    /// The directory it is in: what to open it from.
    pub parent: Arc<Dir>,
    /// Its name there.
    pub name: Name,
    /// What the walk saw.
    pub stat: Stat,
}

/// What the walk came upon.
#[derive(Debug)]
pub enum Event {
    /// A directory begins; everything until its `Leave` is below it.
    Enter {
        /// The directory as an entry of the one above.
        entry: Entry,
        /// Its handle, for metadata; `None` if it could not be opened and so appears empty.
        dir: Option<Arc<Dir>>,
    },
    /// Anything but a directory.
    Entry(Entry),
    /// The directory at this path ends.
    Leave(PathBuf),
    /// A rule left something out.
    Excluded {
        /// Where.
        path: PathBuf,
        /// Which rule.
        rule: Rule,
        /// How much.
        scope: Scope,
    },
    /// Something could not be read; the walk goes on.
    Problem(Problem),
    /// Something the user may not have meant.
    Note(String),
}

/// How to walk.
#[derive(Debug, Clone)]
pub struct WalkOptions {
    /// Whether to go into other file systems than that of each path asked for.
    pub mounts: Mounts,
    /// How deep directories may be nested; deeper ones are a problem.
    pub deepest: usize,
}

/// What to do where another file system is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Go in.
    Enter,
    /// Keep the mount point as an empty folder.
    Skip,
}

impl Default for WalkOptions {
    /// Into every file system, as deep as the format goes (docs/format.md §11).
    fn default() -> Self {
        Self {
            mounts: Mounts::Enter,
            deepest: 4_096,
        }
    }
}
