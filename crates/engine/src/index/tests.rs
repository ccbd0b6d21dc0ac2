//! An index beside a map that says the same, whatever happens to its files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ownkey_crypto::{IdentitySeed, OsRandom, PackKind, object_hash};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::format::segment::IndexedPack;
use crate::lock::lock;

/// Segments in memory.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) segments: Mutex<BTreeMap<ObjectHash, Vec<IndexedPack>>>,
    reads: AtomicUsize,
    /// Deleted from the storage; a cache still gives them.
    pub(super) only_cached: Mutex<HashSet<ObjectHash>>,
}

impl Segments for Shelf {
    fn there(&self, names: &HashSet<ObjectHash>) -> HashSet<ObjectHash> {
        let segments = lock(&self.segments);
        let only_cached = lock(&self.only_cached);
        let is_there =
            |name: &&ObjectHash| segments.contains_key(name) && !only_cached.contains(name);
        let there = names.iter().filter(is_there);
        there.copied().collect()
    }

    fn read(&self, names: &[ObjectHash], each: &mut EachSegment<'_>) -> Result<()> {
        for name in names {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let packs = lock(&self.segments).get(name).cloned();
            each(name, packs)?;
        }
        Ok(())
    }
}

fn hash(seed: &str, number: u64) -> ObjectHash {
    object_hash(format!("{seed} {number}").as_bytes())
}

pub(super) fn chunk(number: u64) -> ChunkId {
    ChunkId::from_bytes(*hash("chunk", number).as_bytes())
}

/// A directory of these frames of chunks, each chunk of 10 bytes.
fn directory(frames: &[Vec<u64>]) -> Directory {
    let mut offset = 44 + 64;
    let mut bytes = u32::try_from(frames.len()).unwrap().to_le_bytes().to_vec();
    for frame in frames {
        let count = u32::try_from(frame.len()).unwrap();
        for number in [offset, 10 * count, 10 * count] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&count.to_le_bytes());
        for number in frame {
            bytes.extend_from_slice(chunk(*number).as_bytes());
            bytes.extend_from_slice(&10u32.to_le_bytes());
        }
        offset += 10 * count + 16;
    }
    let at = |start: u32| {
        let mut bytes = bytes.clone();
        let mut place = 4;
        let mut offset = start;
        for frame in frames {
            bytes[place..place + 4].copy_from_slice(&offset.to_le_bytes());
            place += 20 + 36 * frame.len();
            offset += 10 * u32::try_from(frame.len()).unwrap() + 16;
        }
        Directory::decode(&bytes)
    };
    at(u32::try_from(ownkey_crypto::HEADER_LEN).unwrap()).expect("a directory")
}

fn pack(name: u64, frames: &[Vec<u64>]) -> IndexedPack {
    IndexedPack {
        name: PackName {
            kind: PackKind::Data,
            hash: hash("pack", name),
        },
        length: 4_096,
        directory: directory(frames),
    }
}

