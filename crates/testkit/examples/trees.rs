//! Makes the large trees of `benches/scale/run`, and compares them; needs nothing but the standard
//! library, so that millions of files take seconds.
//!
//! ```text
//! trees files  FOLDER COUNT           tiny files, 200 in a folder, 250 folders in a folder
//! trees folder FOLDER COUNT           tiny files in one folder
//! trees wide   FOLDER COUNT           COUNT folders of one file
//! trees links  FOLDER COUNT INODES    COUNT names of INODES files
//! trees sparse FILE SIZE EXTENTS LENGTH   runs of LENGTH bytes, spread evenly over SIZE
//! trees same   FOLDER FOLDER          ends with 1 and says where if they differ
//! ```
//! Two trees are the same if names, kinds, modes, owners, sizes, times of files and folders, contents,
//! and the names that share a file are the same. The content of a file follows from its number.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const FILES_IN_A_FOLDER: u64 = 200;
const FOLDERS_IN_A_FOLDER: u64 = 250;
/// What is made is old enough to be believed unchanged at once.
const MADE: Duration = Duration::from_secs(1_700_000_000);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(io::Error::other);
    let done = match words.as_slice() {
        ["files", root, count] => number(count).and_then(|count| files(Path::new(root), count)),
        ["folder", root, count] => {
            number(count).and_then(|count| folder(Path::new(root), 0..count))
        }
        ["wide", root, count] => number(count).and_then(|count| wide(Path::new(root), count)),
        ["links", root, count, inodes] => {
            number(count).and_then(|count| links(Path::new(root), count, number(inodes)?))
        }
        ["sparse", path, size, extents, length] => number(size)
            .and_then(|size| sparse(Path::new(path), size, number(extents)?, number(length)?)),
        ["same", one, other] => same(Path::new(one), Path::new(other)),
        _ => Err(io::Error::other("see the top of trees.rs for its commands")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trees: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Numbers that look random and follow from `seed` (SplitMix64).
fn scatter(seed: u64) -> u64 {
    let z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x1234_5678_9abc_def1);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 20 to 59 bytes that no other file has.
fn write_tiny(path: &Path, number: u64) -> io::Result<()> {
    let text = format!(
        "{number:08x} {:016x} {:016x} {:016x}",
        scatter(number),
        scatter(!number),
        number
    );
    let length = 20 + usize::try_from(scatter(number) % 40).unwrap_or(0);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes().get(..length).unwrap_or(text.as_bytes()))
}

/// Splits `count` units of work over the cores.
fn side_by_side(count: u64, work: impl Fn(u64) -> io::Result<()> + Sync) -> io::Result<()> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let run = || {
            loop {
                let unit = next.fetch_add(1, Ordering::Relaxed);
                if unit >= count {
                    return Ok(());
                }
                work(unit)?;
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread died")))
        })
    })
}

fn files(root: &Path, count: u64) -> io::Result<()> {
    let folders = count.div_ceil(FILES_IN_A_FOLDER);
    for above in 0..folders.div_ceil(FOLDERS_IN_A_FOLDER) {
        fs::create_dir_all(root.join(format!("{above:04}")))?;
    }
    side_by_side(folders, |nth| {
        let above = root.join(format!("{:04}", nth / FOLDERS_IN_A_FOLDER));
        let first = nth * FILES_IN_A_FOLDER;
        let numbers = first..count.min(first + FILES_IN_A_FOLDER);
        folder(
            &above.join(format!("folder-{:03}", nth % FOLDERS_IN_A_FOLDER)),
            numbers,
        )
    })
}

fn folder(root: &Path, numbers: std::ops::Range<u64>) -> io::Result<()> {
    fs::create_dir_all(root)?;
    numbers.into_iter().try_for_each(|number| {
        write_tiny(
            &root.join(format!(
                "file-{:08x}.txt",
                ((scatter(number) >> 32) << 32) | number
            )),
            number,
        )
    })
}

fn wide(root: &Path, count: u64) -> io::Result<()> {
    fs::create_dir_all(root)?;
    side_by_side(count, |number| {
        let folder = root.join(format!("folder-{number:06}"));
        fs::create_dir(&folder)?;
        write_tiny(&folder.join("file"), number)
    })
}

fn links(root: &Path, count: u64, inodes: u64) -> io::Result<()> {
    for number in 0..inodes {
        let first = root.join(format!("{number:06}"));
        fs::create_dir_all(&first)?;
        write_tiny(&first.join("0"), number)?;
    }
    // Names of one file lie in all folders, so that none is complete before the end.
    side_by_side(inodes, |nth| {
        for way in 1..count / inodes {
            let of = (nth + way) % inodes;
            let from = root.join(format!("{of:06}/0"));
            fs::hard_link(from, root.join(format!("{nth:06}/{way}")))?;
        }
        Ok(())
    })
}

fn sparse(path: &Path, size: u64, extents: u64, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_len(size)?;
    let apart = (size / extents.max(1)) & !4095;
    let mut run = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    for nth in 0..extents {
        for (word, bytes) in (0u64..).zip(run.chunks_mut(8)) {
            let number = scatter((nth << 32) | word).to_le_bytes();
            bytes.copy_from_slice(number.get(..bytes.len()).unwrap_or(&number));
        }
        file.write_all_at(&run, nth * apart)?;
    }
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + MADE))?;
    file.sync_all()
}

/// What is compared of one name.
#[derive(PartialEq, Eq)]
struct Facts {
    kind: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    content: Vec<u8>,
}

fn facts(path: &Path) -> io::Result<(Facts, fs::Metadata)> {
    let metadata = fs::symlink_metadata(path)?;
    let content = if metadata.is_file() {
        fs::read(path)?
    } else {
        Vec::new()
    };
    let facts = Facts {
        kind: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        content,
    };
    Ok((facts, metadata))
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name());
    }
    names.sort_unstable();
    Ok(names)
}

fn same(one: &Path, other: &Path) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    let mut inodes: HashMap<u64, u64> = HashMap::new();
    let mut compared = 0u64;
    while let Some(folder) = folders.pop() {
        let (ours, theirs) = (names(&one.join(&folder))?, names(&other.join(&folder))?);
        if ours != theirs {
            return Err(io::Error::other(format!(
                "{} has other names",
                folder.display()
            )));
        }
        for name in ours {
            let path = folder.join(name);
            let (ours, theirs) = (facts(&one.join(&path))?, facts(&other.join(&path))?);
            let linked = *inodes.entry(ours.1.ino()).or_insert(theirs.1.ino());
            let links = ours.1.nlink() == 1 && theirs.1.nlink() == 1 || linked == theirs.1.ino();
            if ours.0 != theirs.0 || !(ours.1.is_dir() || links) {
                return Err(io::Error::other(format!("{} differs", path.display())));
            }
            if ours.1.nlink() == 1 {
                inodes.remove(&ours.1.ino());
            }
            compared += 1;
            if ours.1.is_dir() {
                folders.push(path);
            }
        }
    }
    println!("{compared}");
    File::open(other).map(drop)
}
