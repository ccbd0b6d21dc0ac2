//! Where the synchronous engine and the asynchronous storage meet.
//!
//! The only file of the engine that names tokio. Nothing leaves the machine except as
//! [`Outgoing`].

use std::collections::HashMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_crypto::Sealed;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectMeta, ObjectName, Operation, Prefix, Retention,
    Storage, StorageError, StorageErrorKind,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::environment::{Environment, Stop};
use crate::lock::lock;

/// Everything that may leave this machine.
pub(crate) enum Outgoing {
    /// The public header: no secret is in reach of its maker (docs/format.md §3).
    Header(Vec<u8>),
    /// A key slot, sealed by the crypto core.
    Slot(Sealed),
    /// A grant, a roster or log entry, an index segment.
    Object(Sealed),
    /// A pack.
    Pack(Sealed),
    /// What one storage gave, for another: nobody learns from it what the first one did not know.
    Mirrored(Fetched),
}

/// Bytes as a storage gave them. Made in this file only.
#[derive(Clone)]
pub(crate) struct Fetched(Bytes);

impl Fetched {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Outgoing {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Header(bytes) => bytes.into(),
            Self::Slot(sealed) | Self::Object(sealed) | Self::Pack(sealed) => {
                sealed.into_bytes().into()
            }
            Self::Mirrored(fetched) => fetched.0,
        }
    }
}

/// What became of a [`Io::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is new.
    New,
    /// Another object has the name already.
    Existed,
}

/// Objects in flight at once: enough to hide a round trip of 20 ms behind packs of 16 MiB.
const IN_FLIGHT: usize = 4;
/// Small requests at once: a round trip of 100 ms is paid once for all of them. A storage that
/// lies about lengths can make each of them as large as an object may be.
const AT_ONCE: usize = 16;
/// How often somebody who waits for the storage asks whether the user wants to stop.
const ATTENTION: Duration = Duration::from_millis(100);

/// A storage for threads. Must not be used from the runtime's own threads.
///
/// Every wait ends soon after the user asked to stop, however long the storage takes to answer.
#[derive(Clone)]
pub(crate) struct Io {
    storage: Arc<dyn Storage>,
    runtime: Handle,
    stop: Stop,
    in_flight: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    ahead: Arc<Ahead>,
}

impl Io {
    pub(crate) fn new(storage: Arc<dyn Storage>, environment: &Environment) -> Self {
        Self {
            storage,
            runtime: environment.runtime.clone(),
            stop: Arc::clone(&environment.stop),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            ahead: Arc::default(),
        }
    }

    /// The same storage for what must not be left half done, whatever the user asks.
    pub(crate) fn undisturbed(&self) -> Self {
        Self {
            stop: Arc::new(|| false),
            ..self.clone()
        }
    }

    pub(crate) fn location(&self) -> &Location {
        self.storage.location()
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.storage.capabilities()
    }

    /// The same storage, with these objects and listings on their way already, beside those that
    /// are on their way to `self`. Each answer is given once, to whoever asks this `Io` for it; what
    /// nobody asks for is given up with it.
    pub(crate) fn ahead(
        &self,
        names: impl IntoIterator<Item = ObjectName>,
        prefixes: impl IntoIterator<Item = Prefix>,
    ) -> Self {
        let mut objects = HashMap::new();
        for name in names {
            if !self.ahead.has(&name) && !objects.contains_key(&name) {
                let started = self.spawn(Operation::Get, self.getting(name.clone()));
                objects.insert(name, started);
            }
        }
        let listings = prefixes
            .into_iter()
            .map(|prefix| {
                let started = self.spawn(Operation::List, self.listing(prefix.clone()));
                (prefix, started)
            })
            .collect();
        Self {
            ahead: Arc::new(Ahead {
                objects: Mutex::new(objects),
                listings: Mutex::new(listings),
                before: Some(Arc::clone(&self.ahead)),
            }),
            ..self.clone()
        }
    }

