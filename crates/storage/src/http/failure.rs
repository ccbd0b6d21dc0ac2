//! Why a request brought no answer that can be used.

use std::time::Duration;

use super::transport::{TransportError, TransportErrorKind};
use crate::error::{StorageError, StorageErrorKind};

/// A request without a usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpFailure {
    /// No connection, or one that broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Nothing moved for as long as anybody should wait.
    #[error("nothing moved for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The answer is longer than anything asked for.
    #[error("an answer of more than {0} bytes")]
    TooLong(u64),
    /// The answer ended before the length it announced.
    #[error("an answer cut short: {got} of {announced} bytes")]
    CutShort {
        /// The length announced.
        announced: u64,
        /// The bytes that came.
        got: u64,
    },
}

impl HttpFailure {
    /// The kind of storage error this is.
    #[must_use]
    pub fn kind(&self) -> StorageErrorKind {
        match self {
            Self::Stalled(_) => StorageErrorKind::Timeout,
            Self::TooLong(_) => StorageErrorKind::TooLarge,
            Self::Transport(error) if error.kind() == TransportErrorKind::Untrusted => {
                StorageErrorKind::Other
            }
            Self::Transport(_) | Self::CutShort { .. } => StorageErrorKind::Unavailable,
        }
    }

    /// Whether the service has certainly seen nothing of the request.
    #[must_use]
    pub fn was_never_sent(&self) -> bool {
        matches!(self, Self::Transport(error) if error.kind() != TransportErrorKind::Broken)
    }

    /// Completes a storage error with this failure as its cause.
    #[must_use]
    pub fn under(self, error: impl FnOnce(StorageErrorKind) -> StorageError) -> StorageError {
        error(self.kind()).caused_by(self)
    }
}
