//! A decorator that fails at a chosen operation, once or for good.
//!
//! "Crash before and after the k-th change, for every k" is the loop this exists for. Changes are
//! creations, extensions of retention, and single deletions: a batch can be cut short in its middle.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Operation, Page, Prefix, Retention, Storage,
    StorageError, StorageErrorKind, VersionId, VersionMark, VersionPage,
};

use crate::random::SeededRandom;

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operations are counted.
    pub step: Step,
    /// The one that fails, counted from 0 since the fault was armed.
    pub at: u64,
    /// Whether it fails instead of happening, or happens and its answer is lost.
    pub moment: Moment,
    /// What its error is.
    pub kind: StorageErrorKind,
    /// What comes after.
    pub aftermath: Aftermath,
}

/// Which operations a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Those that change the storage.
    Change,
    /// Those that do not.
    Read,
    /// All.
    Any,
}

/// When an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It does not happen.
    Before,
    /// It happens, and nobody is told.
    After,
}

/// What comes after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Everything works again.
    Recovers,
    /// Nothing works any more: the program, or the line, is dead.
    Down,
    /// Creations fail as `Full`; reading and deleting work.
    Full,
}

impl Fault {
    /// Dies before or after the k-th change, counted from 0.
    #[must_use]
    pub fn crash(at: u64, moment: Moment) -> Self {
        Self {
            step: Step::Change,
            at,
            moment,
            kind: StorageErrorKind::Unavailable,
            aftermath: Aftermath::Down,
        }
    }

    /// Fails the k-th counted operation once, before it happens.
    #[must_use]
    pub fn once(step: Step, at: u64, kind: StorageErrorKind) -> Self {
        Self {
            step,
            at,
            moment: Moment::Before,
            kind,
            aftermath: Aftermath::Recovers,
        }
    }

    /// Fills up at the k-th change.
    #[must_use]
    pub fn full(at: u64) -> Self {
        Self {
            step: Step::Change,
            at,
            moment: Moment::Before,
            kind: StorageErrorKind::Full,
            aftermath: Aftermath::Full,
        }
    }

    /// A crash somewhere in the first `changes` changes, chosen by a seed.
    #[must_use]
    pub fn seeded(seed: u64, changes: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let moment = if random.one_in(2) {
            Moment::Before
        } else {
            Moment::After
        };
        Self::crash(random.below(changes), moment)
    }
}

/// A storage that passes everything on until its fault comes.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Storage>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    aftermath: Option<Aftermath>,
    changes: u64,
    reads: u64,
}

impl Faulty {
    /// A storage without a fault yet; it counts all the same.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// Plans a fault, forgets the one before and what came of it, and counts from 0 again.
    pub fn arm(&self, fault: Fault) {
        *self.lock() = State {
            fault: Some(fault),
            ..State::default()
        };
    }

    /// Everything works again; counts from 0.
    pub fn disarm(&self) {
        *self.lock() = State::default();
    }

    /// How many changes were asked for since it was armed or made, the failed ones included.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// How many reads were asked for since it was armed or made, the failed ones included.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Whether the fault has come.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.lock().aftermath.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: StorageErrorKind, operation: Operation) -> StorageError {
        StorageError::new(kind, operation, self.inner.location()).saying("a fault of the test")
    }

    /// Counts an operation and runs it, or fails in its place.
    async fn step<T>(
        &self,
        operation: Operation,
        name: Option<&ObjectName>,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let verdict = self.lock().judge(operation);
        let fail = |kind| {
            let error = self.error(kind, operation);
            Err(match name {
                Some(name) => error.of(name),
                None => error,
            })
        };
        match verdict {
            None => work.await,
            Some((Moment::Before, kind)) => fail(kind),
            Some((Moment::After, kind)) => {
                // Its answer is lost, whatever it was.
                let _ = work.await;
                fail(kind)
            }
        }
    }
}

impl State {
    fn judge(&mut self, operation: Operation) -> Option<(Moment, StorageErrorKind)> {
        let is_change = matches!(
            operation,
            Operation::Create | Operation::Delete | Operation::ExtendRetention
        );
        let (changes, reads) = (self.changes, self.reads);
        if is_change {
            self.changes += 1;
        } else {
            self.reads += 1;
        }
        match self.aftermath {
            Some(Aftermath::Down) => {
                return Some((Moment::Before, StorageErrorKind::Unavailable));
            }
            Some(Aftermath::Full) if operation == Operation::Create => {
                return Some((Moment::Before, StorageErrorKind::Full));
            }
            Some(_) => return None,
            None => {}
        }
        let fault = self.fault?;
        let count = match fault.step {
            Step::Change if is_change => changes,
            Step::Read if !is_change => reads,
            Step::Any => changes + reads,
            _ => return None,
        };
        if count != fault.at {
            return None;
        }
        self.aftermath = Some(fault.aftermath);
        Some((fault.moment, fault.kind))
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let work = self.inner.create(name, body);
        self.step(Operation::Create, Some(name), work).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let work = self.inner.get(name);
        self.step(Operation::Get, Some(name), work).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let work = self.inner.get_range(name, range);
        self.step(Operation::GetRange, Some(name), work).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let work = self.inner.list(prefix, after, limit);
        self.step(Operation::List, None, work).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let mut outcomes = Vec::with_capacity(names.len());
        for name in names {
            let work = async {
                let deleted = self.inner.delete(std::slice::from_ref(name)).await;
                Ok(deleted.into_iter().next().map(|(_, outcome)| outcome))
            };
            let outcome = match self.step(Operation::Delete, Some(name), work).await {
                Ok(Some(outcome)) => outcome,
                Ok(None) => DeleteOutcome::Failed(
                    self.error(StorageErrorKind::BrokenContract, Operation::Delete),
                ),
                Err(error) => DeleteOutcome::Failed(error),
            };
            outcomes.push((name.clone(), outcome));
        }
        outcomes
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let work = self.inner.versions(prefix, after, limit);
        self.step(Operation::Versions, None, work).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let work = self.inner.get_version(name, version);
        self.step(Operation::GetVersion, Some(name), work).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        let work = self.inner.retention(name);
        self.step(Operation::Retention, Some(name), work).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        let work = self.inner.extend_retention(name, until);
        self.step(Operation::ExtendRetention, Some(name), work)
            .await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
