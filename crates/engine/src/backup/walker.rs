//! Walking a file system: what changed goes to the readers, everything in order to the trees.

use std::os::unix::ffi::OsStrExt;

use super::leaf::Walked;
use super::linked::Inode;
use super::outlet::{Links, Origin, Outlet, Step, ToRead};
use super::parent::{Kept, Nature, ParentReader, Record};
use super::pass::Pass;
use crate::error::{Error, Result};
use crate::format::node::{Extents, Node, NodeKind, Stream};
use crate::monitor::{Figure, Stage, timed};
use crate::source::{Dir, Entry, Event, Fingerprint, Gathered, Kind, Stat, Walk};

/// Paths of this machine, and what is known of them.
pub(crate) struct FileSystem {
    pub(crate) walk: Walk,
    pub(crate) parents: Vec<Known>,
}

/// A record to compare with, and whether all it relies on is still reliable.
pub(crate) struct Known {
    pub(crate) reader: ParentReader,
    pub(crate) intact: bool,
}

impl Origin for FileSystem {
    /// Walks to the end, or until somebody downstream has stopped.
    fn walk(&mut self, pass: &Pass<'_>, outlet: Outlet) -> Result<()> {
        let mut walker = Walker {
            pass,
            parents: &mut self.parents,
            outlet,
        };
        while let Some(event) = timed(pass.monitor, Stage::Walk, 0, || self.walk.next()) {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            match event {
                Event::Enter { entry, dir } => walker.enter(entry, dir.as_deref())?,
                Event::Entry(entry) => walker.leaf(entry)?,
                Event::Leave(_) => walker.outlet.step(Step::Leave)?,
                Event::Problem(problem) => walker.outlet.step(Step::Problem(problem))?,
                Event::Note(note) => pass.monitor.note(&note),
                Event::Excluded { path, rule, .. } => pass.monitor.excluded(&path, &rule),
            }
        }
        walker.outlet.finish()
    }
}

/// What is known of an entry without a look into it.
enum Standing {
    AsItIs(Kept),
    Node(Node),
}

/// A walk on its way.
struct Walker<'w, 'p> {
    pass: &'w Pass<'p>,
    parents: &'w mut Vec<Known>,
    outlet: Outlet,
}

impl Walker<'_, '_> {
    fn enter(&mut self, entry: Entry, dir: Option<&Dir>) -> Result<()> {
        let fingerprint = entry.stat.fingerprint();
        let recorded = self
            .recorded(&entry, &fingerprint)
            .and_then(|(record, _)| Some(record.node()?.metadata));
        let gathered = match (recorded, dir) {
            (Some(metadata), _) => Gathered {
                metadata,
                problems: Vec::new(),
            },
            (None, Some(dir)) => self.pass.metadata.of_dir(dir, &entry.stat),
            (None, None) => self
                .pass
                .metadata
                .of_entry(&entry.parent, &entry.name, &entry.stat),
        };
        let kind = NodeKind::Directory {
            content: Stream::default(),
        };
        let node = Node {
            name: entry.name,
            metadata: gathered.metadata,
            kind,
        };
        self.outlet.step(Step::Enter {
            path: entry.path,
            node: Box::new(node),
            fingerprint: Some(fingerprint),
            problems: gathered.problems,
        })
    }

    fn leaf(&mut self, entry: Entry) -> Result<()> {
        let stat = entry.stat;
        let fingerprint = stat.fingerprint();
        if stat.kind == Kind::File {
            self.pass.monitor.count(Figure::FilesFound, 1);
            self.pass.monitor.count(Figure::BytesFound, stat.size);
        }
        let links = if stat.nlink > 1 {
            Links::Several(Inode {
                id: stat.id,
                names: stat.nlink,
            })
        } else {
            Links::One
        };
        if let Some(known) = self.known(&entry, &fingerprint, links)? {
            return match known {
                Standing::AsItIs(kept) => self.outlet.kept(kept),
                Standing::Node(node) => {
                    self.outlet
                        .known(entry.path, node, Some(fingerprint), links)
                }
            };
        }
        let path = entry.path.clone();
        let leaf = ToRead {
            what: Box::new(Walked::new(entry)),
            size: stat.size,
            owner: stat.uid,
        };
        self.outlet.read(path, links, leaf)
    }

    /// What stands of an entry that has not changed since the last backup.
    fn known(
        &mut self,
        entry: &Entry,
        fingerprint: &Fingerprint,
        links: Links,
    ) -> Result<Option<Standing>> {
        let pass = self.pass;
        let Some((record, intact)) = self.recorded(entry, fingerprint) else {
            return Ok(None);
        };
        let complete = record.nature != Nature::Incomplete && matches!(links, Links::One);
        if intact && complete {
            return Ok(Some(Standing::AsItIs(record.kept())));
        }
        let Some(node) = record.node() else {
            return Ok(None);
        };
        if !intact && !is_stored(&node, pass)? {
            return Ok(None);
        }
        Ok(Some(Standing::Node(node)))
    }

    /// What is recorded of an entry that has not changed since, and whether everything that its
    /// record relies on is still there.
    fn recorded(&mut self, entry: &Entry, fingerprint: &Fingerprint) -> Option<(Record<'_>, bool)> {
        let path = entry.path.as_os_str().as_bytes();
        let passed =
            entry.stat.kind == Kind::Directory && self.pass.is_above_what_was_asked(&entry.path);
        // Every reader is moved on, also when an earlier one knows the entry.
        let mut found = None;
        for Known { reader, intact } in self.parents.iter_mut() {
            let same = reader.find(path).filter(|record| {
                fingerprint.unchanged_since(&record.fingerprint)
                    || (passed && is_same_folder(record, &entry.stat))
            });
            if let Some(record) = same.filter(|_| found.is_none()) {
                found = Some((record, *intact));
            }
        }
        found
    }
}

/// Whether a folder that is only passed through is the one recorded. What others do in it changes
/// its times and is no change of what was asked for (docs/adr/0010-folders-above.md).
fn is_same_folder(record: &Record<'_>, stat: &Stat) -> bool {
    let is_same = |node: Node| {
        let Node { metadata, .. } = node;
        (metadata.mode, metadata.uid, metadata.gid) == (stat.mode, stat.uid, stat.gid)
    };
    record.fingerprint.id.ino == stat.id.ino && record.node().is_some_and(is_same)
}

/// Whether every chunk of an unchanged node can still be relied on. What is listed in chunks of
/// its own is read again rather than fetched.
pub(crate) fn is_stored(node: &Node, pass: &Pass<'_>) -> Result<bool> {
    match &node.kind {
        NodeKind::File {
            content, extents, ..
        } => {
            let listed = content.depth > 0 || matches!(extents, Some(Extents::Listed(_)));
            if listed {
                return Ok(false);
            }
            for id in &content.ids {
                if !pass.store.relies_on(id)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}
