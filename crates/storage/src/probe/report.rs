//! What a probe has found, for people and for the record.

use std::time::Duration;

use crate::capabilities::{CreateIfAbsent, RetentionSupport, VersionSupport};
use crate::error::StorageError;
use crate::name::ObjectName;

/// Everything found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was tried, in the order in which it was.
    pub rows: Vec<Row>,
    /// What could not be deleted again.
    pub left_behind: Vec<ObjectName>,
    pub(super) facts: Facts,
    pub(super) refusal: Option<StorageError>,
}

impl Report {
    /// What to record about the storage, if it can be used at all.
    ///
    /// # Errors
    /// `BrokenContract` where it gave an answer after which nothing it says can be relied on.
    pub fn facts(&self) -> Result<Facts, StorageError> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(self.facts),
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about, in a word or two.
    pub what: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What it means for the user, in one sentence without a period.
    pub meaning: String,
}

/// How one thing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, with something to know.
    Limited,
    /// The storage does not have it and need not.
    Absent,
    /// It could not be found out.
    Unknown,
    /// A storage that does this cannot be used.
    Unusable,
}

/// What is worth recording of a storage: how it may be used from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether racing creators were told apart.
    pub create_if_absent: CreateIfAbsent,
    /// Whether every read and listing saw all that ended before it. Without that, nothing may be
    /// pruned at once.
    pub fresh_reads: bool,
    /// Whether nobody saw an object before it was stored as a whole; only where it was tried.
    pub whole_objects: bool,
    /// Whether what was created could be deleted again.
    pub deletes: bool,
    /// Whether deleted objects can be read again.
    pub versions: VersionSupport,
    /// Whether objects can be locked for a time.
    pub retention: RetentionSupport,
    /// By how many seconds its clock is ahead of ours, where it tells the time of objects.
    pub clock_ahead_seconds: Option<i64>,
    /// How long a small read takes: the median of some.
    pub round_trip: Duration,
    /// Bytes a second to the storage, roughly; `None` where it was not tried.
    pub upload_rate: Option<u64>,
    /// Bytes a second from the storage, roughly.
    pub download_rate: Option<u64>,
}

impl Facts {
    /// What is assumed before anything is known.
    pub(super) fn nothing_known() -> Self {
        Self {
            create_if_absent: CreateIfAbsent::Checked,
            fresh_reads: false,
            whole_objects: false,
            deletes: false,
            versions: VersionSupport::None,
            retention: RetentionSupport::None,
            clock_ahead_seconds: None,
            round_trip: Duration::ZERO,
            upload_rate: None,
            download_rate: None,
        }
    }
}