    /// Gives every object to `each` in order, `None` if there is none; a few are read at once, and
    /// no more than that are in memory.
    pub(crate) fn find_each<E: From<StorageError>>(
        &self,
        names: &[ObjectName],
        mut each: impl FnMut(&ObjectName, Option<Bytes>) -> Result<(), E>,
    ) -> Result<(), E> {
        for batch in names.chunks(AT_ONCE) {
            let io = self.ahead(batch.iter().cloned(), []);
            for name in batch {
                each(name, io.find(name)?)?;
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        match self.ahead.object(name) {
            Some(started) => self.wait(Operation::Get, started.outcome()),
            None => self.wait(Operation::Get, self.storage.get(name)),
        }
    }

    /// The object, or `None` if there is none of that name.
    pub(crate) fn find(&self, name: &ObjectName) -> Result<Option<Bytes>, StorageError> {
        match self.get(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is an object of that name.
    pub(crate) fn exists(&self, name: &ObjectName) -> Result<bool, StorageError> {
        // No cache answers for a listing.
        Ok(!self.list(&Prefix::exactly(name))?.is_empty())
    }

    /// The same, to be stored elsewhere as it is.
    pub(crate) fn fetch(&self, name: &ObjectName) -> Result<Option<Fetched>, StorageError> {
        Ok(self.find(name)?.map(Fetched))
    }

    /// Deletes objects; the answers stand in the order of the names.
    pub(crate) fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let deleting = async { Ok(self.storage.delete(names).await) };
        match self.wait(Operation::Delete, deleting) {
            Ok(outcomes) => outcomes,
            Err(stopped) => names
                .iter()
                .map(|name| (name.clone(), DeleteOutcome::Failed(stopped.clone())))
                .collect(),
        }
    }

    pub(crate) fn get_range(
        &self,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        self.wait(Operation::GetRange, self.storage.get_range(name, range))
    }

    pub(crate) fn list(&self, prefix: &Prefix) -> Result<Vec<ObjectMeta>, StorageError> {
        match self.ahead.listing(prefix) {
            Some(started) => self.wait(Operation::List, started.outcome()),
            None => self.wait(Operation::List, self.listing(prefix.clone())),
        }
    }

    pub(crate) fn create(
        &self,
        name: &ObjectName,
        what: Outgoing,
    ) -> Result<Created, StorageError> {
        let creating = self.storage.create(name, what.into_bytes());
        created(self.wait(Operation::Create, creating))
    }

    /// Stores objects named by their hashes, several at once.
    pub(crate) fn create_all(
        &self,
        objects: impl IntoIterator<Item = (ObjectName, Outgoing)>,
    ) -> Result<(), StorageError> {
        let creating = objects.into_iter().map(|(name, what)| {
            let storage = Arc::clone(&self.storage);
            let bytes = what.into_bytes();
            let create = async move { storage.create(&name, bytes).await };
            self.spawn(Operation::Create, create)
        });
        // All are started before the first is waited for.
        let creating: Vec<_> = creating.collect();
        for started in creating {
            created(self.wait(Operation::Create, started.outcome()))?;
        }
        Ok(())
    }

    /// Binds the storage to keep each of these objects until then; the answers in their order.
    pub(crate) fn extend_retention(
        &self,
        names: &[ObjectName],
        until: SystemTime,
    ) -> Vec<Result<(), StorageError>> {
        let extending: Vec<_> = names
            .iter()
            .map(|name| {
                let (storage, name) = (Arc::clone(&self.storage), name.clone());
                let extend = async move { storage.extend_retention(&name, until).await };
                self.spawn(Operation::ExtendRetention, extend)
            })
            .collect();
        extending
            .into_iter()
            .map(|started| self.wait(Operation::ExtendRetention, started.outcome()))
            .collect()
    }

    /// How long the storage is bound to keep an object.
    pub(crate) fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.wait(Operation::Retention, self.storage.retention(name))
    }

    /// Starts storing an object named by its hash and returns as soon as one of a few places in
    /// flight is free; `acknowledge` hears how it ended, on another thread.
    pub(crate) fn upload(
        &self,
        name: ObjectName,
        what: Outgoing,
        acknowledge: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        let place = async { Ok(Arc::clone(&self.in_flight).acquire_owned().await) };
        let permit = match self.wait(Operation::Create, place) {
            Ok(permit) => permit,
            Err(stopped) => return acknowledge(Err(stopped)),
        };
        let io = self.clone();
        self.runtime.spawn(async move {
            // Named by its hash: what exists under that name has the same bytes, or `check`
            // and every read will say that it has not.
            let creating = io.storage.create(&name, what.into_bytes());
            let done = created(io.unless_stopped(Operation::Create, creating).await).map(drop);
            drop(permit);
            acknowledge(done);
        });
    }

    fn getting(
        &self,
        name: ObjectName,
    ) -> impl Future<Output = Result<Bytes, StorageError>> + use<> {
        let storage = Arc::clone(&self.storage);
        async move { storage.get(&name).await }
    }

    fn listing(
        &self,
        prefix: Prefix,
    ) -> impl Future<Output = Result<Vec<ObjectMeta>, StorageError>> + use<> {
        let storage = Arc::clone(&self.storage);
        async move { ownkey_storage::list_all(storage.as_ref(), &prefix).await }
    }

    /// Starts an operation beside others, as soon as there is room for it.
    fn spawn<T: Send + 'static>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Started<T> {
        let at_once = Arc::clone(&self.at_once);
        let task = self.runtime.spawn(async move {
            let _place = at_once.acquire_owned().await;
            future.await
        });
        Started {
            task,
            lost: StorageError::new(StorageErrorKind::Other, operation, self.location()),
        }
    }

    fn wait<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.runtime
            .block_on(self.unless_stopped(operation, future))
    }

