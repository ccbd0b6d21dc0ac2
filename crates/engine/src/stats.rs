//! Stats: how much there is, before and after sharing, compression and sealing.

use std::collections::{BTreeMap, HashMap, HashSet};

use ownkey_crypto::{ChunkId, ChunkType, ObjectHash, PackKind};
use ownkey_storage::Prefix;

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::layout::Object;
use crate::format::node::{NodeKind, Stream};
use crate::list::{Step, Walk, key};
use crate::monitor::{Figure, Monitor, Problem};
use crate::repository::{Repository, Snapshot};
use crate::tree::Browser;

/// What a restore of some snapshots would make, and what they take in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotStats {
    /// Snapshots counted.
    pub snapshots: u64,
    /// Sizes as a restore of each would make them.
    pub logical: Logical,
    /// Different chunks they need, of files, directories and lists.
    pub chunks: u64,
    /// Their plaintext, in bytes: what is left after sharing.
    pub unique_bytes: u64,
    /// Their part of the stored frames, in bytes: what is left after compression, too.
    pub stored_bytes: u64,
    /// Directories and files that could not be looked at; each was told to the monitor.
    pub broken: u64,
}

/// Numbers of entries, and the sizes of files with their holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logical {
    /// Regular files, each name of a hard link once more.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Everything else.
    pub others: u64,
    /// Sizes of the files in bytes.
    pub bytes: u64,
}

impl Logical {
    /// Saturating: a hostile tree may hold one directory 2^4096 times.
    fn add(&mut self, other: &Self) {
        self.files = self.files.saturating_add(other.files);
        self.directories = self.directories.saturating_add(other.directories);
        self.others = self.others.saturating_add(other.others);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Counts `snapshots`, together; for one of them, pass one. What they share is looked at once.
///
/// # Errors
/// [`Error::Cancelled`], and those of the storage that are not damage.
pub fn of_snapshots(
    browser: &Browser,
    snapshots: &[Snapshot],
    monitor: &dyn Monitor,
) -> Result<SnapshotStats> {
    let mut count = Count {
        browser,
        monitor,
        stats: SnapshotStats::default(),
        known: HashMap::new(),
        chunks: HashSet::new(),
    };
    for snapshot in snapshots {
        let logical = count.directory(&snapshot.record.root)?;
        count.stats.logical.add(&logical);
        count.stats.snapshots += 1;
    }
    Ok(count.stats)
}

struct Count<'a> {
    browser: &'a Browser,
    monitor: &'a dyn Monitor,
    stats: SnapshotStats,
    /// What is in directories counted before.
    known: HashMap<ObjectHash, Logical>,
    chunks: HashSet<ChunkId>,
}

impl Count<'_> {
    fn directory(&mut self, root: &Stream) -> Result<Logical> {
        if let Some(known) = self.known.get(&key(root)) {
            return Ok(*known);
        }
        let mut around = vec![(key(root), Logical::default())];
        self.stream(root, ChunkType::Tree)?;
        let mut walk = Walk::new(self.browser, root);
        while let Some(step) = walk.step() {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let Some((_, here)) = around.last_mut() else {
                break;
            };
            match step {
                Step::Entry(node) => match &node.kind {
                    NodeKind::Directory { content } => {
                        here.directories = here.directories.saturating_add(1);
                        if let Some(known) = self.known.get(&key(content)) {
                            here.add(known);
                            walk.skip();
                        } else {
                            around.push((key(content), Logical::default()));
                            self.stream(content, ChunkType::Tree)?;
                        }
                    }
                    NodeKind::File { size, content, .. } => {
                        here.files = here.files.saturating_add(1);
                        here.bytes = here.bytes.saturating_add(*size);
                        self.monitor.count(Figure::FilesDone, 1);
                        self.stream(content, ChunkType::Content)?;
                    }
                    _ => here.others = here.others.saturating_add(1),
                },
                Step::Broken(error) if is_damage(&error) => self.broken(&error),
                Step::Broken(error) => return Err(error),
                Step::Leave => self.leave(&mut around),
            }
        }
        let (key, total) = around.pop().unwrap_or((key(root), Logical::default()));
        self.known.insert(key, total);
        Ok(total)
    }

    fn leave(&mut self, around: &mut Vec<(ObjectHash, Logical)>) {
        let Some((key, total)) = around.pop() else {
            return;
        };
        self.known.insert(key, total);
        if let Some((_, parent)) = around.last_mut() {
            parent.add(&total);
        }
    }

    /// Counts the chunks of a stream, those of its lists among them.
    fn stream(&mut self, stream: &Stream, kind: ChunkType) -> Result<()> {
        if stream.depth > 0 {
            stream
                .ids
                .iter()
                .try_for_each(|id| self.chunk(id, ChunkType::List))?;
        }
        match self.browser.ids(stream) {
            Ok(ids) => ids.iter().try_for_each(|id| self.chunk(id, kind))?,
            Err(error) if is_damage(&error) => self.broken(&error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn chunk(&mut self, id: &ChunkId, kind: ChunkType) -> Result<()> {
        if !self.chunks.insert(*id) {
            return Ok(());
        }
        let index = self.browser.chunks.index();
        let Some(found) = index.find(id, kind)? else {
            return Ok(());
        };
        let frame = found.filed.frame(found.place.frame)?;
        let length = u64::from(found.length);
        self.stats.chunks += 1;
        self.stats.unique_bytes += length;
        // Both are below 2^23, so the product is far below 2^64.
        let share = u64::from(frame.stored_len) * length / u64::from(frame.plain_len.max(1));
        self.stats.stored_bytes += share;
        Ok(())
    }

    fn broken(&mut self, error: &Error) {
        self.stats.broken += 1;
        let path = std::path::PathBuf::from("/");
        self.monitor.problem(&Problem {
            path,
            message: error.to_string(),
        });
    }
}

/// Which objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// The header.
    Header,
    /// Key slots and grants.
    Keys,
    /// Roster entries.
    Roster,
    /// Log entries.
    Log,
    /// Index segments.
    Index,
    /// Packs of file chunks.
    Data,
    /// Packs of trees and lists.
    Meta,
    /// What is not ownkey's.
    Foreign,
}

/// How many objects, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Everything in the storage, by class of object.
///
/// # Errors
/// Those of the storage.
pub fn stored(repository: &Repository) -> Result<BTreeMap<ObjectClass, Stored>> {
    let mut classes: BTreeMap<ObjectClass, Stored> = BTreeMap::new();
    for listed in repository.io.list(&Prefix::all())? {
        let class = match Object::parse(&listed.name) {
            Some(Object::Header) => ObjectClass::Header,
            Some(Object::Slot(_) | Object::Grant(..) | Object::Request(_)) => ObjectClass::Keys,
            Some(Object::RosterEntry(..)) => ObjectClass::Roster,
            Some(Object::LogEntry(..)) => ObjectClass::Log,
            Some(Object::Segment(_)) => ObjectClass::Index,
            Some(Object::Pack(pack)) if pack.kind == PackKind::Data => ObjectClass::Data,
            Some(Object::Pack(_)) => ObjectClass::Meta,
            None => ObjectClass::Foreign,
        };
        let stored = classes.entry(class).or_default();
        stored.objects += 1;
        stored.bytes = stored.bytes.saturating_add(listed.size);
    }
    Ok(classes)
}
