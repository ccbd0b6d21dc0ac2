//! The index at any size: how long it takes to build and to open, what it holds in memory, how many
//! chunks it looks up in a second.
//!
//! `cargo bench -p ownkey-engine --bench index -- --chunks 100000000 --folder /somewhere/with/room`
//!
//! Segments are made up, as a storage without any latency would give them: packs of 16 frames, one
//! chunk of about 1 MiB in each, which is what large files become and the most packs a chunk can
//! cost. Every phase is a process of its own, so that its memory is its own. Two threads ask.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ownkey_crypto::{
    ChunkId, Directory, HEADER_LEN, IdentitySeed, LocalStateKey, ObjectHash, OsRandom, PackKind,
    object_hash,
};
use ownkey_engine::Result;
use ownkey_engine::format::entry::PackName;
use ownkey_engine::format::segment::IndexedPack;
use ownkey_engine::index::{
    Claim, Claims, EachSegment, Home, Index, Named, Segments, Trust, Upkeep,
};

/// Chunks of a pack.
const IN_PACK: u64 = 16;
/// Packs of a segment: a body of about 8 MiB.
const IN_SEGMENT: u64 = 8_900;
/// Plain and stored length of each chunk.
const CHUNK: u32 = 1 << 20;
const THREADS: u64 = 2;
/// Chunks that a backup claims.
const CLAIMS: u64 = 10_000_000;
/// Numbers from here on are of chunks that no segment has.
const UNKNOWN: u64 = 1 << 60;

fn main() {
    let mut chunks = 1_000_000;
    let mut folder = std::env::temp_dir().join("ownkey-bench-index");
    let mut phase = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--chunks" => chunks = number(arguments.next()),
            "--folder" => folder = arguments.next().map_or(folder, PathBuf::from),
            "--phase" => phase = arguments.next(),
            // What cargo adds.
            "--bench" => {}
            other => {
                eprintln!("{other}? --chunks N, --folder PATH");
                exit(2);
            }
        }
    }
    match phase.as_deref() {
        None => run_all(chunks, &folder),
        Some("build") => build(chunks, &folder),
        Some("open") => drop(open(chunks, &folder)),
        Some("grow") => grow(chunks, &folder),
        Some("unknown") => look_up(chunks, &folder, Asking::Unknown),
        Some("known") => look_up(chunks, &folder, Asking::Known),
        Some("claims") => claims(chunks, &folder),
        Some(_) => exit(2),
    }
}

fn number(argument: Option<String>) -> u64 {
    let digits = argument.unwrap_or_default().replace('_', "");
    digits.parse().unwrap_or_else(|_| exit(2))
}

