//! Where objects live: the storage contract and its implementations.
//!
//! A storage is dumb and not trusted: it keeps named runs of bytes, and everything that makes them
//! mean something happens elsewhere. What the rest of the program may rely on is written down once,
//! as numbered sentences, at [`Storage`]; each sentence is a conformance test of the same number
//! that every implementation passes.
//!
//! Read in this order: [`Storage`] (the contract), [`ObjectName`], [`StorageError`],
//! [`MemoryStorage`] (the reference), [`LocalStorage`] (a folder), [`SftpStorage`] (a folder of another machine).
//!
//! This crate knows nothing of keys and never prints, reads the environment, or asks the time.

mod as_of;
mod cache;
mod capabilities;
mod contract;
mod count;
mod error;
pub mod http;
mod limit;
mod limits;
mod local;
mod location;
mod memory;
mod name;
mod object;
mod pace;
pub mod probe;
mod rest;
mod retry;
pub mod s3;
mod sftp;
mod site;
mod stopwatch;
mod unguessable;
mod webdav;
mod xml;

pub use as_of::AsOf;
pub use cache::{Cache, CachePolicy};
pub use capabilities::{
    Capabilities, CreateIfAbsent, Durability, ReadAfterWrite, RetentionSupport, VersionSupport,
};
pub use contract::{Storage, list_all, versions_all};
pub use count::{Count, RequestCounts, Requests};
pub use error::{Operation, StorageError, StorageErrorKind};
pub use limit::{Limit, Rates};
pub use limits::MAX_OBJECT_BYTES;
pub use local::LocalStorage;
pub use location::Location;
pub use memory::{Clock, MemoryStorage};
pub use name::{MAX_NAME_BYTES, MAX_SEGMENT_BYTES, MAX_SEGMENTS, NameError, ObjectName, Prefix};
pub use object::{
    DeleteOutcome, MAX_PAGE, ObjectMeta, Page, Retention, VersionId, VersionMark, VersionMeta,
    VersionPage, VersionState,
};
pub use pace::Pace;
pub use rest::{RcloneOptions, RcloneRemote, RcloneRemoteError, RestStorage, StdioTransport};
pub use retry::{Retry, RetryPolicy, WaitListener, Waiting};
pub use sftp::{Prompts, SftpOptions, SftpPlace, SftpPlaceError, SftpStorage};
pub use site::{Credentials, Site, UserNameError};
pub use webdav::WebdavStorage;
