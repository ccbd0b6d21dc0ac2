//! A directory the walk of a restore is in, and how it comes to be in the target.

use std::collections::HashSet;

use super::Restorer;
use super::called::Called;
use super::filter::Verdict;
use super::finish::LeftDir;
use super::trail::Trail;
use crate::format::name::Name;
use crate::format::node::{Metadata, Node};
use crate::source::{Kind, Stat};
use crate::target::{Decision, Made, TargetError};

/// A directory the walk is in.
pub(super) struct Level {
    pub(super) path: Trail,
    /// Its node without its content; none for the target.
    pub(super) node: Option<Box<Node>>,
    pub(super) verdict: Verdict,
    pub(super) folder: Folder,
    /// Names the snapshot has in it, where others are to be removed.
    pub(super) names: Option<HashSet<Name>>,
    /// Names of what was put there.
    pub(super) called: Called,
}

/// Whether a directory is there to put something in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// Nothing in it was wanted yet.
    Virtual,
    There {
        contents: Contents,
    },
    /// Like that, and it keeps its own metadata.
    Kept {
        contents: Contents,
    },
    /// It cannot be made, or must not be.
    Blocked,
}

/// What may be in a directory already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing: this restore made it.
    None,
    Some,
}

impl Level {
    /// What is left to do about it after everything in it.
    pub(super) fn left(self, metadata: Option<Metadata>) -> Option<LeftDir> {
        let metadata = metadata.filter(|_| matches!(self.folder, Folder::There { .. }));
        let usable = matches!(self.folder, Folder::There { .. } | Folder::Kept { .. });
        let Self {
            path,
            verdict,
            names,
            ..
        } = self;
        (usable && (metadata.is_some() || names.is_some())).then(|| LeftDir {
            path,
            metadata,
            verdict,
            names,
        })
    }
}

/// What is there under a name; nothing needs to be asked where this restore made the directory.
pub(super) fn look(
    restorer: &Restorer<'_>,
    level: &Level,
    name: &Name,
) -> Result<Option<Stat>, TargetError> {
    match level.folder {
        Folder::There {
            contents: Contents::None,
        }
        | Folder::Kept {
            contents: Contents::None,
        } => Ok(None),
        _ if restorer.tree.is_none() => Ok(None),
        _ => restorer.dir(&level.path)?.look(name),
    }
}

/// Whether the target would take an entry for another one that is put there.
pub(super) fn meets_another(restorer: &Restorer<'_>, level: &mut Level, name: &Name) -> bool {
    let Some(tree) = &restorer.tree else {
        return false;
    };
    let path = &level.path;
    // Where that cannot be tried out yet, it is asked again; where it never can, nothing can be made either.
    level.called.meets(name, || {
        let dir = restorer.dir(path);
        let ignores_case = dir.and_then(|dir| dir.ignores_case(tree.partials()));
        ignores_case.ok()
    })
}

pub(super) fn make_folder(
    restorer: &Restorer<'_>,
    parent: &Level,
    level: &Level,
) -> Result<Folder, TargetError> {
    let (Some(node), false) = (&level.node, parent.folder == Folder::Blocked) else {
        return Ok(Folder::Blocked);
    };
    let existing = look(restorer, parent, &node.name)?;
    let is_directory = existing.is_some_and(|stat| stat.kind == Kind::Directory);
    let decision = restorer
        .options
        .overwrite
        .decide(existing.as_ref(), node, restorer.trust);
    match decision {
        Decision::Skip if is_directory => {
            return Ok(Folder::Kept {
                contents: Contents::Some,
            });
        }
        Decision::Skip => {
            restorer.tally.add(&restorer.tally.skipped, 1);
            return Ok(Folder::Blocked);
        }
        Decision::Write | Decision::Keep | Decision::Compare => {}
    }
    restorer.tally.add(&restorer.tally.directories, 1);
    if restorer.is_dry() {
        let contents = if is_directory {
            Contents::Some
        } else {
            Contents::None
        };
        return Ok(Folder::There { contents });
    }
    let above = restorer.dir(&parent.path)?;
    let (dir, made) = above.make_dir(&node.name, restorer.options.overwrite.replace())?;
    Ok(match made {
        Made::New => Folder::There {
            contents: Contents::None,
        },
        Made::Existing(_) => {
            restorer.sweep(&dir);
            Folder::There {
                contents: Contents::Some,
            }
        }
    })
}
