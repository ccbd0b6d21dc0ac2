//! What can go wrong with one entry of a source.
//!
//! Each of these concerns one path; the caller turns it into a `Problem` and goes on.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// Why an entry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It was listed and is gone: nothing to report, somebody deleted it.
    #[error("it no longer exists")]
    Vanished,
    /// Between `statx` and `open` another inode took its name.
    #[error("it was replaced by something else while the backup looked at it")]
    Replaced,
    /// The operating system refused.
    #[error("cannot {doing}")]
    Refused {
        /// What was tried, to follow "cannot".
        doing: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
}

impl SourceError {
    /// Sorts an error number: a missing entry vanished, all else was refused.
    pub(crate) fn new(doing: &'static str, errno: Errno) -> Self {
        if errno == Errno::NOENT {
            Self::Vanished
        } else {
            Self::Refused {
                doing,
                source: errno.into(),
            }
        }
    }

    /// The error and its causes in one line, for a `Problem`.
    pub fn message(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