/// A machine with one index.
pub(super) struct Bench {
    pub(super) shelf: Arc<Shelf>,
    folder: TempDir,
    key: Arc<LocalStateKey>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let seed = IdentitySeed::from_file_bytes(&[7; 32]);
        Self {
            shelf: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            key: Arc::new(LocalStateKey::from_seed(&seed)),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    fn put(&self, segment: u64, packs: Vec<IndexedPack>) -> Named {
        let segment = hash("segment", segment);
        lock(&self.shelf.segments).insert(segment, packs);
        Named {
            segment,
            trust: Trust::Reliable,
        }
    }

    fn home(&self, folder: Option<PathBuf>) -> Home {
        Home {
            folder,
            key: Arc::clone(&self.key),
            random: Arc::new(OsRandom),
            upkeep: Upkeep::Kept,
        }
    }

    pub(super) fn open(&self, named: &[Named]) -> Index {
        self.open_at(Some(self.path()), named)
    }

    fn open_at(&self, folder: Option<PathBuf>, named: &[Named]) -> Index {
        let shelf = Arc::clone(&self.shelf) as Arc<dyn Segments>;
        Index::open(self.home(folder), shelf, named).expect("an index")
    }

    pub(super) fn reads(&self) -> usize {
        self.shelf.reads.swap(0, Ordering::Relaxed)
    }

    pub(super) fn files(&self, of: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_wanted = |path: &PathBuf| name_of(path).starts_with(of);
        let mut paths: Vec<PathBuf> = paths.filter(is_wanted).collect();
        paths.sort();
        paths
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Where an index says that chunks are: hashes of packs, frames and numbers, the reliable first.
type Seen = BTreeMap<u64, (Option<u64>, BTreeSet<(ObjectHash, u32, u32)>)>;

fn see(index: &Index, chunks: u64) -> Seen {
    let seen = |number: u64| {
        let id = chunk(number);
        let places = index.places(&id, ChunkType::Content).unwrap();
        let reliable = index.reliable_pack(&id).unwrap();
        if let Some(first) = places.first() {
            assert_eq!(
                reliable.is_some(),
                index.pack(first.pack).unwrap().reliable,
                "the best place comes first"
            );
        }
        let named = |place: &Place| {
            let filed = index.filed(place.pack).unwrap();
            let (found, _) = filed.frame(place.frame).unwrap().chunks[place.nth as usize];
            assert_eq!(found, id);
            (filed.pack.name.hash, place.frame, place.nth)
        };
        assert!(index.places(&id, ChunkType::Tree).unwrap().is_empty());
        let found = index.find(&id, ChunkType::Content).unwrap();
        assert_eq!(found.is_some(), !places.is_empty());
        if let Some(found) = found {
            assert_eq!(found.filed.pack.reliable, reliable.is_some());
            assert!(places.contains(&found.place) && found.length == 10);
        }
        let places: BTreeSet<_> = places.iter().map(named).collect();
        (number, (reliable.map(u64::from).map(|_| 1), places))
    };
    (0..chunks)
        .map(seen)
        .filter(|(_, (_, places))| !places.is_empty())
        .collect()
}

/// The same from the segments alone.
fn model(bench: &Bench, named: &[Named], doubted: &dyn Fn(&PackName) -> bool) -> Seen {
    let mut seen = Seen::new();
    let all: BTreeMap<ChunkId, u64> = (0..CHUNKS).map(|number| (chunk(number), number)).collect();
    for named in named {
        let segments = lock(&bench.shelf.segments);
        for pack in segments.get(&named.segment).into_iter().flatten() {
            let reliable = named.trust == Trust::Reliable && !doubted(&pack.name);
            for (frame, entry) in (0..).zip(pack.directory.frames()) {
                for (nth, (id, _)) in (0..).zip(&entry.chunks) {
                    let (known, places) = seen.entry(all[id]).or_default();
                    *known = known.or(reliable.then_some(1));
                    places.insert((pack.name.hash, frame, nth));
                }
            }
        }
    }
    seen
}

const CHUNKS: u64 = 600;

#[derive(Debug, Clone)]
enum Event {
    /// A segment with packs of frames of chunks.
    Add(Vec<Vec<Vec<u64>>>),
    /// An entry does not name a segment any more.
    Drop(usize),
    Distrust(usize),
    /// Nobody may rely on packs of this remainder.
    Condemn(u8),
    /// The segment is lost in the storage, and what this machine knows of it stays.
    Reopen,
    /// Opened while another process has the lock.
    Beside,
    Memory,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let frame = prop::collection::btree_set(0..CHUNKS, 1..40)
        .prop_map(|chunks| chunks.into_iter().collect::<Vec<u64>>());
    let pack = prop::collection::vec(frame, 1..4);
    let event = prop_oneof![
        6 => prop::collection::vec(pack, 1..4).prop_map(Event::Add),
        1 => (0..8usize).prop_map(Event::Drop),
        1 => (0..8usize).prop_map(Event::Distrust),
        1 => (0..4u8).prop_map(Event::Condemn),
        2 => Just(Event::Reopen),
        1 => Just(Event::Beside),
        1 => Just(Event::Memory),
    ];
    prop::collection::vec(event, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_index_says_what_its_segments_say_whatever_came_and_went(events in events()) {
        let bench = Bench::new();
        let mut named: Vec<Named> = Vec::new();
        let mut condemned = None;
        for (number, event) in (0..).zip(events) {
            let mut folder = Some(bench.path());
            let mut held = None;
            match event {
                Event::Add(packs) => {
                    let packs = (0..).zip(&packs);
                    let packs = packs.map(|(n, frames)| pack(number * 10 + n, frames));
                    named.push(bench.put(number, packs.collect()));
                }
                Event::Drop(which) if !named.is_empty() => {
                    named.remove(which % named.len());
                }
                Event::Distrust(which) if !named.is_empty() => {
                    let which = which % named.len();
                    named[which].trust = Trust::Doubtful;
                }
                Event::Condemn(remainder) => condemned = Some(remainder),
                Event::Beside => held = upkeep::lock(&bench.path()),
                Event::Memory => folder = None,
                Event::Drop(_) | Event::Distrust(_) | Event::Reopen => {}
            }
            let doubted = |pack: &PackName| {
                condemned.is_some_and(|remainder| pack.hash.as_bytes()[0] % 4 == remainder)
            };
            let mut index = bench.open_at(folder, &named);
            index.doubt(&doubted).unwrap();
            prop_assert_eq!(see(&index, CHUNKS), model(&bench, &named, &doubted));
            drop(held);
        }
    }
}

/// A few segments, two of them for the same chunks.
pub(super) fn three(bench: &Bench) -> Vec<Named> {
    let some = |from: u64| vec![(from..from + 150).collect::<Vec<_>>(), vec![from + 150]];
    vec![
        bench.put(1, vec![pack(1, &some(0)), pack(2, &some(200))]),
        bench.put(2, vec![pack(3, &some(100))]),
        bench.put(3, vec![pack(4, &some(350))]),
    ]
}

#[test]
fn what_is_covered_is_not_read_again() {
    let bench = Bench::new();
    let mut named = three(&bench);
    bench.open(&named);
    assert_eq!(bench.reads(), 3);
    let index = bench.open(&named);
    assert_eq!(bench.reads(), 0);
    assert_eq!(index.len(), 4 * 151);
    named.push(bench.put(4, vec![pack(5, &[vec![599]])]));
    let index = bench.open(&named);
    assert_eq!(bench.reads(), 1);
    assert_eq!(see(&index, CHUNKS), model(&bench, &named, &|_| false));
}

#[test]
fn a_broken_segment_is_named_and_asked_for_again() {
    let bench = Bench::new();
    let mut named = three(&bench);
    let lost = hash("segment", 99);
    named.push(Named {
        segment: lost,
        trust: Trust::Reliable,
    });
    for reads in [4, 1, 1] {
        let index = bench.open(&named);
        assert_eq!(index.broken_segments(), [lost]);
        assert!(!index.is_wholly_reliable());
        assert_eq!(bench.reads(), reads);
    }
    bench.put(99, vec![pack(9, &[vec![598]])]);
    let index = bench.open(&named);
    assert!(index.is_wholly_reliable());
    assert!(index.reliable_pack(&chunk(598)).unwrap().is_some());
}

#[test]
fn any_byte_of_any_file_may_rot_and_nothing_wrong_is_said() {
    let bench = Bench::new();
    let named = three(&bench);
    let right = see(&bench.open(&named), CHUNKS);
    for kind in ["index", "table", "packs", "directories", "lock"] {
        let length = fs::read(&bench.files(kind)[0]).unwrap().len();
        for at in (0..length).step_by((length / 400).max(1)) {
            let path = bench.files(kind)[0].clone();
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(see(&bench.open(&named), CHUNKS), right, "{kind} {at}");
            // What was made anew in the middle of a run is made anew for good in the next one.
            drop(bench.open(&named));
        }
    }
}

#[test]
fn each_byte_of_a_small_index_may_rot_while_it_is_open() {
    let bench = Bench::new();
    let named = [bench.put(1, vec![pack(1, &[vec![1, 2], vec![3]])])];
    let right = see(&bench.open(&named), 10);
    let mut mended = 0;
    for kind in ["table", "packs", "directories"] {
        let length = {
            drop(bench.open(&named));
            fs::read(&bench.files(kind)[0]).unwrap().len()
        };
        for at in 0..length {
            let index = bench.open(&named);
            let path = bench.files(kind)[0].clone();
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0x10;
            // In place, so that the open index sees it.
            let file = fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
            assert_eq!(see(&index, 10), right, "{kind} {at}");
            mended += usize::from(index.held.read().unwrap().mended > 0);
            drop(index);
            assert_eq!(see(&bench.open(&named), 10), right, "{kind} {at}, next run");
        }
    }
    assert!(mended > 200, "{mended}");
}

#[test]
fn files_that_are_missing_cut_or_swapped_are_made_anew() {
    let bench = Bench::new();
    let mut named = three(&bench);
    bench.open(&named);
    named.push(bench.put(4, vec![pack(5, &[(400..420).collect()])]));
    let right = see(&bench.open(&named), CHUNKS);
    let wrongs: [&dyn Fn(&Path); 4] = [
        &|path| fs::remove_file(path).unwrap(),
        &|path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        },
        &|path| fs::write(path, b"").unwrap(),
        &|path| fs::write(path, [0; 9_000]).unwrap(),
    ];
    for kind in ["index", "table", "packs", "directories"] {
        for (number, wrong) in wrongs.iter().enumerate() {
            wrong(&bench.files(kind)[0]);
            assert_eq!(see(&bench.open(&named), CHUNKS), right, "{kind} {number}");
            assert_eq!(see(&bench.open(&named), CHUNKS), right, "{kind} {number}");
        }
    }
    named.push(bench.put(5, vec![pack(6, &[(500..505).collect()])]));
    let right = see(&bench.open(&named), CHUNKS);
    let tables = bench.files("table");
    assert_eq!(tables.len(), 2);
    let other = tables[0].with_extension("other");
    fs::rename(&tables[0], &other).unwrap();
    fs::rename(&tables[1], &tables[0]).unwrap();
    fs::rename(&other, &tables[1]).unwrap();
    assert_eq!(see(&bench.open(&named), CHUNKS), right);
}

#[test]
fn another_device_does_not_believe_copied_files() {
    let bench = Bench::new();
    let named = three(&bench);
    let right = see(&bench.open(&named), CHUNKS);
    bench.reads();
    let other = Bench {
        key: Arc::new(LocalStateKey::from_seed(&IdentitySeed::from_file_bytes(
            &[8; 32],
        ))),
        shelf: Arc::clone(&bench.shelf),
        folder: bench.folder,
    };
    assert_eq!(see(&other.open(&named), CHUNKS), right);
    assert_eq!(other.reads(), 3);
}

#[test]
fn an_older_index_goes_on_while_a_newer_one_makes_new_files() {
    let bench = Bench::new();
    let mut named = three(&bench);
    let older = bench.open(&named);
    let right = see(&older, CHUNKS);
    named.remove(0);
    for number in 10..20 {
        let chunks = (number * 20..number * 20 + 300).collect();
        named.push(bench.put(number, vec![pack(number, &[chunks])]));
        bench.open(&named);
    }
    older.directories.forget();
    assert_eq!(see(&older, CHUNKS), right);
}

#[test]
fn a_machine_without_a_cache_folder_has_the_same_index() {
    let bench = Bench::new();
    let named = three(&bench);
    let right = model(&bench, &named, &|_| false);
    assert_eq!(see(&bench.open_at(None, &named), CHUNKS), right);
    let file = bench.folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let index = bench.open_at(Some(file.join("index")), &named);
    assert_eq!(see(&index, CHUNKS), right);
    let claims = Claims::bounded(&index, 10);
    let mine = (0..100).filter(|number| claims.claim(&chunk(*number)) == Claim::Mine);
    assert_eq!(mine.count(), 100);
}

#[test]
fn a_segment_lost_while_an_index_is_mended_is_damage_of_its_chunks_only() {
    let bench = Bench::new();
    let named = three(&bench);
    let index = bench.open(&named);
    lock(&bench.shelf.segments).remove(&named[1].segment);
    for path in bench.files("") {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(0).unwrap();
    }
    assert_eq!(see(&index, CHUNKS), model(&bench, &named, &|_| false));
    assert!(index.places(&chunk(240), ChunkType::Content).unwrap().len() == 1);
}
