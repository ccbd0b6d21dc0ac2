//! The walking thread: what changed goes to the readers, everything in order to the trees.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::leaf::{Leaf, Slot};
use super::parent::ParentReader;
use super::pass::Pass;
use crate::error::{Error, Result};
use crate::format::node::{Extents, Node, NodeKind, Stream};
use crate::monitor::{Figure, Problem};
use crate::source::{Dir, Entry, Event, FileId, Fingerprint, Gathered, Kind, Stat, Walk};

/// What the trees are built from, in the order of the walk.
pub(crate) enum Step {
    /// A directory begins. Its node has no content yet.
    Enter {
        path: PathBuf,
        node: Box<Node>,
        fingerprint: Fingerprint,
        problems: Vec<String>,
    },
    /// An entry that is not a directory.
    Leaf {
        path: PathBuf,
        source: Source,
        links: Links,
    },
    /// The innermost directory ends.
    Leave,
    /// Something that could not be read.
    Problem(Problem),
}

/// Where a leaf's node comes from.
pub(crate) enum Source {
    /// It is as it was.
    Unchanged(Box<Node>, Fingerprint),
    /// A reader is at it.
    Reading(Arc<Slot>),
}

/// Whether other entries may be the same inode.
#[derive(Clone, Copy)]
pub(crate) enum Links {
    One,
    Several(FileId),
}

/// Files of one batch share frames: of one directory and owner, up to this many bytes.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 256;

/// Walks and distributes.
pub(crate) struct Walker<'p> {
    pub(crate) pass: &'p Pass<'p>,
    pub(crate) parents: Vec<Known>,
    pub(crate) jobs: Sender<Vec<Leaf>>,
    pub(crate) steps: Sender<Step>,
    batch: Batch,
    /// Outcomes of inodes with several names.
    linked: HashMap<FileId, Arc<Slot>>,
}

/// A record to compare with, and whether all it relies on is still reliable.
pub(crate) struct Known {
    pub(crate) reader: ParentReader,
    pub(crate) intact: bool,
}

#[derive(Default)]
struct Batch {
    leaves: Vec<Leaf>,
    /// Told only after the batch is on its way: who waits for a leaf must find a reader at it.
    steps: Vec<Step>,
    bytes: u64,
    owner: u32,
}

impl<'p> Walker<'p> {
    pub(crate) fn new(
        pass: &'p Pass<'p>,
        parents: Vec<Known>,
        jobs: Sender<Vec<Leaf>>,
        steps: Sender<Step>,
    ) -> Self {
        Self {
            pass,
            parents,
            jobs,
            steps,
            batch: Batch::default(),
            linked: HashMap::new(),
        }
    }

    /// Walks to the end, or until somebody downstream has stopped.
    pub(crate) fn run(mut self, walk: Walk) -> Result<()> {
        for event in walk {
            if self.pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            match event {
                Event::Enter { entry, dir } => self.enter(entry, dir.as_deref())?,
                Event::Entry(entry) => self.leaf(entry)?,
                Event::Leave(_) => {
                    self.send_batch()?;
                    self.tell(Step::Leave)?;
                }
                Event::Problem(problem) => {
                    self.send_batch()?;
                    self.tell(Step::Problem(problem))?;
                }
                Event::Note(note) => self.pass.monitor.note(&note),
                Event::Excluded { path, rule, .. } => self.pass.monitor.excluded(&path, &rule),
            }
        }
        self.send_batch()
    }

    fn enter(&mut self, entry: Entry, dir: Option<&Dir>) -> Result<()> {
        self.send_batch()?;
        let fingerprint = entry.stat.fingerprint();
        let recorded = self
            .recorded(&entry, &fingerprint)
            .map(|(node, _)| node.metadata.clone());
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
        self.tell(Step::Enter {
            path: entry.path,
            node: Box::new(node),
            fingerprint,
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
            Links::Several(stat.id)
        } else {
            Links::One
        };
        let path = entry.path.clone();
        let pass = self.pass;
        if let Some((node, intact)) = self.recorded(&entry, &fingerprint)
            && (intact || is_stored(node, pass))
        {
            let source = Source::Unchanged(Box::new(node.clone()), fingerprint);
            return self.say(Step::Leaf {
                path,
                source,
                links,
            });
        }
        let slot = Arc::<Slot>::default();
        if let Links::Several(id) = links
            && let Some(first) = self.linked.get(&id)
        {
            let source = Source::Reading(Arc::clone(first));
            return self.say(Step::Leaf {
                path,
                source,
                links,
            });
        }
        if let Links::Several(id) = links {
            self.linked.insert(id, Arc::clone(&slot));
        }
        if self.batch.leaves.len() >= BATCH_FILES
            || self.batch.bytes.saturating_add(stat.size) > BATCH_BYTES
            || self.batch.owner != stat.uid
        {
            self.send_batch()?;
        }
        self.batch.owner = stat.uid;
        self.batch.bytes = self.batch.bytes.saturating_add(stat.size);
        self.batch.leaves.push(Leaf {
            entry,
            slot: Arc::clone(&slot),
        });
        self.say(Step::Leaf {
            path,
            source: Source::Reading(slot),
            links,
        })
    }

    /// What is recorded of an entry that has not changed since, and whether everything that its
    /// record relies on is still there.
    fn recorded(&mut self, entry: &Entry, fingerprint: &Fingerprint) -> Option<(&Node, bool)> {
        let path = entry.path.as_os_str().as_bytes();
        let passed =
            entry.stat.kind == Kind::Directory && self.pass.is_above_what_was_asked(&entry.path);
        // Every reader is moved on, also when an earlier one knows the entry.
        let mut found = None;
        for Known { reader, intact } in &mut self.parents {
            let same = reader.find(path).filter(|record| {
                fingerprint.unchanged_since(&record.fingerprint)
                    || (passed && is_same_folder(&record.node, &record.fingerprint, &entry.stat))
            });
            if let Some(record) = same.filter(|_| found.is_none()) {
                found = Some((&record.node, *intact));
            }
        }
        found
    }

    /// Tells a step in its place: behind the batch it may belong to.
    fn say(&mut self, step: Step) -> Result<()> {
        if self.batch.leaves.is_empty() {
            return self.tell(step);
        }
        self.batch.steps.push(step);
        Ok(())
    }

    fn send_batch(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if !batch.leaves.is_empty() {
            self.jobs
                .send(batch.leaves)
                .map_err(|_| Error::WorkerLost)?;
        }
        batch.steps.into_iter().try_for_each(|step| self.tell(step))
    }

    fn tell(&self, step: Step) -> Result<()> {
        self.steps.send(step).map_err(|_| Error::WorkerLost)
    }
}

/// Whether a folder that is only passed through is the one recorded. What others do in it changes
/// its times and is no change of what was asked for (docs/adr/0010-folders-above.md).
fn is_same_folder(node: &Node, recorded: &Fingerprint, stat: &Stat) -> bool {
    let Node { metadata, .. } = node;
    recorded.id.ino == stat.id.ino
        && (metadata.mode, metadata.uid, metadata.gid) == (stat.mode, stat.uid, stat.gid)
}

/// Whether every chunk of an unchanged node can still be relied on. What is listed in chunks of
/// its own is read again rather than fetched.
fn is_stored(node: &Node, pass: &Pass<'_>) -> bool {
    match &node.kind {
        NodeKind::File {
            content, extents, ..
        } => {
            let listed = content.depth > 0 || matches!(extents, Some(Extents::Listed(_)));
            !listed && content.ids.iter().all(|id| pass.store.relies_on(id))
        }
        _ => true,
    }
}
