//! Proof that a backup can be restored: some of its files are read back from the storage and
//! compared with the source, byte by byte.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ownkey_engine::Error;
use ownkey_engine::dump::FileReader;
use ownkey_engine::format::node::{Node, NodeKind};
use ownkey_engine::list::{self, Descend};
use ownkey_engine::repository::Snapshot;
use ownkey_engine::tree::Browser;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::relay;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};

/// What was read back and found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadBack {
    /// Files.
    pub(crate) files: u64,
    /// Their sizes.
    pub(crate) bytes: u64,
}

/// Files in a sample: enough that a systematic fault shows, few enough that nobody waits.
const FILES: usize = 20;

/// A larger sample is cut short; its first file is read whatever its size.
const BYTES: u64 = 256 << 20;

/// A file in a snapshot, as it was when it was backed up.
struct Chosen {
    path: PathBuf,
    node: Node,
    size: u64,
}

/// Reads a random sample of `snapshot` back.
pub(crate) fn sample(
    cx: &Context,
    session: &Session,
    snapshot: &Snapshot,
) -> Result<ReadBack, Failure> {
    let browser = Browser::new(&session.repository)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Restore);
    let chosen = choose(session, &browser, snapshot, &monitor)?;
    let mut read = ReadBack { files: 0, bytes: 0 };
    for file in &chosen {
        cx.interrupt.check()?;
        if read.files > 0 && read.bytes + file.size > BYTES {
            continue;
        }
        let stored = FileReader::new(&browser, &file.node)?;
        match compare(file, stored) {
            Ok(Compared::Equal) => {
                read.files += 1;
                read.bytes += file.size;
            }
            Ok(Compared::SourceChanged) => {}
            Ok(Compared::Different) => return Err(differs(&file.path)),
            Err(error) => {
                let message = format!("cannot compare {} with its backup", file.path.display());
                return Err(relay::from_io(error, &message));
            }
        }
    }
    Ok(read)
}

/// A uniform sample of the files that have content (Vitter's algorithm R).
fn choose(
    session: &Session,
    browser: &Browser,
    snapshot: &Snapshot,
    monitor: &Progress,
) -> Result<Vec<Chosen>, Failure> {
    let random = &session.room.environment.random;
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut seen = 0u64;
    list::each(browser, snapshot, None, monitor, |path, node| {
        let Some(file) = candidate(path, node) else {
            return Ok(Descend::Into);
        };
        seen += 1;
        if chosen.len() < FILES {
            chosen.push(file);
            return Ok(Descend::Into);
        }
        let mut bytes = [0; 8];
        random.fill(&mut bytes).map_err(Error::from)?;
        let place = usize::try_from(u64::from_le_bytes(bytes) % seen).unwrap_or(usize::MAX);
        if let Some(place) = chosen.get_mut(place) {
            *place = file;
        }
        Ok(Descend::Into)
    })?;
    Ok(chosen)
}

fn candidate(path: &Path, node: &Node) -> Option<Chosen> {
    match &node.kind {
        NodeKind::File { size, .. } if *size > 0 => Some(Chosen {
            path: path.to_owned(),
            node: node.clone(),
            size: *size,
        }),
        _ => None,
    }
}

enum Compared {
    Equal,
    Different,
    /// Nothing can be said: the source is not what was backed up any more.
    SourceChanged,
}

fn compare(file: &Chosen, stored: impl Read) -> io::Result<Compared> {
    let then = file.node.metadata.mtime;
    let unchanged = || -> io::Result<bool> {
        let now = fs::symlink_metadata(&file.path)?;
        let mtime = (
            now.mtime(),
            u32::try_from(now.mtime_nsec()).unwrap_or_default(),
        );
        Ok(now.is_file() && now.len() == file.size && mtime == (then.seconds, then.nanoseconds))
    };
    if !unchanged().unwrap_or(false) {
        return Ok(Compared::SourceChanged);
    }
    let equal = same_bytes(File::open(&file.path)?, stored)?;
    Ok(match (equal, unchanged().unwrap_or(false)) {
        (true, _) => Compared::Equal,
        (false, true) => Compared::Different,
        (false, false) => Compared::SourceChanged,
    })
}

fn same_bytes(mut left: impl Read, mut right: impl Read) -> io::Result<bool> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        ours.clear();
        theirs.clear();
        left.by_ref().take(1 << 16).read_to_end(&mut ours)?;
        right.by_ref().take(1 << 16).read_to_end(&mut theirs)?;
        if ours != theirs {
            return Ok(false);
        }
        if ours.is_empty() {
            return Ok(true);
        }
    }
}

fn differs(path: &Path) -> Failure {
    Failure::new(
        Class::Damage,
        format!(
            "{} came back from the storage other than it is on this disk",
            path.display()
        ),
    )
    .hint("do not rely on this repository: check the storage's disk and this machine's memory")
    .hint("ownkey check --read-data tells whether more is wrong")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_byte_is_a_difference_and_so_is_a_missing_one() {
        let whole = vec![7u8; 200_000];
        let mut wrong = whole.clone();
        wrong[150_000] = 8;
        assert!(same_bytes(&whole[..], &whole[..]).expect("memory"));
        assert!(!same_bytes(&whole[..], &wrong[..]).expect("memory"));
        assert!(!same_bytes(&whole[..], &whole[..199_999]).expect("memory"));
    }
}
