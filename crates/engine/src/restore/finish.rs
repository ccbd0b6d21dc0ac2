//! What comes after the files of a window: hard links, and directories that are complete.

use std::collections::HashSet;
use std::path::Path;

use ownkey_crypto::{ObjectHash, object_hash};

use super::filter::{EntryKind, Verdict};
use super::trail::Trail;
use super::window::{Link, Source, full};
use super::{Extras, Restorer};
use crate::error::Result;
use crate::format::name::Name;
use crate::format::node::{Extents, Metadata, Node, NodeKind};
use crate::format::tree::extents_to_bytes;
use crate::list::{join, key};
use crate::lock::lock;
use crate::source::Kind;
use crate::target::{LinkSource, Partials, TargetDir, TargetError, remove_extra};

/// A file whose immutable or append-only flag waits until all its names are made.
pub(super) type LateFlags = (Source, Metadata);

/// A directory in which everything was done.
pub(super) struct LeftDir {
    pub(super) path: Trail,
    /// What it is to get, unless it keeps what it has.
    pub(super) metadata: Option<Metadata>,
    /// The verdict about it.
    pub(super) verdict: Verdict,
    /// The names the snapshot has in it, if all others are to be removed.
    pub(super) names: Option<HashSet<Name>>,
}

/// What two names of one inode have in common.
fn identity(kind: &NodeKind) -> ObjectHash {
    match kind {
        NodeKind::File {
            size,
            content,
            extents,
        } => {
            // The content of a file with holes says nothing about where they are.
            let holes = match extents {
                None => Vec::new(),
                Some(Extents::Inline(list)) => extents_to_bytes(list),
                Some(Extents::Listed(list)) => key(list).as_bytes().to_vec(),
            };
            object_hash(&[&size.to_le_bytes()[..], key(content).as_bytes(), &holes].concat())
        }
        NodeKind::Symlink { target } => object_hash(&[&b"link "[..], target].concat()),
        other => object_hash(format!("{other:?}").as_bytes()),
    }
}

/// What an owner needs to open a directory and look names up in it.
const OWNER_ENTERS: u32 = 0o500;

impl Restorer<'_> {
    /// Takes an entry out of its hard-link group if it is not what the group's first entry is: a
    /// link would give it that one's content, whatever the snapshot says of its own.
    pub(super) fn check_group(&self, dir: &Trail, node: &mut Node) {
        let Some(group) = node.metadata.link_group else {
            return;
        };
        let identity = identity(&node.kind);
        if *lock(&self.groups).entry(group).or_insert(identity) != identity {
            node.metadata.link_group = None;
            let message = "the snapshot says that it is one inode with something else, and it is \
                           not: it was restored on its own";
            self.problem(&full(dir, &node.name), message.to_owned());
        }
    }

    /// Makes a hard link; gives it back if its content has to be restored instead.
    pub(super) fn link(&self, link: Link) -> Option<Link> {
        let Some(source) = lock(&self.sources).get(&link.group).cloned() else {
            return Some(link);
        };
        match self.try_link(&link, &source) {
            Ok(()) => {
                let counter = match link.node.kind {
                    NodeKind::File { .. } => &self.tally.files,
                    _ => &self.tally.others,
                };
                self.tally.add(counter, 1);
                None
            }
            Err(error @ (TargetError::InTheWay | TargetError::FolderInTheWay)) => {
                self.target_failed(&full(&link.dir, &link.node.name), error);
                None
            }
            // A file system without hard links, or one with as many as it can have, or a source
            // that somebody changed: the next one links to the copy made now.
            Err(_) => {
                lock(&self.sources).remove(&link.group);
                Some(link)
            }
        }
    }

    fn try_link(&self, link: &Link, source: &Source) -> Result<(), TargetError> {
        let tree = self.tree()?;
        let from = LinkSource {
            dir: self.dir(&source.dir)?,
            name: source.name.clone(),
            id: source.id,
        };
        let replace = self.options.overwrite.replace();
        self.dir(&link.dir)?
            .make_hard_link(&from, &link.node.name, tree.partials(), replace)
    }

    /// Ends a directory: removes what the snapshot does not have, then sets its metadata.
    pub(super) fn leave(&self, left: LeftDir) {
        // What a user cannot enter any more once it has its mode waits until nobody has to.
        let closes = left
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.mode & OWNER_ENTERS != OWNER_ENTERS);
        if closes {
            lock(&self.deferred).push(left);
        } else {
            self.end_directory(&left);
        }
    }

    fn end_directory(&self, left: &LeftDir) {
        let dir = match self.dir(&left.path) {
            Ok(dir) => dir,
            // In a dry run it need not exist.
            Err(_) if self.is_dry() => return,
            Err(error) => return self.target_failed(&left.path.names(), error),
        };
        if self.options.extras == Extras::Delete
            && let Some(names) = &left.names
        {
            self.remove_others(&dir, left, names);
        }
        if let Some(metadata) = left.metadata.as_ref().filter(|_| !self.is_dry()) {
            self.metadata_problems(&left.path.names(), self.applier.finish_dir(&dir, metadata));
        }
    }

    /// Removes what is neither in the snapshot nor outside the filter.
    fn remove_others(&self, dir: &TargetDir, left: &LeftDir, names: &HashSet<Name>) {
        let keep = |name: &Name| {
            let kind = match dir.look(name) {
                Ok(Some(stat)) if stat.kind == Kind::Directory => EntryKind::Directory,
                Ok(Some(_)) => EntryKind::Other,
                // Gone, or not to be seen: not ours to remove.
                Ok(None) | Err(_) => return true,
            };
            let path = join(Path::new("/"), &full(&left.path, name));
            names.contains(name)
                || self.options.filter.judge(&path, kind, left.verdict) != Verdict::Take
        };
        if self.is_dry() {
            let extra = dir.list().names.iter().filter(|name| !keep(name)).count();
            self.tally.add(&self.tally.removed, extra as u64);
            return;
        }
        let removed = remove_extra(dir, &self.shown(&left.path.names()), keep);
        self.tally
            .add(&self.tally.removed, removed.files + removed.directories);
        self.tally
            .add(&self.tally.problems, removed.problems.len() as u64);
        for problem in &removed.problems {
            self.monitor.problem(problem);
        }
    }

    /// Removes what a crashed restore left in a directory that was there before.
    pub(super) fn sweep(&self, dir: &TargetDir) {
        if !self.is_dry() {
            Partials::sweep(dir);
        }
    }

    /// What had to wait for the very end.
    pub(super) fn finish_late(&self) -> Result<()> {
        for left in std::mem::take(&mut *lock(&self.deferred)) {
            self.end_directory(&left);
        }
        for (source, metadata) in std::mem::take(&mut *lock(&self.late)) {
            let path = full(&source.dir, &source.name);
            let finished = self.dir(&source.dir).and_then(|dir| {
                self.applier
                    .finish_file(&dir, &source.name, source.id, &metadata)
            });
            match finished {
                Ok(problems) => self.metadata_problems(&path, problems),
                Err(error) => self.target_failed(&path, error),
            }
        }
        self.stopped()
    }
}