    /// What is dropped here either happened wholly or not at all (C16); a later run finds out.
    async fn unless_stopped<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let mut future = pin!(future);
        loop {
            match tokio::time::timeout(ATTENTION, &mut future).await {
                Ok(done) => return done,
                Err(_) if (self.stop)() => {
                    let kind = StorageErrorKind::Interrupted;
                    return Err(StorageError::new(kind, operation, self.location()));
                }
                Err(_) => {}
            }
        }
    }
}

/// Answers that were asked for before they are needed.
#[derive(Default)]
struct Ahead {
    objects: Mutex<HashMap<ObjectName, Started<Bytes>>>,
    listings: Mutex<HashMap<Prefix, Started<Vec<ObjectMeta>>>>,
    /// Those that were asked for earlier.
    before: Option<Arc<Self>>,
}

impl Ahead {
    fn has(&self, name: &ObjectName) -> bool {
        let before = || self.before.as_ref().is_some_and(|before| before.has(name));
        lock(&self.objects).contains_key(name) || before()
    }

    fn object(&self, name: &ObjectName) -> Option<Started<Bytes>> {
        let own = lock(&self.objects).remove(name);
        own.or_else(|| self.before.as_ref()?.object(name))
    }

    fn listing(&self, prefix: &Prefix) -> Option<Started<Vec<ObjectMeta>>> {
        let own = lock(&self.listings).remove(prefix);
        own.or_else(|| self.before.as_ref()?.listing(prefix))
    }
}

/// An operation on its way; given up when nobody wants its outcome any more.
struct Started<T> {
    task: JoinHandle<Result<T, StorageError>>,
    lost: StorageError,
}

impl<T> Started<T> {
    async fn outcome(mut self) -> Result<T, StorageError> {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(panicked) => Err(self.lost.clone().caused_by(panicked)),
        }
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn created(outcome: Result<(), StorageError>) -> Result<Created, StorageError> {
    match outcome {
        Ok(()) => Ok(Created::New),
        Err(error) if error.kind() == StorageErrorKind::AlreadyExists => Ok(Created::Existed),
        Err(error) => Err(error),
    }
}
