//! What can go wrong over SFTP, and how it becomes an error of the contract.
//!
//! Promise: nothing that the server or `ssh` said reaches a message before it is one bounded line of harmless characters.

use std::sync::Arc;

use super::channel::Ended;
use super::packet::{Nonsense, status};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::location::Location;

/// The most characters of a server's words that are repeated.
const MAX_WORDS: usize = 300;

/// A failure below the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is at the path.
    Absent,
    /// The server refuses this user.
    Denied(Arc<str>),
    /// The server cannot do that.
    Unsupported(Arc<str>),
    /// The server failed and says no more than these words.
    Failed(Arc<str>),
    /// The folder of the storage is missing, or no folder.
    RootGone,
    /// Something already has the name.
    Taken,
    /// A name above or beneath the wanted one is an object, or the name is a folder.
    Nested,
    /// A link, a pipe, a device: something that no creation left there.
    NotAnObject,
    /// The object is larger than any object may be.
    TooLarge,
    /// The object does not hold the range.
    InvalidRange,
    /// The object changed its length while it was read.
    LengthChanged,
    /// There is no room for the object.
    Full,
    /// The connection ended; `ssh` has not been asked yet why.
    Ended(Ended),
    /// There is no connection; with the last words of `ssh`.
    Unreachable(Arc<str>),
    /// `ssh` may not log in, or does not trust the host.
    Refused(Arc<str>),
    /// Nothing moved for too long.
    Stalled,
    /// `ssh` cannot be started.
    NoSsh(Arc<str>),
    /// The system has no randomness to give.
    NoRandomness,
    /// The runtime was shut down under us.
    Stopped,
}

impl From<Ended> for Fault {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Nonsense> for Fault {
    fn from(nonsense: Nonsense) -> Self {
        Self::Ended(Ended::Nonsense(nonsense))
    }
}

impl Fault {
    /// What a status other than success means.
    pub(super) fn of_status(code: u32, words: &[u8]) -> Self {
        match code {
            status::NO_SUCH_FILE => Self::Absent,
            status::PERMISSION_DENIED => Self::Denied(plain(words)),
            status::UNSUPPORTED => Self::Unsupported(plain(words)),
            _ => Self::Failed(plain(words)),
        }
    }

    /// What the end of a connection means, by what `ssh` said last.
    pub(super) fn of_end(ended: Ended, words: Arc<str>) -> Self {
        /// OpenSSH's own sentences, which other clients repeat; they pass with no amount of waiting.
        const REFUSALS: [&str; 5] = [
            "Permission denied",
            "Host key verification failed",
            "Too many authentication failures",
            "No supported authentication methods",
            "subsystem request failed",
        ];
        match ended {
            Ended::Stalled => Self::Stalled,
            Ended::Nonsense(_) => Self::Ended(ended),
            _ if REFUSALS.iter().any(|refusal| words.contains(refusal)) => Self::Refused(words),
            _ => Self::Unreachable(words),
        }
    }

    /// The fault as an error of the contract.
    pub(super) fn explain(self, operation: Operation, location: &Location) -> StorageError {
        let error = StorageError::new(self.kind(), operation, location);
        match self.detail() {
            Some(detail) => error.saying(detail),
            None => error,
        }
    }

    fn kind(&self) -> StorageErrorKind {
        match self {
            Self::Absent => StorageErrorKind::NotFound,
            Self::Denied(_) | Self::Refused(_) => StorageErrorKind::PermissionDenied,
            Self::Unsupported(_) | Self::Nested => StorageErrorKind::Unsupported,
            Self::RootGone => StorageErrorKind::NoSuchRepositoryFolder,
            Self::Taken => StorageErrorKind::AlreadyExists,
            Self::TooLarge => StorageErrorKind::TooLarge,
            Self::InvalidRange => StorageErrorKind::InvalidRange,
            Self::Full => StorageErrorKind::Full,
            Self::NotAnObject | Self::LengthChanged | Self::Ended(Ended::Nonsense(_)) => {
                StorageErrorKind::BrokenContract
            }
            Self::Unreachable(_) | Self::Ended(Ended::Lost | Ended::Closed) => {
                StorageErrorKind::Unavailable
            }
            Self::Stalled | Self::Ended(Ended::Stalled) => StorageErrorKind::Timeout,
            Self::Failed(_) | Self::NoSsh(_) | Self::NoRandomness | Self::Stopped => {
                StorageErrorKind::Other
            }
        }
    }

    fn detail(self) -> Option<Arc<str>> {
        match self {
            Self::Denied(words) | Self::Unsupported(words) | Self::Failed(words) => {
                Some(format!("the server says: {words}").into())
            }
            Self::Unreachable(words) if words.is_empty() => Some("the connection broke".into()),
            Self::Unreachable(words) | Self::Refused(words) => {
                Some(format!("ssh says: {words}").into())
            }
            Self::NoSsh(words) => Some(format!("cannot start ssh: {words}").into()),
            Self::Nested => Some("a name cannot be an object and a folder at once".into()),
            Self::NotAnObject => Some("a link, a pipe or a device stands at this name".into()),
            Self::LengthChanged => Some("the file changed its length meanwhile".into()),
            Self::Ended(Ended::Nonsense(nonsense)) => Some(nonsense.to_string().into()),
            Self::NoRandomness => Some("the system gives no random bytes".into()),
            Self::Stopped => Some("the program is stopping".into()),
            _ => None,
        }
    }
}

/// Foreign words as one bounded line without control characters.
pub(super) fn plain(words: &[u8]) -> Arc<str> {
    let words = String::from_utf8_lossy(words);
    let words = words
        .split(char::is_whitespace)
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let harmless = |c: char| {
        // What reorders a line on a terminal is no control character to Rust.
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || reorders { '?' } else { c }
    };
    line.chars()
        .take(MAX_WORDS)
        .map(harmless)
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_become_one_bounded_harmless_line() {
        assert_eq!(&*plain(b"no\r\n\x1b[31mway\0 "), "no ?[31mway?");
        assert_eq!(&*plain("a\u{202e}b".as_bytes()), "a?b");
        assert_eq!(&*plain(b"\xff"), "\u{fffd}");
        assert_eq!(plain(&[b'x'; 10_000]).len(), MAX_WORDS);
    }

    #[test]
    fn what_ssh_says_tells_whether_waiting_helps() {
        let kind = |words: &str| Fault::of_end(Ended::Lost, words.into()).kind();
        for words in [
            "me@nas: Permission denied (publickey).",
            "Host key verification failed.",
            "subsystem request failed on channel 0",
        ] {
            assert_eq!(kind(words), StorageErrorKind::PermissionDenied, "{words}");
        }
        for words in ["ssh: connect to host nas port 22: Connection refused", ""] {
            assert_eq!(kind(words), StorageErrorKind::Unavailable, "{words}");
        }
    }
}
