//! What can go wrong with one entry of a target.

use std::error::Error;
use std::io;

use rustix::io::Errno;

use crate::format::time::Timestamp;
use crate::source::SourceError;

/// Why an entry could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Something exists there that the overwrite policy keeps.
    #[error("something else is there, and the overwrite policy keeps it")]
    InTheWay,
    /// A folder with contents stands where something else belongs.
    #[error("a folder that is not empty is in the way; remove it or restore elsewhere")]
    FolderInTheWay,
    /// The target ignores case, and has another entry under this name.
    #[error(
        "its name differs only in case from that of another entry beside it, and the file system there takes both for one; restore it elsewhere"
    )]
    Alike,
    /// Somebody else changed the target during the restore.
    #[error("it was replaced by somebody else during the restore")]
    Replaced,
    /// Making it needs privileges this process does not have; counted in the shortfalls.
    #[error("making it needs root")]
    NeedsRoot,
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

impl TargetError {
    pub(crate) fn new(doing: &'static str, errno: Errno) -> Self {
        Self::Refused {
            doing,
            source: errno.into(),
        }
    }

    /// Whether the target is full: going on with other files will fail as well.
    pub fn is_full(&self) -> bool {
        let Self::Refused { source, .. } = self else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    /// The error and its causes in one line, for a `Problem`.
    pub fn message(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

impl From<SourceError> for TargetError {
    /// Looking at the target uses the handles that read sources.
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Replaced => Self::Replaced,
            SourceError::Vanished => Self::new("find it any more", Errno::NOENT),
            SourceError::Refused { doing, source } => Self::Refused { doing, source },
        }
    }
}

/// Metadata that could not be restored although the entry was.
#[derive(Debug, thiserror::Error)]
pub enum MetadataProblem {
    /// Its owner or group.
    #[error("its owner could not be restored: {0}")]
    Owner(#[source] io::Error),
    /// Its permission bits.
    #[error("its mode {mode:o} could not be restored: {source}")]
    Mode {
        /// The wanted bits.
        mode: u32,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// One extended attribute.
    #[error("its attribute {name:?} could not be restored: {source}")]
    Xattr {
        /// The attribute.
        name: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Its attributes could not be compared with what is there.
    #[error("the attributes it has already could not be listed: {0}")]
    ListXattrs(#[source] io::Error),
    /// Its time of change.
    #[error("its time could not be restored: {0}")]
    Time(#[source] io::Error),
    /// The file system stores only a part of all times.
    #[error("this file system cannot keep its time ({} s since 1970; it kept {} s)", wanted.seconds, kept.seconds)]
    TimeRange {
        /// What was recorded.
        wanted: Timestamp,
        /// What the file system made of it.
        kept: Timestamp,
    },
    /// Its inode flags.
    #[error("its flags {flags:#x} could not be restored: {source}")]
    Flags {
        /// The wanted flags.
        flags: u32,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
}
