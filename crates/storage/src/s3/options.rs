//! What a user says about a bucket besides its place.

use std::fmt;
use std::time::Duration;

use crate::capabilities::{
    Capabilities, CreateIfAbsent, Durability, ReadAfterWrite, RetentionSupport, VersionSupport,
};
use crate::memory::Clock;

/// How firmly a service keeps a locked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Users with a special permission may lift it.
    Governance,
    /// Nobody may, not even the owner of the account.
    Compliance,
}

impl LockMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// How objects are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLock {
    /// How firmly.
    pub mode: LockMode,
    /// How long from their creation; none locks new objects only as the bucket's own rule does.
    pub period: Option<Duration>,
}

/// How to use a bucket.
#[derive(Clone)]
pub struct S3Options {
    /// What the service can do, as far as somebody found out.
    pub capabilities: Capabilities,
    /// The storage class of file data; metadata stays where it is read at once.
    pub storage_class: Option<String>,
    /// How objects are locked, where the bucket can.
    pub lock: ObjectLock,
    /// Where the time comes from that a lock's period begins at.
    pub clock: Clock,
}

impl S3Options {
    /// What holds for every service: nothing is taken for granted that was not tried.
    #[must_use]
    pub fn unprobed(clock: Clock) -> Self {
        Self {
            capabilities: Capabilities {
                create_if_absent: CreateIfAbsent::Checked,
                durable: Durability::Yes,
                read_after_write: ReadAfterWrite::Unknown,
                versions: VersionSupport::None,
                retention: RetentionSupport::None,
            },
            storage_class: None,
            lock: ObjectLock {
                mode: LockMode::Compliance,
                period: None,
            },
            clock,
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("S3Options")
            .field("capabilities", &self.capabilities)
            .field("storage_class", &self.storage_class)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}
