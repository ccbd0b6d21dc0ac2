//! A folder of another machine as a storage, through the user's own `ssh`.
//!
//! Promise: what `create` returned is whole and has its name alone, durably where the server can flush files and folders
//! (OpenSSH can); everything a person has set up for `ssh` works here too; a connection that breaks is an error of the
//! operations under way, and the next operation connects anew.
//!
//! Layout: as in a local folder, so that one can be copied to the other. An object is the file at its name; creation is staged
//! in `.staging`.
//!
//! The protocol is spoken by the few files below rather than by a library: there the length of a packet is the server's word
//! for how much memory to take, and renaming always replaces (docs/adr/0012-sftp.md).

mod channel;
mod child;
mod connection;
mod create;
mod delete;
mod fault;
mod folders;
mod list;
mod packet;
mod place;
mod read;
mod session;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use self::connection::Connection;
use self::fault::Fault;
use self::folders::Folders;
use self::list::Wanted;
pub use self::place::{Prompts, SftpOptions, SftpPlace, SftpPlaceError};
use self::read::Part;
use self::session::Session;
use crate::capabilities::{
    Capabilities, CreateIfAbsent, ReadAfterWrite, RetentionSupport, VersionSupport,
};
use crate::contract::Storage;
use crate::error::{Operation, StorageError};
use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, MAX_PAGE, Page};

/// Objects as files of a folder on another machine.
#[derive(Debug, Clone)]
pub struct SftpStorage {
    inner: Arc<Inner>,
    location: Location,
    create_if_absent: CreateIfAbsent,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    folders: Folders,
}

impl SftpStorage {
    /// A storage that connects when it is first asked for something.
    #[must_use]
    pub fn new(place: SftpPlace, options: SftpOptions) -> Self {
        Self {
            location: Location::remote(&place.to_string()),
            create_if_absent: options.create_if_absent,
            inner: Arc::new(Inner {
                folders: Folders::new(place.clone()),
                connection: Connection::new(place, options),
            }),
        }
    }

    /// Connects, and checks that the folder is there: a missing one is far more often a disk that is not mounted than a
    /// storage to be made.
    ///
    /// # Errors
    /// `NoSuchRepositoryFolder` when the path is missing or no folder; `PermissionDenied` when `ssh` may not log in;
    /// `Unavailable` when there is no connection.
    pub async fn open(place: SftpPlace, options: SftpOptions) -> Result<Self, StorageError> {
        let storage = Self::new(place, options);
        let opened = storage.run(async |session, inner| {
            inner.folders.check_root(&session).await?;
            // What it can flush is known before anybody asks.
            inner.folders.flush(&session, inner.folders.root()).await
        });
        storage.explained(opened.await, Operation::Open)?;
        Ok(storage)
    }

    /// Makes the folder of a new storage, readable for nobody else, and opens it. A folder that exists is taken as it is;
    /// the folder above it must exist.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn create_root(place: SftpPlace, options: SftpOptions) -> Result<Self, StorageError> {
        let storage = Self::new(place, options);
        let made = storage.run(async |session, inner| inner.folders.make_root(&session).await);
        storage.explained(made.await, Operation::MakeRoot)?;
        Ok(storage)
    }

    /// Removes staging files last written before `older_than`, which creators that died left behind, and returns how many.
    /// Choose a moment long before any creation still under way, by the server's clock: a day is plenty.
    ///
    /// # Errors
    /// Those of reading and changing a folder.
    pub async fn sweep_staging(&self, older_than: SystemTime) -> Result<u64, StorageError> {
        let swept = self.run(async move |session, inner| {
            create::sweep(&session, &inner.folders, older_than).await
        });
        self.explained(swept.await, Operation::Sweep)
    }

    /// Runs work to its end, also when the future that waits for it is dropped: this is what makes a dropped creation all
    /// or nothing, and leaves no handle open on the server.
    async fn run<T, W, F>(&self, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Session>, Arc<Inner>) -> F + Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let inner = self.inner.clone();
        let work = async move {
            let session = inner.connection.session().await?;
            match work(session.clone(), inner).await {
                Err(Fault::Ended(ended)) => Err(session.farewell(ended).await),
                done => done,
            }
        };
        let done = tokio::spawn(work).await;
        done.unwrap_or(Err(Fault::Stopped))
    }

    fn explained<T>(
        &self,
        done: Result<T, Fault>,
        operation: Operation,
    ) -> Result<T, StorageError> {
        done.map_err(|fault| fault.explain(operation, &self.location))
    }

    async fn read(
        &self,
        operation: Operation,
        name: &ObjectName,
        part: Part,
    ) -> Result<Bytes, StorageError> {
        let wanted = name.clone();
        let read = self.run(async move |session, inner| {
            read::read(&session, &inner.folders, &wanted, part).await
        });
        self.explained(read.await, operation)
            .map_err(|error| error.of(name))
    }
}

#[async_trait]
impl Storage for SftpStorage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        if body.len() as u64 > MAX_OBJECT_BYTES {
            return self
                .explained(Err(Fault::TooLarge), Operation::Create)
                .map_err(|error| error.of(name));
        }
        let wanted = name.clone();
        let created = self.run(async move |session, inner| {
            create::create(&session, &inner.folders, &wanted, &body).await
        });
        self.explained(created.await, Operation::Create)
            .map_err(|error| error.of(name))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.read(Operation::Get, name, Part::Whole).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.read(Operation::GetRange, name, Part::Range(range))
            .await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let wanted = Wanted {
            prefix: prefix.clone(),
            after: after.cloned(),
            limit: limit.clamp(1, MAX_PAGE),
        };
        let listed = self
            .run(async move |session, inner| list::page(&session, &inner.folders, &wanted).await);
        self.explained(listed.await, Operation::List)
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let wanted = names.to_vec();
        let deleted = self.run(async move |session, inner| {
            let mut results = delete::batch(&session, &inner.folders, &wanted).await;
            for result in &mut results {
                if let Err(Fault::Ended(ended)) = *result {
                    *result = Err(session.farewell(ended).await);
                }
            }
            Ok(results)
        });
        let results = deleted
            .await
            .unwrap_or_else(|fault| vec![Err(fault); names.len()]);
        let outcome = |name: &ObjectName, result: Result<(), Fault>| match self
            .explained(result, Operation::Delete)
        {
            Ok(()) => DeleteOutcome::Done,
            Err(error) => DeleteOutcome::Failed(error.of(name)),
        };
        names
            .iter()
            .zip(results)
            .map(|(name, result)| (name.clone(), outcome(name, result)))
            .collect()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create_if_absent: self.create_if_absent,
            durable: self.inner.folders.durability(),
            // There may be a file system of yet another machine behind it, with a cache.
            read_after_write: ReadAfterWrite::Unknown,
            versions: VersionSupport::None,
            retention: RetentionSupport::None,
        }
    }

    fn location(&self) -> &Location {
        &self.location
    }
}
