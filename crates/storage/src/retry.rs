//! Tries again what may well succeed a little later, and says that it waits.
//!
//! Promise: nothing but failures that pass is tried again ([`StorageErrorKind::is_transient`]), for
//! a time and not for a number of tries, because an outage is measured in minutes; the pauses grow,
//! are random, so that many clients do not come back at the same moment, and never shorter than the
//! storage asks for. A refusal, a full disk or an absent object is an answer, and an answer that
//! the contract rules out is evidence: asking again until a nicer one comes would hide a liar. A
//! body that was cut short is no lie but a broken line, and services report it as such.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::contract::Storage;
use crate::error::{StorageError, StorageErrorKind};
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Page, Retention, VersionId, VersionMark, VersionPage};
use crate::stopwatch::Stopwatch;

/// For how long to try again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long an operation is tried again, counted from its first failure: what takes an hour to
    /// upload and then fails was no outage of an hour.
    pub patience: Duration,
    /// The longest first pause; the bound doubles with every further one.
    pub first_pause: Duration,
    /// The bound at which it stops to double.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// A quarter of an hour, in pauses from half a second to half a minute: a router restarts in
    /// two minutes, and half a minute is soon enough after a longer outage.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(15 * 60),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// What an operation that waits for its storage has to tell.
#[derive(Debug, Clone)]
pub enum Waiting {
    /// It failed in passing and will be tried again.
    Paused {
        /// How it failed.
        error: StorageError,
        /// How long until it is tried again.
        pause: Duration,
        /// How long ago it failed first.
        since: Duration,
    },
    /// It was answered at last.
    Resumed {
        /// How long after it failed first.
        after: Duration,
    },
}

/// Who hears of waiting; called from the tasks that wait, and must not block.
pub type WaitListener = Arc<dyn Fn(&Waiting) + Send + Sync>;

/// A storage whose passing failures are tried again.
pub struct Retry {
    inner: Arc<dyn Storage>,
    policy: RetryPolicy,
    listener: WaitListener,
}

impl Retry {
    /// Wraps a storage.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, policy: RetryPolicy, listener: WaitListener) -> Self {
        Self {
            inner,
            policy,
            listener,
        }
    }

    async fn retried<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let mut patience = Patience::new(self);
        loop {
            match attempt().await {
                Err(error) if error.kind().is_transient() => {
                    if let Err(GaveUp { after }) = patience.pause(&error).await {
                        return Err(error.after_trying_for(after));
                    }
                }
                answer => {
                    patience.end();
                    return answer;
                }
            }
        }
    }

    /// Whether what is stored under the name is what an earlier try of ours was about to store.
    async fn check_own(
        &self,
        name: &ObjectName,
        body: &Bytes,
        taken: StorageError,
    ) -> Result<(), StorageError> {
        // An absent object is passed on as such: whoever had it created is not told that it exists.
        if self.get(name).await? == *body {
            return Ok(());
        }
        Err(taken)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// How one operation waits.
struct Patience<'r> {
    retry: &'r Retry,
    failing: Option<Stopwatch>,
    pauses: u32,
}

/// The time is over.
struct GaveUp {
    after: Duration,
}

impl<'r> Patience<'r> {
    fn new(retry: &'r Retry) -> Self {
        Self {
            retry,
            failing: None,
            pauses: 0,
        }
    }

    /// Waits before the next try, if there is to be one.
    async fn pause(&mut self, error: &StorageError) -> Result<(), GaveUp> {
        let since = self.failing.get_or_insert_with(Stopwatch::start).elapsed();
        let left = self.retry.policy.patience.saturating_sub(since);
        if left.is_zero() {
            return Err(GaveUp { after: since });
        }
        let pause = self.next_pause(error.wait()).min(left);
        (self.retry.listener)(&Waiting::Paused {
            error: error.clone(),
            pause,
            since,
        });
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Anything up to a bound that doubles, after what the storage asked for.
    fn next_pause(&mut self, asked: Option<Duration>) -> Duration {
        let policy = &self.retry.policy;
        let doubled = 2_u32.saturating_pow(self.pauses);
        let bound = policy.first_pause.saturating_mul(doubled);
        self.pauses = self.pauses.saturating_add(1);
        let random = bound.min(policy.longest_pause).mul_f64(random_share());
        asked.unwrap_or_default().saturating_add(random)
    }

    fn end(self) {
        if let Some(failing) = self.failing {
            let after = failing.elapsed();
            (self.retry.listener)(&Waiting::Resumed { after });
        }
    }
}

/// A number from 0 to 1. The keys of a hasher come from the system's randomness, which is more than
/// enough to keep clients apart; nothing secret hangs on it.
fn random_share() -> f64 {
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

fn passing_failure((_, outcome): &(ObjectName, DeleteOutcome)) -> Option<&StorageError> {
    match outcome {
        DeleteOutcome::Failed(error) if error.kind().is_transient() => Some(error),
        _ => None,
    }
}

fn worn_out(
    (name, outcome): (ObjectName, DeleteOutcome),
    after: Duration,
) -> (ObjectName, DeleteOutcome) {
    let outcome = match outcome {
        DeleteOutcome::Failed(error) if error.kind().is_transient() => {
            DeleteOutcome::Failed(error.after_trying_for(after))
        }
        answered => answered,
    };
    (name, outcome)
}

#[async_trait]
impl Storage for Retry {
    /// A try whose answer was lost may have stored the object, so that a later one finds the name
    /// taken: by us, if the bytes are ours.
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let mut tries = 0_u64;
        let created = self
            .retried(|| {
                tries += 1;
                self.inner.create(name, body.clone())
            })
            .await;
        match created {
            Err(error) if error.kind() == StorageErrorKind::AlreadyExists && tries > 1 => {
                self.check_own(name, &body, error).await
            }
            answer => answer,
        }
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.retried(|| self.inner.get(name)).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.retried(|| self.inner.get_range(name, range.clone()))
            .await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        self.retried(|| self.inner.list(prefix, after, limit)).await
    }

    /// Of a batch only those names are tried again that failed in passing.
    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let mut outcomes = self.inner.delete(names).await;
        let mut patience = Patience::new(self);
        while let Some(error) = outcomes.iter().find_map(passing_failure) {
            if let Err(GaveUp { after }) = patience.pause(error).await {
                return outcomes
                    .into_iter()
                    .map(|one| worn_out(one, after))
                    .collect();
            }
            let failed = || {
                let all = outcomes.iter().enumerate();
                all.filter(|(_, outcome)| passing_failure(outcome).is_some())
            };
            let batch: Vec<ObjectName> = failed().map(|(_, (name, _))| name.clone()).collect();
            let places: Vec<usize> = failed().map(|(place, _)| place).collect();
            let answers = self.inner.delete(&batch).await;
            for (place, answer) in places.into_iter().zip(answers) {
                if let Some(outcome) = outcomes.get_mut(place) {
                    *outcome = answer;
                }
            }
        }
        patience.end();
        outcomes
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.retried(|| self.inner.versions(prefix, after, limit))
            .await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.retried(|| self.inner.get_version(name, version)).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.retried(|| self.inner.retention(name)).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.retried(|| self.inner.extend_retention(name, until))
            .await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.inner.location()
    }
}
