//! One pass over an origin: a walking thread, reading threads, and the trees.
//!
//! ```text
//! walk ──► batches ──► readers: open · read · cut · name · claim · compress ──► packer ──► storage
//!   └──────── steps in order ────────► trees (waits for each entry) ──► packer
//! ```
//! Channels are bounded and lead forward only, so a slow storage slows the walk and memory stays
//! flat (docs/design.md, "Memory").

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use super::framer::Store;
use super::leaf::{Batch, LeafReader, Outcome};
use super::outlet::{Origin, Outlet, Step};
use super::parent::ParentWriter;
use super::share::{Sharing, Task};
use super::stream::Cutter;
use super::trees::{Tally, Trees};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::format::node::Stream;
use crate::format::time::{Clock, Timestamp};
use crate::memory::Memory;
use crate::monitor::{Monitor, Stage, timed};
use crate::source::MetadataReader;

/// Batches on their way to the readers.
const BATCHES: usize = 4;
/// Entries that each reader asks for before it needs them: a disk answers many questions at once sooner
/// than one after the other.
const AHEAD: usize = 16;

/// What the threads of a pass share.
pub(crate) struct Pass<'p> {
    pub(crate) store: &'p Store<'p>,
    pub(crate) cutter: Cutter,
    pub(crate) metadata: MetadataReader,
    pub(crate) monitor: &'p dyn Monitor,
    pub(crate) clock: &'p dyn Clock,
    /// The paths that were asked for.
    asked: Vec<PathBuf>,
    /// Chunks of large files for idle threads.
    pub(crate) tasks: (Sender<Task>, Receiver<Task>),
    memory: Memory,
    /// Threads that are at a batch and may have chunks to share.
    reading: AtomicUsize,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Counts a thread while it is at a batch, however it leaves it.
struct Reading<'c>(&'c AtomicUsize);

impl<'c> Reading<'c> {
    fn begin(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a pass made.
pub(crate) struct Passed<'k> {
    pub(crate) root: Stream,
    pub(crate) tally: Tally,
    pub(crate) record: Option<ParentWriter<'k>>,
}

/// Called between steps, with the trees so far: where checkpoints are made.
pub(crate) type Between<'b> = dyn FnMut(&mut Trees<'_, '_>) -> Result<()> + 'b;

impl<'p> Pass<'p> {
    pub(crate) fn new(
        store: &'p Store<'p>,
        monitor: &'p dyn Monitor,
        environment: &'p Environment,
        asked: Vec<PathBuf>,
    ) -> Self {
        let memory = environment.memory;
        Self {
            cutter: Cutter::new(&store.keys.names),
            store,
            metadata: MetadataReader::new(),
            monitor,
            clock: environment.clock.as_ref(),
            asked,
            tasks: bounded(memory.workers() / 2),
            memory,
            reading: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a folder is in the snapshot only because something below it was asked for.
    pub(crate) fn is_above_what_was_asked(&self, path: &Path) -> bool {
        let above = |asked: &PathBuf| asked != path && asked.starts_with(path);
        self.asked.iter().any(above)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn share(&'p self) -> Sharing<'p> {
        Sharing::new(self)
    }

    /// Keeps the first failure; the others follow from it.
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() || matches!(*failure, Some(Error::WorkerLost)) {
            *failure = Some(error);
        }
        self.failed.store(true, Ordering::Release);
    }

    fn failure(&self) -> Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().unwrap_or(Error::WorkerLost)
    }

    /// Runs the pass. When it returns, everything is with the packer.
    pub(crate) fn run<'k>(
        &'p self,
        origin: &mut dyn Origin,
        record: Option<ParentWriter<'k>>,
        between: &mut Between<'_>,
    ) -> Result<Passed<'k>> {
        let passed = std::thread::scope(|scope| {
            let (jobs, to_read) = bounded(BATCHES);
            let (steps, to_build) = bounded(self.memory.runs());
            scope.spawn(move || {
                let walked = origin.walk(self, Outlet::new(jobs, steps));
                walked.unwrap_or_else(|error| self.fail(error));
            });
            for _ in 0..self.memory.workers() {
                let to_read = to_read.clone();
                scope.spawn(move || self.read(&to_read).unwrap_or_else(|error| self.fail(error)));
            }
            drop(to_read);
            self.build(to_build, record, between)
                .inspect_err(|_| self.failed.store(true, Ordering::Release))
        });
        match passed {
            Err(Error::WorkerLost) => Err(self.failure()),
            Ok(_) if self.has_failed() => Err(self.failure()),
            other => other,
        }
    }

    fn build<'k>(
        &'p self,
        steps: Receiver<Vec<Step>>,
        record: Option<ParentWriter<'k>>,
        between: &mut Between<'_>,
    ) -> Result<Passed<'k>> {
        let mut trees = Trees::new(self, record)?;
        for run in steps {
            for step in run {
                trees.take(step)?;
                between(&mut trees)?;
            }
        }
        if self.has_failed() {
            return Err(Error::WorkerLost);
        }
        let (root, tally, record) = trees.finish()?;
        Ok(Passed {
            root,
            tally,
            record,
        })
    }

    /// A reading thread: chunks of large files first, then the next batch.
    fn read(&'p self, batches: &Receiver<Batch>) -> Result<()> {
        let mut reader = LeafReader::new(self)?;
        loop {
            if self.has_failed() {
                return Ok(());
            }
            select_biased! {
                recv(self.tasks.1) -> task => task.map_err(|_| Error::WorkerLost)?.run(reader.framer())?,
                recv(batches) -> batch => match batch {
                    Ok(batch) => self.read_batch(&mut reader, batch)?,
                    Err(_) => return self.help(&mut reader),
                },
            }
        }
    }

    fn read_batch(&self, reader: &mut LeafReader<'p>, batch: Batch) -> Result<()> {
        let _reading = Reading::begin(&self.reading);
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(batch.entries.len());
        let mut entries = batch.entries.into_iter();
        let mut begun = VecDeque::with_capacity(AHEAD);
        loop {
            begun.extend(entries.by_ref().take(AHEAD - begun.len()).map(|mut entry| {
                timed(self.monitor, Stage::Read, 0, || entry.begin());
                entry
            }));
            let Some(entry) = begun.pop_front() else {
                break;
            };
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            outcomes.push(entry.read(reader)?);
        }
        // Who sees an outcome may rely on its chunks being with the packer.
        reader.framer().flush()?;
        batch.outcomes.tell(outcomes);
        Ok(())
    }

    /// The walk is over: helps whoever still reads a large file.
    fn help(&self, reader: &mut LeafReader<'p>) -> Result<()> {
        while self.reading.load(Ordering::Acquire) > 0 && !self.has_failed() {
            if let Ok(task) = self.tasks.1.recv_timeout(Duration::from_millis(5)) {
                task.run(reader.framer())?;
            }
        }
        reader.framer().flush()
    }
}
