//! One entry that is not a directory: from the file system to a node.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::cut::{Cutting, Stop};
use super::framer::Framer;
use super::pass::Pass;
use super::stream::{StreamWriter, list};
use crate::error::{Error, Result};
use crate::format::node::{Extent, Extents, Metadata, Node, NodeKind, Stream};
use crate::format::tree::extents_to_bytes;
use crate::lock::lock;
use crate::monitor::{Figure, Stage, timed};
use crate::source::{Entry, File, Fingerprint, Kind, SourceError, Stat};

/// What became of an entry.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    /// The node and what to know it by next time, if anything; `None` if it could not be read at
    /// all.
    pub(crate) node: Option<(Node, Option<Fingerprint>)>,
    /// What could not be read, or changed meanwhile.
    pub(crate) problems: Vec<String>,
}

/// The outcomes of one batch, for whoever waits for one of them: they come all at once, so that
/// who waits is woken once.
#[derive(Default)]
pub(crate) struct Outcomes {
    /// Boxed, because one that waits for the other names of its inode keeps the places of all.
    told: Mutex<Option<Vec<Option<Box<Outcome>>>>>,
    changed: Condvar,
}

impl Outcomes {
    /// Tells what became of every entry of the batch, in its order.
    pub(crate) fn tell(&self, outcomes: Vec<Outcome>) {
        *lock(&self.told) = Some(
            outcomes
                .into_iter()
                .map(|outcome| Some(Box::new(outcome)))
                .collect(),
        );
        self.changed.notify_all();
    }
}

/// The outcome of one entry of a batch. The names of an inode share one.
#[derive(Clone)]
pub(crate) struct Pending {
    batch: Arc<Outcomes>,
    nth: usize,
}

impl Pending {
    pub(crate) fn new(batch: &Arc<Outcomes>, nth: usize) -> Self {
        Self {
            batch: Arc::clone(batch),
            nth,
        }
    }

    /// Waits for the outcome, or until the pass fails. It is nobody else's.
    pub(crate) fn take(self, pass: &Pass<'_>) -> Result<Outcome> {
        self.wait(pass, Option::take)
    }

    /// The same, for one of several who wait for it.
    pub(crate) fn copy(&self, pass: &Pass<'_>) -> Result<Outcome> {
        self.wait(pass, |outcome| outcome.clone())
    }

