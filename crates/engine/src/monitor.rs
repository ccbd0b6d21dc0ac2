//! The library's one voice: progress, problems and cancellation.

use std::time::Duration;

pub use crate::problem::Problem;
use crate::source::Rule;

/// Hears what a verb does. The program shows it; tests record it.
pub trait Monitor: Send + Sync {
    /// Adds `by` to one of the figures.
    fn count(&self, _figure: Figure, _by: u64) {}
    /// Something that could not be done to one file while the rest went on. Never lost.
    fn problem(&self, problem: &Problem);
    /// Something the user should know that is not about one file.
    fn note(&self, _text: &str) {}
    /// A rule left something out of a backup.
    fn excluded(&self, _path: &std::path::Path, _rule: &Rule) {}
    /// What the verb works on now, for a progress line.
    fn at(&self, _path: &std::path::Path) {}
    /// Whether the user asked to stop; long loops ask between steps.
    fn cancelled(&self) -> bool {
        false
    }
    /// Time since a moment that stays the same; always zero where nobody measures.
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    /// A thread has spent this time at a stage, on so many bytes.
    fn spent(&self, _stage: Stage, _time: Duration, _bytes: u64) {}
}

/// What a thread is at. The time of a stage is that of all threads together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Looking at entries of the sources, and comparing them with the last backup's.
    Walk,
    /// Opening files, their metadata and contents.
    Read,
    /// Finding the boundaries of chunks.
    Cut,
    /// Naming chunks.
    Name,
    /// Compressing frames.
    Compress,
    /// Waiting until packs under way make room.
    Room,
    /// Sealing packs.
    Seal,
    /// Encoding folders, and what is remembered of them.
    Trees,
    /// Fetching packs.
    Fetch,
    /// Opening and decompressing frames, and naming their chunks again.
    Open,
    /// Writing files and their metadata.
    Write,
}

/// Does `work` and tells how long it took.
pub(crate) fn timed<T>(
    monitor: &dyn Monitor,
    stage: Stage,
    bytes: usize,
    work: impl FnOnce() -> T,
) -> T {
    let began = monitor.elapsed();
    let done = work();
    let time = monitor.elapsed().saturating_sub(began);
    monitor.spent(stage, time, bytes as u64);
    done
}

/// What [`Monitor::count`] counts; bytes unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Files found by the walk (a number).
    FilesFound,
    /// Sizes of the files found.
    BytesFound,
    /// Files done: read, or known to be unchanged (a number).
    FilesDone,
    /// Their sizes.
    BytesDone,
    /// Bytes read from files.
    BytesRead,
    /// Plaintext of chunks that were not in the repository.
    BytesNew,
    /// Bytes handed to the storage and acknowledged.
    BytesUploaded,
    /// Bytes fetched from the storage.
    BytesFetched,
    /// Files restored (a number).
    FilesRestored,
    /// Bytes written to restored files.
    BytesRestored,
    /// Objects checked (a number).
    ObjectsChecked,
}

/// Ignores everything: for callers with nobody to tell. Problems still count in reports.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Monitor for Silent {
    fn problem(&self, _problem: &Problem) {}
}
