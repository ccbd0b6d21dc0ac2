//! A part of a restore small enough to plan by pack.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use super::finish::LeftDir;
use super::layout::Layout;
use super::trail::Trail;
use crate::format::name::Name;
use crate::format::node::{Metadata, Node};
use crate::memory::Memory;
use crate::source::FileId;
use crate::target::PendingFile;

/// Files of several chunks: each may be open until its last pack was read.
const OPEN_FILES: usize = 200;
/// Bytes of content.
const BYTES: u64 = 2 << 30;

/// What the walk has collected.
#[derive(Default)]
pub(super) struct Window {
    pub(super) jobs: Vec<Job>,
    pub(super) links: Vec<Link>,
    /// Directories the walk has left, deepest first.
    pub(super) left: Vec<LeftDir>,
    /// Hard-link groups whose first file is among the jobs.
    pub(super) groups: HashSet<u64>,
    bytes: u64,
    large: usize,
}

impl Window {
    pub(super) fn push(&mut self, job: Job) {
        self.bytes = self.bytes.saturating_add(job.layout.data());
        self.large += usize::from(job.layout.spans.len() > 1);
        self.groups.extend(job.metadata.link_group);
        self.jobs.push(job);
    }

    pub(super) fn is_full(&self, memory: Memory) -> bool {
        let entries = self.jobs.len() + self.links.len() + self.left.len();
        entries >= memory.planned() || self.large >= OPEN_FILES || self.bytes >= BYTES
    }

    /// The jobs, for doing; what follows them stays.
    pub(super) fn take_jobs(&mut self) -> Vec<Job> {
        (self.bytes, self.large) = (0, 0);
        self.groups.clear();
        std::mem::take(&mut self.jobs)
    }
}

/// A file to be written.
pub(super) struct Job {
    /// The directory it is in.
    pub(super) dir: Trail,
    pub(super) name: Name,
    pub(super) metadata: Metadata,
    pub(super) layout: Layout,
    /// Frames that have not been written yet.
    pub(super) frames_left: AtomicUsize,
    pub(super) state: Mutex<JobState>,
    /// Whether it was told that it is not there.
    pub(super) given_up: AtomicBool,
}

/// How far a file is.
pub(super) enum JobState {
    /// Nothing was written.
    Waiting,
    /// Some frames were.
    Open(Arc<PendingFile>),
    /// It has its name, or was given up.
    Ended,
}

impl Job {
    pub(super) fn new(dir: Trail, node: Node, layout: Layout) -> Self {
        Self {
            dir,
            name: node.name,
            metadata: node.metadata,
            layout,
            frames_left: AtomicUsize::new(0),
            state: Mutex::new(JobState::Waiting),
            given_up: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> Vec<Name> {
        full(&self.dir, &self.name)
    }
}

/// Another name of something restored before.
pub(super) struct Link {
    pub(super) dir: Trail,
    pub(super) node: Box<Node>,
    pub(super) group: u64,
}

/// The first restored name of a hard-link group. No handle: there may be very many.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) dir: Trail,
    pub(super) name: Name,
    pub(super) id: FileId,
}

/// The path of something in a directory, for who wants the whole of it.
pub(super) fn full(dir: &Trail, name: &Name) -> Vec<Name> {
    let mut path = dir.names();
    path.push(name.clone());
    path
}
