//! Where a walk puts what it comes to: work for the readers, and steps for the trees.
//!
//! A pass does not know whether its entries come from a file system or from a snapshot of
//! another repository; it knows an [`Origin`], and the origin knows this outlet.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::leaf::{Leaf, Readable, Slot};
use super::pass::Pass;
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::monitor::Problem;
use crate::source::{FileId, Fingerprint};

/// What a pass takes its entries from.
pub(crate) trait Origin: Send {
    /// Puts every entry into `outlet`, in the order of the trees: parents before children,
    /// siblings by name bytes.
    fn walk(&mut self, pass: &Pass<'_>, outlet: Outlet) -> Result<()>;
}

/// What the trees are built from, in the order of the walk.
pub(crate) enum Step {
    /// A directory begins. Its node has no content yet.
    Enter {
        path: PathBuf,
        node: Box<Node>,
        fingerprint: Option<Fingerprint>,
        problems: Vec<String>,
    },
    /// An entry that is not a directory, or a directory whose content is stored already.
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
    Unchanged(Box<Node>, Option<Fingerprint>),
    /// A reader is at it.
    Reading(Arc<Slot>),
}

/// Whether other entries may be the same inode.
#[derive(Clone, Copy)]
pub(crate) enum Links {
    One,
    Several(FileId),
    /// They may, and this is the number of their group already.
    Recorded(u64),
}

impl Links {
    /// What several names have in common. No device is numbered 0, so a group is no inode.
    const fn inode(self) -> Option<FileId> {
        match self {
            Self::One => None,
            Self::Several(id) => Some(id),
            Self::Recorded(group) => Some(FileId { dev: 0, ino: group }),
        }
    }
}

/// Something to read, and what decides with what it is read together.
pub(crate) struct ToRead {
    pub(crate) what: Box<dyn Readable>,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) owner: u32,
}

/// Files of one batch share frames: of one directory and owner, up to this many bytes.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 256;

/// Distributes what a walk comes to.
pub(crate) struct Outlet {
    jobs: Sender<Vec<Leaf>>,
    steps: Sender<Step>,
    batch: Batch,
    /// Outcomes of inodes with several names.
    linked: HashMap<FileId, Arc<Slot>>,
}

#[derive(Default)]
struct Batch {
    leaves: Vec<Leaf>,
    /// Told only after the batch is on its way: who waits for a leaf must find a reader at it.
    steps: Vec<Step>,
    bytes: u64,
    owner: u32,
}

impl Outlet {
    pub(crate) fn new(jobs: Sender<Vec<Leaf>>, steps: Sender<Step>) -> Self {
        Self {
            jobs,
            steps,
            batch: Batch::default(),
            linked: HashMap::new(),
        }
    }

    /// A step at which a directory begins or ends: nothing is read together across it.
    pub(crate) fn step(&mut self, step: Step) -> Result<()> {
        self.send_batch()?;
        self.tell(step)
    }

    /// An entry whose node is known.
    pub(crate) fn known(
        &mut self,
        path: PathBuf,
        node: Node,
        fingerprint: Option<Fingerprint>,
        links: Links,
    ) -> Result<()> {
        let source = Source::Unchanged(Box::new(node), fingerprint);
        self.say(Step::Leaf {
            path,
            source,
            links,
        })
    }

    /// An entry to read; of several names of one inode the first is read.
    pub(crate) fn read(&mut self, path: PathBuf, links: Links, leaf: ToRead) -> Result<()> {
        let slot = Arc::<Slot>::default();
        if let Some(id) = links.inode() {
            if let Some(first) = self.linked.get(&id) {
                let source = Source::Reading(Arc::clone(first));
                return self.say(Step::Leaf {
                    path,
                    source,
                    links,
                });
            }
            self.linked.insert(id, Arc::clone(&slot));
        }
        if self.batch.leaves.len() >= BATCH_FILES
            || self.batch.bytes.saturating_add(leaf.size) > BATCH_BYTES
            || self.batch.owner != leaf.owner
        {
            self.send_batch()?;
        }
        self.batch.owner = leaf.owner;
        self.batch.bytes = self.batch.bytes.saturating_add(leaf.size);
        self.batch.leaves.push(Leaf {
            what: leaf.what,
            slot: Arc::clone(&slot),
        });
        let source = Source::Reading(slot);
        self.say(Step::Leaf {
            path,
            source,
            links,
        })
    }

    /// Sends what is left; without it the last entries are never read.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.send_batch()
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
