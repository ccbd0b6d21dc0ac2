//! The reference implementation: a map in memory.
//!
//! Promise: the contract in its simplest form, so that a test that passes here and fails elsewhere
//! has found a fault elsewhere. Keeps versions and retention when asked to. Used by tests and by
//! nobody's backups.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::{
    Capabilities, CreateIfAbsent, Durability, ReadAfterWrite, RetentionSupport, VersionSupport,
};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{
    DeleteOutcome, MAX_PAGE, ObjectMeta, Page, Retention, VersionId, VersionMark, VersionMeta,
    VersionPage, VersionState,
};

/// Where a storage in memory takes the time from.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A storage in memory.
pub struct MemoryStorage {
    location: Location,
    history: History,
    clock: Option<Clock>,
    lock: Option<Duration>,
    state: Mutex<State>,
}

/// Whether what was deleted stays readable, and whether it can be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    Forgotten,
    Kept,
}

#[derive(Default)]
struct State {
    /// Per name its versions, oldest first; never empty.
    objects: BTreeMap<ObjectName, Vec<Version>>,
    changes: u64,
}

struct Version {
    id: VersionId,
    modified: SystemTime,
    /// `None` is a deletion.
    body: Option<Bytes>,
    retention: Retention,
}

impl MemoryStorage {
    /// An empty storage that forgets what is deleted.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(History::Forgotten)
    }

    /// An empty storage that keeps every version and can lock objects against deletion.
    #[must_use]
    pub fn with_versions() -> Self {
        Self::with_history(History::Kept)
    }

    /// Takes times from a clock. Without one, the n-th change happens n seconds after 1970, so that
    /// every run of a test is the same.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Locks what is created for a time, where versions are kept.
    #[must_use]
    pub fn with_lock(mut self, period: Duration) -> Self {
        self.lock = Some(period);
        self
    }

    /// Gives the storage a word of its own in messages.
    #[must_use]
    pub fn called(mut self, word: &str) -> Self {
        self.location = Location::memory(word);
        self
    }

    fn with_history(history: History) -> Self {
        Self {
            location: Location::memory("reference"),
            history,
            clock: None,
            lock: None,
            state: Mutex::new(State::default()),
        }
    }

    /// A panic of another test thread leaves the map whole: every change is one call on it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self, state: &State) -> SystemTime {
        match &self.clock {
            Some(clock) => clock(),
            None => SystemTime::UNIX_EPOCH + Duration::from_secs(state.changes),
        }
    }

    fn error(
        &self,
        kind: StorageErrorKind,
        operation: Operation,
        name: &ObjectName,
    ) -> StorageError {
        StorageError::new(kind, operation, &self.location).of(name)
    }

    fn unsupported(&self, operation: Operation) -> StorageError {
        StorageError::new(StorageErrorKind::Unsupported, operation, &self.location)
            .saying("it keeps neither versions nor retention")
    }

    fn read(&self, name: &ObjectName, operation: Operation) -> Result<Bytes, StorageError> {
        self.lock()
            .present(name)
            .and_then(|version| version.body.clone())
            .ok_or_else(|| self.error(StorageErrorKind::NotFound, operation, name))
    }

    fn delete_one(&self, name: &ObjectName) -> DeleteOutcome {
        let mut state = self.lock();
        state.changes += 1;
        let now = self.now(&state);
        let Some(present) = state.present(name) else {
            return DeleteOutcome::Done;
        };
        let kept = match present.retention {
            Retention::None => false,
            Retention::Until(until) => now < until,
            Retention::Held => true,
        };
        if kept {
            return DeleteOutcome::Deferred;
        }
        match self.history {
            History::Forgotten => {
                state.objects.remove(name);
            }
            History::Kept => state.push(name, None, now, Retention::None),
        }
        DeleteOutcome::Done
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemoryStorage")
            .field("location", &self.location)
            .field("history", &self.history)
            .field("names", &self.lock().objects.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let refuse = |kind| Err(self.error(kind, Operation::Create, name));
        if body.len() as u64 > MAX_OBJECT_BYTES {
            return refuse(StorageErrorKind::TooLarge);
        }
        let mut state = self.lock();
        if state.present(name).is_some() {
            return refuse(StorageErrorKind::AlreadyExists);
        }
        // As strict as a folder is, so that nothing passes here and fails there.
        if state.has_relative(name) {
            return refuse(StorageErrorKind::Unsupported);
        }
        state.changes += 1;
        let now = self.now(&state);
        let lock = self.lock.filter(|_| self.history == History::Kept);
        let retention = lock.map_or(Retention::None, |period| Retention::Until(now + period));
        state.push(name, Some(body), now, retention);
        Ok(())
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.read(name, Operation::Get)
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let body = self.read(name, Operation::GetRange)?;
        if range.is_empty() || range.end > body.len() as u64 {
            return Err(self.error(StorageErrorKind::InvalidRange, Operation::GetRange, name));
        }
        // Both ends are at most the length of a body in memory.
        Ok(body.slice(range.start as usize..range.end as usize))
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let state = self.lock();
        let mut objects: Vec<ObjectMeta> = state
            .under(prefix)
            .filter(|(name, _)| after.is_none_or(|after| *name > after))
            .filter_map(|(name, versions)| self.describe(name, versions.last()?))
            .take(limit + 1)
            .collect();
        let more = objects.len() > limit;
        objects.truncate(limit);
        Ok(Page { objects, more })
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        names
            .iter()
            .map(|name| (name.clone(), self.delete_one(name)))
            .collect()
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        if self.history == History::Forgotten {
            return Err(self.unsupported(Operation::Versions));
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let state = self.lock();
        let mut versions: Vec<VersionMeta> = state
            .under(prefix)
            .filter(|(name, _)| after.is_none_or(|after| **name >= after.name))
            .flat_map(|(name, versions)| {
                let passed = after
                    .filter(|after| after.name == *name)
                    .map_or(0, |after| passed_by(versions, after));
                versions
                    .iter()
                    .rev()
                    .skip(passed)
                    .map(|version| version.describe(name))
            })
            .take(limit + 1)
            .collect();
        let more = versions.len() > limit;
        versions.truncate(limit);
        Ok(VersionPage { versions, more })
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        if self.history == History::Forgotten {
            return Err(self.unsupported(Operation::GetVersion).of(name));
        }
        self.lock()
            .objects
            .get(name)
            .and_then(|versions| versions.iter().find(|kept| kept.id == *version))
            .and_then(|kept| kept.body.clone())
            .ok_or_else(|| self.error(StorageErrorKind::NotFound, Operation::GetVersion, name))
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        if self.history == History::Forgotten {
            return Err(self.unsupported(Operation::Retention).of(name));
        }
        self.lock()
            .present(name)
            .map(|version| version.retention)
            .ok_or_else(|| self.error(StorageErrorKind::NotFound, Operation::Retention, name))
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        if self.history == History::Forgotten {
            return Err(self.unsupported(Operation::ExtendRetention).of(name));
        }
        let mut state = self.lock();
        let version = state
            .objects
            .get_mut(name)
            .and_then(|versions| versions.last_mut())
            .filter(|version| version.body.is_some())
            .ok_or_else(|| {
                self.error(StorageErrorKind::NotFound, Operation::ExtendRetention, name)
            })?;
        version.retention = version.retention.max(Retention::Until(until));
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let (versions, retention) = match self.history {
            History::Forgotten => (VersionSupport::None, RetentionSupport::None),
            History::Kept => (VersionSupport::Kept, RetentionSupport::Kept),
        };
        Capabilities {
            create_if_absent: CreateIfAbsent::Atomic,
            durable: Durability::No,
            read_after_write: ReadAfterWrite::Always,
            versions,
            retention,
        }
    }

    fn location(&self) -> &Location {
        &self.location
    }
}

impl MemoryStorage {
    fn describe(&self, name: &ObjectName, version: &Version) -> Option<ObjectMeta> {
        Some(ObjectMeta {
            name: name.clone(),
            size: version.body.as_ref()?.len() as u64,
            modified: Some(version.modified),
            version: (self.history == History::Kept).then(|| version.id.clone()),
        })
    }
}

impl State {
    fn present(&self, name: &ObjectName) -> Option<&Version> {
        let version = self.objects.get(name)?.last()?;
        version.body.is_some().then_some(version)
    }

    fn push(
        &mut self,
        name: &ObjectName,
        body: Option<Bytes>,
        modified: SystemTime,
        retention: Retention,
    ) {
        let version = Version {
            id: VersionId::new(&format!("v{}", self.changes)),
            modified,
            body,
            retention,
        };
        self.objects.entry(name.clone()).or_default().push(version);
    }

    fn under(&self, prefix: &Prefix) -> impl Iterator<Item = (&ObjectName, &Vec<Version>)> {
        let prefix = prefix.clone();
        self.objects
            .range::<str, _>((
                std::ops::Bound::Included(prefix.as_str()),
                std::ops::Bound::Unbounded,
            ))
            .take_while(move |(name, _)| prefix.contains(name))
    }

    /// Whether a stored name is a folder of this one, or this one a folder of a stored name.
    fn has_relative(&self, name: &ObjectName) -> bool {
        let text = name.as_str();
        let above = text
            .match_indices('/')
            .filter_map(|(slash, _)| ObjectName::new(text.get(..slash)?).ok())
            .any(|folder| self.present(&folder).is_some());
        above
            || Prefix::new(format!("{text}/")).is_ok_and(|beneath| {
                self.under(&beneath)
                    .any(|(name, _)| self.present(name).is_some())
            })
    }
}

/// How many versions of a name, newest first, a mark at this name has passed.
fn passed_by(versions: &[Version], after: &VersionMark) -> usize {
    let Some(id) = &after.version else {
        return versions.len();
    };
    let position = versions.iter().rev().position(|version| version.id == *id);
    position.map_or(0, |position| position + 1)
}

impl Version {
    fn describe(&self, name: &ObjectName) -> VersionMeta {
        VersionMeta {
            name: name.clone(),
            version: self.id.clone(),
            modified: self.modified,
            state: match &self.body {
                Some(body) => VersionState::Stored {
                    size: body.len() as u64,
                },
                None => VersionState::Deleted,
            },
        }
    }
}
