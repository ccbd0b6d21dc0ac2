//! The course of one backup: passes, segments, entries, and the look.

mod entries;
mod segments;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64};

use ownkey_crypto::{ChunkType, ObjectHash};
use ownkey_storage::ObjectName;

use super::cut::{Cutting, Stop};
use super::framer::{Framer, Store};
use super::outlet::Origin;
use super::parent::{ParentWriter, Place};
use super::pass::Pass;
use super::stream::{Cutter, StreamWriter, list};
use super::trees::{Tally, Trees};
use super::walker::{FileSystem, Known};
use super::{Relied, Report, may_write, sources_key};
use crate::compress::Compression;
use crate::damage::{known_damage, list_once};
use crate::error::{Error, Result};
use crate::format::entry::{Event, LogPosition, PackName};
use crate::format::name::Name;
use crate::format::node::{Metadata, Node, NodeKind, Stream};
use crate::format::record::{Counts, SnapshotRecord};
use crate::format::time::Timestamp;
use crate::format::tree::append_node;
use crate::index::{Claims, Index};
use crate::keyring::Keyring;
use crate::monitor::{Figure, Monitor};
use crate::packer::Packer;
use crate::repository::Repository;
use crate::retention::{self, Locked, Needs};
use crate::source::Walk;
use crate::state::Lock;

/// Seconds between checkpoints: what an interruption costs at most, beside a file being read.
const CHECKPOINT_SECONDS: i64 = 300;

/// A backup in progress.
pub(crate) struct Session<'r> {
    repository: &'r mut Repository,
    monitor: &'r dyn Monitor,
    record: SnapshotRecord,
    index: Arc<Index>,
    relied: Relied,
    /// Segments stored that no entry names yet.
    unnamed: Vec<ObjectHash>,
    /// Objects stored in this run.
    fresh: HashSet<ObjectName>,
    /// When none of them was there yet.
    began: Timestamp,
    tally: Tally,
    packs: u64,
    stored_bytes: u64,
    _lock: Lock,
}

impl<'r> Session<'r> {
    /// Looks at the repository as it is now and keeps other runs of this machine out of it.
    pub(crate) fn begin(repository: &'r mut Repository, monitor: &'r dyn Monitor) -> Result<Self> {
        may_write(repository)?;
        let lock = repository.state.lock()?;
        let began = repository.environment.clock.now();
        repository.catch_up(monitor)?;
        list_once(repository)?;
        let index = Arc::new(Index::load(repository, &known_damage(repository)?)?);
        Ok(Self {
            repository,
            monitor,
            record: SnapshotRecord::default(),
            index,
            relied: Relied::default(),
            unnamed: Vec::new(),
            fresh: HashSet::new(),
            began,
            tally: Tally::default(),
            packs: 0,
            stored_bytes: 0,
            _lock: lock,
        })
    }

    /// Begins a snapshot of this machine's files as they are now.
    pub(super) fn describe(&mut self, record: SnapshotRecord) {
        let snapshots = self.repository.snapshots();
        let me = self.repository.me();
        let parent = snapshots.iter().rev().find(|s| s.device == me);
        self.record = SnapshotRecord {
            started: self.repository.environment.clock.now(),
            parent: parent.map(|parent| parent.id),
            ..record
        };
    }

    /// Reads the sources once; afterwards everything is stored and nothing is said.
    pub(super) fn tree_pass(&mut self, walk: Walk) -> Result<()> {
        let seal = self
            .repository
            .state
            .parent_path(&sources_key(&self.record.paths));
        let state_key = Arc::clone(&self.repository.state_key);
        let place = Place::new(seal, &state_key);
        let parents: Vec<Known> = place
            .read()
            .into_iter()
            .map(|reader| known(reader, &self.index))
            .collect::<Result<_>>()?;
        let carried: HashSet<PackName> = parents
            .iter()
            .filter(|parent| parent.intact)
            .flat_map(|parent| parent.reader.relied().clone())
            .collect();
        self.relied.packs.extend(&carried);
        let mut nonce = [0; 8];
        self.repository.keys.random().fill(&mut nonce)?;
        let writer = ParentWriter::begin(&place, nonce)?;
        let record = self.pass(&mut FileSystem { walk, parents }, Some(writer))?;
        if self.tally.counts == Counts::default() && self.tally.problems > 0 {
            return Err(Error::NothingToBackUp);
        }
        self.warn_if_emptied(&self.tally.counts);
        match record {
            Some(record) => record.finish(self.relied.packs.clone()),
            None => Ok(()),
        }
    }

