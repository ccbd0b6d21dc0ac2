//! The library's one voice: progress, problems and cancellation.

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
