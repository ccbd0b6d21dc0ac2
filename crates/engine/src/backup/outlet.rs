//! Where a walk puts what it comes to: work for the readers, and steps for the trees.
//!
//! A pass does not know whether its entries come from a file system or from a snapshot of
//! another repository; it knows an [`Origin`], and the origin knows this outlet.

use std::path::PathBuf;

use crossbeam_channel::Sender;

use super::leaf::{Batch, Pending, Readable};
use super::linked::{Inode, Linked};
use super::parent::Kept;
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
    /// An entry that is as it was, and whose node is taken over as it was written.
    Kept(Kept),
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
    Reading(Pending),
}

/// Whether other entries may be the same inode.
#[derive(Clone, Copy)]
pub(crate) enum Links {
    One,
    Several(Inode),
    /// They may, and this is the number of their group already.
    Recorded(u64),
}

impl Links {
    /// What several names have in common. No device is numbered 0, so a group is no inode.
    const fn inode(self) -> Option<Inode> {
        match self {
            Self::One => None,
            Self::Several(inode) => Some(inode),
            // How many names a group has is known at its end only.
            Self::Recorded(group) => Some(Inode {
                id: FileId { dev: 0, ino: group },
                names: u32::MAX,
            }),
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

/// Files of one batch share frames: of one owner, and up to this many bytes.
const BATCH_BYTES: u64 = 2 << 20;
const BATCH_FILES: usize = 1_024;
/// Every entry that waits holds the folder it is in open.
const BATCH_FOLDERS: usize = 32;
/// Inodes whose outcome waits for their other names; those beyond are read again at each name. About
/// 650 bytes, 32 for each chunk, and at worst 8 KiB for what is left of its batch.
const LINKED: usize = 8 << 10;
/// Steps told at once, so that the trees are not woken for each.
const RUN: usize = 256;

/// Distributes what a walk comes to.
pub(crate) struct Outlet {
    jobs: Sender<Batch>,
    steps: Sender<Vec<Step>>,
    batch: Batch,
    /// Told only after the batch is on its way: who waits for an entry must find a reader at it.
    run: Vec<Step>,
    bytes: u64,
    owner: u32,
    folders: usize,
    /// Whether a folder began or ended since the last entry of the batch.
    moved: bool,
    /// Outcomes of inodes with several names.
    linked: Linked<Pending>,
}

impl Outlet {
    pub(crate) fn new(jobs: Sender<Batch>, steps: Sender<Vec<Step>>) -> Self {
        Self {
            jobs,
            steps,
            batch: Batch::default(),
            run: Vec::new(),
            bytes: 0,
            owner: 0,
            folders: 0,
            moved: false,
            linked: Linked::new(LINKED),
        }
    }

    /// A step at which a directory begins or ends, or something that could not be read.
    pub(crate) fn step(&mut self, step: Step) -> Result<()> {
        self.moved = true;
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
        self.tell(Step::Leaf {
            path,
            source,
            links,
        })
    }

    /// An entry that is taken over from the record of the last backup.
    pub(crate) fn kept(&mut self, kept: Kept) -> Result<()> {
        self.tell(Step::Kept(kept))
    }

    /// An entry to read; of several names of one inode the first is read, while there is room to
    /// remember it.
    pub(crate) fn read(&mut self, path: PathBuf, links: Links, leaf: ToRead) -> Result<()> {
        let first = links.inode().and_then(|inode| self.linked.again(inode));
        let source = Source::Reading(match first {
            Some(first) => first,
            None => self.batched(links, leaf)?,
        });
        self.tell(Step::Leaf {
            path,
            source,
            links,
        })
    }

    /// Sends what is left; without it the last entries are never read.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.send()
    }

    fn batched(&mut self, links: Links, leaf: ToRead) -> Result<Pending> {
        self.folders += usize::from(self.moved);
        self.moved = false;
        let bytes = self.bytes.saturating_add(leaf.size);
        if self.owner != leaf.owner
            || bytes > BATCH_BYTES
            || self.folders > BATCH_FOLDERS
            || self.batch.entries.len() >= BATCH_FILES
        {
            self.send()?;
        }
        self.owner = leaf.owner;
        self.bytes = self.bytes.saturating_add(leaf.size);
        let pending = Pending::new(&self.batch.outcomes, self.batch.entries.len());
        self.batch.entries.push(leaf.what);
        if let Some(inode) = links.inode() {
            self.linked.first(inode, pending.clone());
        }
        Ok(pending)
    }

    /// Tells a step in its place: behind the batch it may belong to.
    fn tell(&mut self, step: Step) -> Result<()> {
        self.run.push(step);
        let most = if self.batch.entries.is_empty() {
            RUN
        } else {
            4 * BATCH_FILES
        };
        if self.run.len() < most {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        (self.bytes, self.folders) = (0, 0);
        if !batch.entries.is_empty() {
            self.jobs.send(batch).map_err(|_| Error::WorkerLost)?;
        }
        let run = std::mem::take(&mut self.run);
        self.steps.send(run).map_err(|_| Error::WorkerLost)
    }
}