    /// Begins a snapshot that is described already, over what is stored by now.
    pub(crate) fn take_up(&mut self, record: SnapshotRecord) -> Result<()> {
        if !std::mem::take(&mut self.relied).segments.is_empty() {
            self.reload_index()?;
        }
        self.record = record;
        (self.packs, self.stored_bytes) = (0, 0);
        Ok(())
    }

    /// The repository that is written.
    pub(crate) fn repository(&self) -> &Repository {
        self.repository
    }

    /// Bytes of the objects stored so far.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Stores what `work` gives to the store, unless a pack that `index` calls reliable has it. No entry
    /// names it yet.
    pub(crate) fn store_with<T>(
        &mut self,
        index: &Index,
        work: impl FnOnce(&Store<'_>) -> Result<T>,
    ) -> Result<T> {
        let keys = Arc::clone(&self.repository.keys);
        let claims = Claims::new(index);
        let packer = self.packer(&keys);
        let store = store(&keys, &claims, &packer, index, self.repository.compression);
        let done = work(&store)?;
        self.store_index(&packer.flush()?)?;
        Ok(done)
    }

    /// What is stored, as far as this session knows.
    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Relies on these packs: for who looked into the trees itself.
    pub(crate) fn rely_on(&mut self, packs: impl IntoIterator<Item = PackName>) {
        self.relied.packs.extend(packs);
    }

    /// Relies on everything that is stored: for who takes trees over without a look into them.
    pub(crate) fn rely_on_everything(&mut self) -> Result<()> {
        self.index.each_pack(|pack| {
            self.relied.packs.insert(pack.name);
            Ok(())
        })
    }

    /// What the snapshot is to say of itself; complete after the pass.
    pub(crate) fn record_mut(&mut self) -> &mut SnapshotRecord {
        &mut self.record
    }

    fn reload_index(&mut self) -> Result<()> {
        let avoid = known_damage(self.repository)?;
        self.index = Arc::new(Index::load(self.repository, &avoid)?);
        Ok(())
    }

    /// Stores everything that `origin` has, and its trees. Gives `writer` back with what was
    /// found where.
    pub(crate) fn pass<'k>(
        &mut self,
        origin: &mut dyn Origin,
        writer: Option<ParentWriter<'k>>,
    ) -> Result<Option<ParentWriter<'k>>> {
        let index = Arc::clone(&self.index);
        let keys = Arc::clone(&self.repository.keys);
        let claims = Claims::new(&index);
        let packer = self.packer(&keys);
        let store = store(&keys, &claims, &packer, &index, self.repository.compression);
        let environment = self.repository.environment.clone();
        let clock = &environment.clock;
        let asked = self.record.paths.iter();
        let asked = asked.map(|path| OsStr::from_bytes(path).into()).collect();
        let pass = Pass::new(&store, self.monitor, &environment, asked);
        let mut next_checkpoint = clock.now().seconds.saturating_add(CHECKPOINT_SECONDS);
        let passed = pass.run(origin, writer, &mut |trees| {
            self.store_index_early(&packer)?;
            if clock.now().seconds >= next_checkpoint {
                self.checkpoint(trees, &pass, &packer)?;
                next_checkpoint = clock.now().seconds.saturating_add(CHECKPOINT_SECONDS);
            }
            Ok(())
        })?;
        self.store_index(&packer.flush()?)?;
        self.relied.packs.extend(pass.store.relied_packs()?);
        self.finish_record(passed.root, passed.tally, &store);
        Ok(passed.record)
    }

    /// Makes packs of frames.
    pub(crate) fn packer(&self, keys: &Arc<Keyring>) -> Packer<'r> {
        let Repository {
            io, environment, ..
        } = &*self.repository;
        Packer::new(
            io.clone(),
            Arc::clone(keys),
            (environment.memory, self.repository.parity),
            self.monitor,
        )
    }

    /// A source that was full and is empty now is more likely an unmounted disk than a wish.
    fn warn_if_emptied(&self, now: &Counts) {
        let parent = self
            .repository
            .snapshots()
            .into_iter()
            .rev()
            .find(|snapshot| Some(snapshot.id) == self.record.parent);
        if now.files == 0
            && parent.is_some_and(|parent| {
                parent.record.counts.files > 0 && parent.record.paths == self.record.paths
            })
        {
            self.monitor.note("the sources were full at the last backup and are empty now: is a disk not mounted?");
        }
    }

    /// Stores a stream as the only file of the snapshot.
    pub(super) fn stream_pass(&mut self, name: &str, content: &mut dyn Read) -> Result<()> {
        let name =
            Name::new(name.as_bytes()).map_err(|invalid| Error::Source(invalid.to_string()))?;
        let index = Arc::clone(&self.index);
        let keys = Arc::clone(&self.repository.keys);
        let claims = Claims::new(&index);
        let packer = self.packer(&keys);
        let store = store(&keys, &claims, &packer, &index, self.repository.compression);
        let cutter = Cutter::new(&keys.names);
        let mut framer = Framer::new(&store)?;
        let monitor = self.monitor;
        let mut between = || self.store_index_early(&packer);
        let content = store_stream(content, &cutter, &mut framer, (monitor, &mut between))?;
        let metadata = Metadata {
            mode: 0o600,
            mtime: self.record.started,
            ..Metadata::default()
        };
        let bytes = content.length;
        let node = Node {
            name,
            metadata,
            kind: NodeKind::File {
                size: bytes,
                content,
                extents: None,
            },
        };
        let mut encoded = Vec::new();
        append_node(&node, &mut encoded);
        let mut root = StreamWriter::new(ChunkType::Tree);
        root.write(&encoded, &cutter, &mut framer)?;
        let root = root.finish(&cutter, &mut framer)?;
        framer.flush()?;
        drop(framer);
        self.store_index(&packer.flush()?)?;
        let counts = Counts {
            files: 1,
            bytes,
            ..Counts::default()
        };
        let relied = store.relied_packs()?;
        self.relied.packs.extend(relied);
        self.finish_record(
            root,
            Tally {
                counts,
                read_files: 1,
                ..Tally::default()
            },
            &store,
        );
        Ok(())
    }

    fn finish_record(&mut self, root: Stream, tally: Tally, store: &Store<'_>) {
        let record = &mut self.record;
        record.root = root;
        record.counts = Counts {
            new_bytes: store.new_bytes(),
            ..tally.counts
        };
        record.problems = tally.problems;
        record.first_problems.clone_from(&tally.first_problems);
        self.tally = tally;
    }

    /// Makes what is done so far browsable, and not to be done again.
    fn checkpoint(
        &mut self,
        trees: &mut Trees<'_, '_>,
        pass: &Pass<'_>,
        packer: &Packer<'_>,
    ) -> Result<()> {
        let root = trees.so_far()?;
        let gate = pass.store.close_gate();
        let stored = packer.flush();
        drop(gate);
        self.store_index(&stored?)?;
        self.relied.packs.extend(pass.store.relied_packs()?);
        let record = SnapshotRecord {
            root,
            counts: trees.tally().counts,
            problems: trees.tally().problems,
            first_problems: trees.tally().first_problems.clone(),
            ..self.record.clone()
        };
        let segments = std::mem::take(&mut self.unnamed);
        let draft = self.draft(Event::Checkpoint { segments }, Some(record));
        let checkpoint = self.repository.append(&draft)?;
        self.stored(checkpoint);
        match trees.record() {
            Some(record) => record.checkpoint(self.relied.packs.clone()),
            None => Ok(()),
        }
    }

    /// Puts the `Backup`, looks, and confirms. `None` if something relied on is condemned: then
    /// the index is without it, and another pass is needed.
    pub(crate) fn confirm(&mut self) -> Result<Option<Report>> {
        if self.monitor.cancelled() {
            return Err(Error::Cancelled);
        }
        let segments = std::mem::take(&mut self.unnamed);
        let record = self.record.clone();
        let draft = self.draft(Event::Backup { segments }, Some(record));
        let backup = self.repository.append_and_look(&draft, self.monitor)?;
        self.stored(backup);
        if self.relies_on_condemned() {
            self.reload_index()?;
            self.relied = Relied::default();
            return Ok(None);
        }
        let draft = self.draft(Event::Confirm(backup), None);
        // A removal since the look may void what is said here: not acknowledged before that is read.
        let confirm = self
            .repository
            .append_unless_removed(&draft, self.monitor)?;
        self.stored(confirm);
        let mut report = self.report(backup);
        report.locked = self.keep_locked();
        Ok(Some(report))
    }

    /// Makes the storage keep what the snapshot needs, if that was asked for.
    fn keep_locked(&self) -> Option<Locked> {
        let needs = Needs {
            packs: &self.relied.packs,
            broken: self.index.broken_segments(),
            fresh: &self.fresh,
            since: self.began,
        };
        retention::keep(self.repository, &needs, self.monitor)
    }

    fn report(&self, backup: LogPosition) -> Report {
        Report {
            snapshot: backup.hash,
            counts: self.record.counts,
            read_files: self.tally.read_files,
            problems: self.tally.problems,
            packs: self.packs,
            stored_bytes: self.stored_bytes,
            locked: None,
            started: self.record.started,
            ended: self.repository.environment.clock.now(),
        }
    }
}