    fn wait(
        &self,
        pass: &Pass<'_>,
        get: impl FnOnce(&mut Option<Box<Outcome>>) -> Option<Box<Outcome>>,
    ) -> Result<Outcome> {
        /// How long a failure elsewhere may go unnoticed.
        const LOOK_UP: Duration = Duration::from_millis(50);
        let mut told = lock(&self.batch.told);
        loop {
            if let Some(outcomes) = told.as_mut() {
                let outcome = outcomes.get_mut(self.nth).and_then(get);
                return outcome.map(|outcome| *outcome).ok_or(Error::WorkerLost);
            }
            if pass.has_failed() {
                return Err(Error::WorkerLost);
            }
            told = match self.batch.changed.wait_timeout(told, LOOK_UP) {
                Ok((told, _)) => told,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

/// Entries that one thread reads one after another.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Box<dyn Readable>>,
    pub(crate) outcomes: Arc<Outcomes>,
}

/// An entry whose content is still where it comes from.
pub(crate) trait Readable: Send {
    /// Asks for what will be read soon, without waiting for it.
    fn begin(&mut self) {}

    /// Reads and stores it. Errors are failures of the run, never of the entry.
    fn read(self: Box<Self>, reader: &mut LeafReader<'_>) -> Result<Outcome>;
}

/// An entry of the file system.
pub(crate) struct Walked {
    entry: Entry,
    opened: Option<std::result::Result<File, SourceError>>,
}

impl Walked {
    pub(crate) fn new(entry: Entry) -> Self {
        Self {
            entry,
            opened: None,
        }
    }

    fn open(&self) -> std::result::Result<File, SourceError> {
        let Entry {
            parent, name, stat, ..
        } = &self.entry;
        parent.open_file(name, stat)
    }
}

impl Readable for Walked {
    fn begin(&mut self) {
        if self.entry.stat.kind == Kind::File {
            let opened = self.open();
            if let Ok(file) = &opened {
                file.will_be_read();
            }
            self.opened = Some(opened);
        }
    }

    fn read(mut self: Box<Self>, reader: &mut LeafReader<'_>) -> Result<Outcome> {
        let entry = &self.entry;
        reader.pass.monitor.at(&entry.path);
        let read = match entry.stat.kind {
            Kind::File => match self.opened.take().unwrap_or_else(|| self.open()) {
                Ok(file) => reader.file(&self.entry, &file)?,
                Err(error) => Err(error),
            },
            _ => reader.special(entry),
        };
        Ok(read.unwrap_or_else(|error| Outcome {
            node: None,
            problems: vec![error.message()],
        }))
    }
}

/// Reads entries; one per thread.
pub(crate) struct LeafReader<'p> {
    pass: &'p Pass<'p>,
    framer: Framer<'p>,
    cutting: Cutting<'p>,
}

/// What a file held.
struct Content {
    kind: NodeKind,
    bytes: u64,
}

impl<'p> LeafReader<'p> {
    pub(crate) fn new(pass: &'p Pass<'p>) -> Result<Self> {
        Ok(Self {
            pass,
            framer: Framer::new(pass.store)?,
            cutting: Cutting::new(
                &pass.cutter.content,
                pass.store.packer.buffers(),
                pass.monitor,
            ),
        })
    }

    pub(crate) fn framer(&mut self) -> &mut Framer<'p> {
        &mut self.framer
    }

    pub(crate) fn pass(&self) -> &'p Pass<'p> {
        self.pass
    }

    fn special(&self, entry: &Entry) -> std::result::Result<Outcome, SourceError> {
        let Entry {
            parent, name, stat, ..
        } = entry;
        let kind = match stat.kind {
            Kind::Symlink => NodeKind::Symlink {
                target: parent.read_link(name)?,
            },
            Kind::Fifo => NodeKind::Fifo,
            Kind::Socket => NodeKind::Socket,
            Kind::CharDevice => NodeKind::CharDevice(stat.device),
            Kind::BlockDevice => NodeKind::BlockDevice(stat.device),
            // Neither comes here: the walk enters directories, and files are read.
            Kind::Directory | Kind::File => return Err(SourceError::Replaced),
        };
        let gathered = self.pass.metadata.of_entry(parent, name, stat);
        Ok(outcome(
            entry,
            stat,
            gathered.metadata,
            kind,
            gathered.problems,
        ))
    }

    fn file(
        &mut self,
        entry: &Entry,
        file: &File,
    ) -> Result<std::result::Result<Outcome, SourceError>> {
        let mut gathered = timed(self.pass.monitor, Stage::Read, 0, || {
            self.pass.metadata.of_file(file)
        });
        let mut problems = gathered.problems;
        // A file that is being written is read once more; then what was read is kept, and said.
        let mut before = *file.stat();
        for attempt in 0..2 {
            let content = match self.content(file, &before)? {
                Ok(content) => content,
                Err(error) => return Ok(Err(error)),
            };
            let changed = file.changed_since(&before).unwrap_or(true);
            if changed && attempt == 0 {
                if let Ok(stat) = file.stat_now() {
                    gathered.metadata.mtime = stat.mtime;
                    before = stat;
                }
                continue;
            }
            if changed {
                problems.push("it changed while it was being read".to_owned());
            }
            self.pass.monitor.count(Figure::BytesRead, content.bytes);
            return Ok(Ok(outcome(
                entry,
                &before,
                gathered.metadata,
                content.kind,
                problems,
            )));
        }
        Err(Error::WorkerLost)
    }

    /// Reads and stores what a file holds.
    fn content(
        &mut self,
        file: &File,
        stat: &Stat,
    ) -> Result<std::result::Result<Content, SourceError>> {
        let found = match file.extents(self.pass.now()) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let sparse = found.is_some();
        let mut data = Data::new(file, found);
        let content = match self.store(|room| data.next(room), stat.size)? {
            Ok(content) => content,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = content.length;
        let (size, extents) = if sparse {
            let extents = data.extents_read();
            let end = extents
                .last()
                .map_or(0, |extent| extent.offset + extent.length);
            (stat.size.max(end), Some(self.extents(extents)?))
        } else {
            (bytes, None)
        };
        Ok(Ok(Content {
            kind: NodeKind::File {
                size,
                content,
                extents,
            },
            bytes,
        }))
    }

    /// Where the data of a sparse file lies, listed in chunks if that is long.
    pub(crate) fn extents(&mut self, extents: Vec<Extent>) -> Result<Extents> {
        if extents.len() <= Extents::MAX_INLINE {
            return Ok(Extents::Inline(extents));
        }
        let mut writer = StreamWriter::new(ownkey_crypto::ChunkType::List);
        writer.write(
            &extents_to_bytes(&extents),
            &self.pass.cutter,
            &mut self.framer,
        )?;
        Ok(Extents::Listed(
            writer.finish(&self.pass.cutter, &mut self.framer)?,
        ))
    }

    /// Cuts and stores what `next` gives until it gives nothing, about `size` bytes; the chunks
    /// of a large file are shared with idle threads.
    pub(crate) fn store<E>(
        &mut self,
        next: impl FnMut(&mut [u8]) -> std::result::Result<usize, E>,
        size: u64,
    ) -> Result<std::result::Result<Stream, E>> {
        let pass = self.pass;
        let framer = &mut self.framer;
        let mut sharing = pass.share();
        let mut length = 0;
        let cut = self.cutting.run(size, next, |chunk| {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            length += chunk.len() as u64;
            sharing.put(chunk, framer)
        });
        match cut {
            Ok(()) => {
                let ids = sharing.finish(framer)?;
                list(length, ids, &pass.cutter, framer).map(Ok)
            }
            Err(Stop::Source(error)) => Ok(Err(error)),
            Err(Stop::Run(error)) => Err(error),
        }
    }
}

fn outcome(
    entry: &Entry,
    stat: &Stat,
    metadata: Metadata,
    kind: NodeKind,
    problems: Vec<String>,
) -> Outcome {
    let node = Node {
        name: entry.name.clone(),
        metadata,
        kind,
    };
    Outcome {
        node: Some((node, Some(stat.fingerprint()))),
        problems,
    }
}

/// The data of a file: all of it, or its extents one after another.
struct Data<'f> {
    file: &'f File,
    /// What is left to read: a dense file is one run without end.
    left: std::collections::VecDeque<Extent>,
    done: Vec<Extent>,
}

impl<'f> Data<'f> {
    fn new(file: &'f File, extents: Option<Vec<Extent>>) -> Self {
        let dense = || {
            vec![Extent {
                offset: 0,
                length: u64::MAX,
            }]
        };
        Self {
            file,
            left: extents.unwrap_or_else(dense).into(),
            done: Vec::new(),
        }
    }

    /// Fills `buffer` with the next bytes; 0 at the end.
    fn next(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, SourceError> {
        while let Some(extent) = self.left.front_mut() {
            let room = usize::try_from(extent.length)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let read = self
                .file
                .read_at(extent.offset, buffer.get_mut(..room).unwrap_or_default())?;
            let Extent { offset, .. } = *extent;
            extent.offset += read as u64;
            extent.length -= read as u64;
            let ended = read < room || extent.length == 0;
            if ended {
                self.left.pop_front();
            }
            if read > 0 {
                self.note(Extent {
                    offset,
                    length: read as u64,
                });
                return Ok(read);
            }
        }
        Ok(0)
    }

    fn note(&mut self, run: Extent) {
        match self.done.last_mut() {
            Some(last) if last.offset + last.length == run.offset => last.length += run.length,
            _ => self.done.push(run),
        }
    }

    /// Where the bytes read lay: less than planned if the file was cut short meanwhile.
    fn extents_read(self) -> Vec<Extent> {
        self.done
    }
}