fn run_all(chunks: u64, folder: &Path) {
    println!("{chunks} chunks in {} packs", chunks.div_ceil(IN_PACK));
    let _ = std::fs::remove_dir_all(folder);
    let program = std::env::current_exe().expect("this program");
    for phase in ["build", "open", "unknown", "known", "claims", "grow"] {
        let mut child = Command::new(&program);
        child.args([
            "--phase",
            phase,
            "--chunks",
            &chunks.to_string(),
            "--folder",
        ]);
        let ended = child.arg(folder).status().expect("a phase");
        assert!(ended.success(), "{phase}");
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// Segments made up from numbers.
struct MadeUp {
    chunks: u64,
}

impl Segments for MadeUp {
    fn there(&self, names: &HashSet<ObjectHash>) -> HashSet<ObjectHash> {
        names.clone()
    }

    fn read(&self, names: &[ObjectHash], each: &mut EachSegment<'_>) -> Result<()> {
        for name in names {
            let number = (0..=segments(self.chunks)).find(|number| segment(*number) == *name);
            let first = number.expect("one of ours") * IN_SEGMENT;
            let packs = self.chunks.div_ceil(IN_PACK).max(first + 1);
            let packs = first..packs.min(first + IN_SEGMENT);
            each(name, Some(packs.map(pack).collect()))?;
        }
        Ok(())
    }
}

fn segments(chunks: u64) -> u64 {
    chunks.div_ceil(IN_PACK * IN_SEGMENT)
}

fn segment(number: u64) -> ObjectHash {
    object_hash(&number.to_le_bytes())
}

fn pack(number: u64) -> IndexedPack {
    let mut directory = 16u32.to_le_bytes().to_vec();
    let mut offset = HEADER_LEN as u32;
    for chunk in number * IN_PACK..(number + 1) * IN_PACK {
        for field in [offset, CHUNK, CHUNK, 0, 1] {
            directory.extend_from_slice(&field.to_le_bytes());
        }
        directory.extend_from_slice(id(chunk).as_bytes());
        directory.extend_from_slice(&CHUNK.to_le_bytes());
        offset += CHUNK + 16;
    }
    IndexedPack {
        name: PackName {
            kind: PackKind::Data,
            hash: ObjectHash::from_bytes(*id(number | 1 << 61).as_bytes()),
        },
        length: offset,
        directory: Directory::decode(&directory).expect("a directory"),
    }
}

/// An id as uniform as a hash, and cheaper.
fn id(number: u64) -> ChunkId {
    let mut bytes = [0; 32];
    for (word, part) in (0..).zip(bytes.chunks_exact_mut(8)) {
        part.copy_from_slice(&mix(number.wrapping_mul(4).wrapping_add(word)).to_le_bytes());
    }
    ChunkId::from_bytes(bytes)
}

/// SplitMix64.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn index(chunks: u64, more: u64, folder: &Path) -> Index {
    let seed = IdentitySeed::from_file_bytes(&[1; 32]);
    let home = Home {
        folder: Some(folder.to_owned()),
        key: Arc::new(LocalStateKey::from_seed(&seed)),
        random: Arc::new(OsRandom),
        upkeep: Upkeep::Kept,
    };
    let named = (0..segments(chunks) + more).map(|number| Named {
        segment: segment(number),
        trust: Trust::Reliable,
    });
    let named: Vec<Named> = named.collect();
    Index::open(home, Arc::new(MadeUp { chunks }), &named).expect("an index")
}

fn build(chunks: u64, folder: &Path) {
    let began = Instant::now();
    let made = index(chunks, 0, folder);
    let bytes = disk(folder);
    println!(
        "build    {:8.1} s  {:6.2} M chunks/s  peak {} MiB  {} MiB on disk, {:.1} bytes a chunk",
        began.elapsed().as_secs_f64(),
        chunks as f64 / began.elapsed().as_secs_f64() / 1e6,
        memory("VmHWM") >> 20,
        bytes >> 20,
        bytes as f64 / made.len() as f64
    );
}

fn open(chunks: u64, folder: &Path) -> Index {
    let began = Instant::now();
    let opened = index(chunks, 0, folder);
    println!(
        "open     {:8.3} s  resident {} MiB, peak {} MiB",
        began.elapsed().as_secs_f64(),
        memory("VmRSS") >> 20,
        memory("VmHWM") >> 20
    );
    opened
}

/// One more segment, as after a backup.
fn grow(chunks: u64, folder: &Path) {
    let began = Instant::now();
    let grown = index(chunks, 1, folder);
    println!(
        "one more segment {:.3} s  {} places  peak {} MiB",
        began.elapsed().as_secs_f64(),
        grown.len(),
        memory("VmHWM") >> 20
    );
}

#[derive(Clone, Copy, PartialEq)]
enum Asking {
    Known,
    Unknown,
}

fn look_up(chunks: u64, folder: &Path, asking: Asking) {
    let index = index(chunks, 0, folder);
    let asked = AtomicU64::new(0);
    let (known, period) = (chunks / IN_PACK * IN_PACK, Duration::from_secs(5));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (index, asked) = (&index, &asked);
            scope.spawn(move || {
                let began = Instant::now();
                let mut number = thread << 40;
                while began.elapsed() < period {
                    for _ in 0..1_000 {
                        number += 1;
                        let wanted = match asking {
                            Asking::Known => mix(number) % known,
                            Asking::Unknown => UNKNOWN + number,
                        };
                        let found = index.reliable_pack(&id(wanted)).expect("an answer");
                        assert_eq!(found.is_some(), asking == Asking::Known);
                    }
                    asked.fetch_add(1_000, Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{}  {:8.2} M look-ups/s on {THREADS} threads  resident {} MiB",
        if asking == Asking::Known {
            "known  "
        } else {
            "unknown"
        },
        asked.into_inner() as f64 / period.as_secs_f64() / 1e6,
        memory("VmRSS") >> 20
    );
}

fn claims(chunks: u64, folder: &Path) {
    let index = index(chunks, 0, folder);
    let before = memory("VmRSS");
    let claims = Claims::new(&index);
    let began = Instant::now();
    let mine = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            // Everybody asks for everything.
            scope.spawn(|| {
                let claimed = (0..CLAIMS).filter(|n| claims.claim(&id(UNKNOWN + n)) == Claim::Mine);
                mine.fetch_add(claimed.count() as u64, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(mine.into_inner(), CLAIMS);
    println!(
        "claims   {:8.2} M/s of {} M new chunks on {THREADS} threads  {} MiB more, peak {} MiB in all",
        (THREADS * CLAIMS) as f64 / began.elapsed().as_secs_f64() / 1e6,
        CLAIMS / 1_000_000,
        memory("VmRSS").saturating_sub(before) >> 20,
        memory("VmHWM") >> 20
    );
}

fn disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder").flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

/// A figure of this process in bytes; 0 where the kernel does not say.
fn memory(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let digits = line
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit);
    digits.collect::<String>().parse::<u64>().unwrap_or(0) * 1_024
}