fn store<'s>(
    keys: &'s Keyring,
    claims: &'s Claims<'s>,
    packer: &'s Packer<'s>,
    index: &Index,
    compression: Compression,
) -> Store<'s> {
    Store {
        monitor: packer.monitor(),
        compression,
        keys,
        claims,
        packer,
        new_bytes: AtomicU64::new(0),
        relied: (0..index.pack_count())
            .map(|_| AtomicBool::new(false))
            .collect(),
        gate: RwLock::new(()),
    }
}

fn known(reader: super::parent::ParentReader, index: &Index) -> Result<Known> {
    let mut reliable = HashSet::new();
    index.each_pack(|pack| {
        if pack.reliable && reader.relied().contains(&pack.name) {
            reliable.insert(pack.name);
        }
        Ok(())
    })?;
    let intact = reliable.len() == reader.relied().len();
    Ok(Known { reader, intact })
}

/// Reads a stream to its end into chunks.
fn store_stream(
    content: &mut dyn Read,
    cutter: &Cutter,
    framer: &mut Framer<'_>,
    (monitor, between): (&dyn Monitor, &mut dyn FnMut() -> Result<()>),
) -> Result<Stream> {
    let (mut ids, mut length) = (Vec::new(), 0);
    let buffers = framer.buffers();
    let mut cutting = Cutting::new(&cutter.content, &buffers, monitor);
    let read = |room: &mut [u8]| read_some(content, room);
    let cut = cutting.run(u64::MAX, read, |chunk| {
        if monitor.cancelled() {
            return Err(Error::Cancelled);
        }
        let bytes = chunk.len() as u64;
        ids.push(framer.put(ChunkType::Content, chunk)?);
        length += bytes;
        monitor.count(Figure::BytesRead, bytes);
        between()
    });
    match cut {
        Ok(()) => list(length, ids, cutter, framer),
        Err(Stop::Run(error)) => Err(error),
        Err(Stop::Source(source)) => Err(Error::Local {
            action: "read",
            path: "standard input".into(),
            source,
        }),
    }
}

fn read_some(content: &mut dyn Read, room: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match content.read(room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
