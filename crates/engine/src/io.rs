//! Where the synchronous engine and the asynchronous storage meet.
//!
//! The only file of the engine that names tokio. Nothing leaves the machine except as
//! [`Outgoing`].

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ownkey_crypto::Sealed;
use ownkey_storage::{
    DeleteOutcome, Location, ObjectMeta, ObjectName, Prefix, Storage, StorageError,
    StorageErrorKind,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

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

/// A storage for threads. Must not be used from the runtime's own threads.
#[derive(Clone)]
pub(crate) struct Io {
    storage: Arc<dyn Storage>,
    runtime: Handle,
    in_flight: Arc<Semaphore>,
}

impl Io {
    pub(crate) fn new(storage: Arc<dyn Storage>, runtime: Handle) -> Self {
        Self {
            storage,
            runtime,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }

    pub(crate) fn location(&self) -> &Location {
        self.storage.location()
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.runtime.block_on(self.storage.get(name))
    }

    /// The object, or `None` if there is none of that name.
    pub(crate) fn find(&self, name: &ObjectName) -> Result<Option<Bytes>, StorageError> {
        match self.get(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == StorageErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, to be stored elsewhere as it is.
    pub(crate) fn fetch(&self, name: &ObjectName) -> Result<Option<Fetched>, StorageError> {
        Ok(self.find(name)?.map(Fetched))
    }

    /// Deletes objects; the answers stand in the order of the names.
    pub(crate) fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        self.runtime.block_on(self.storage.delete(names))
    }

    pub(crate) fn get_range(
        &self,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        self.runtime.block_on(self.storage.get_range(name, range))
    }

    pub(crate) fn list(&self, prefix: &Prefix) -> Result<Vec<ObjectMeta>, StorageError> {
        self.runtime
            .block_on(ownkey_storage::list_all(self.storage.as_ref(), prefix))
    }

    pub(crate) fn create(
        &self,
        name: &ObjectName,
        what: Outgoing,
    ) -> Result<Created, StorageError> {
        created(
            self.runtime
                .block_on(self.storage.create(name, what.into_bytes())),
        )
    }

    /// Starts storing an object named by its hash and returns as soon as one of a few places in
    /// flight is free; `acknowledge` hears how it ended, on another thread.
    pub(crate) fn upload(
        &self,
        name: ObjectName,
        what: Outgoing,
        acknowledge: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        let permit = self
            .runtime
            .block_on(Arc::clone(&self.in_flight).acquire_owned());
        let storage = Arc::clone(&self.storage);
        self.runtime.spawn(async move {
            // Named by its hash: what exists under that name has the same bytes, or `check`
            // and every read will say that it has not.
            let done = created(storage.create(&name, what.into_bytes()).await).map(drop);
            drop(permit);
            acknowledge(done);
        });
    }
}

fn created(outcome: Result<(), StorageError>) -> Result<Created, StorageError> {
    match outcome {
        Ok(()) => Ok(Created::New),
        Err(error) if error.kind() == StorageErrorKind::AlreadyExists => Ok(Created::Existed),
        Err(error) => Err(error),
    }
}
