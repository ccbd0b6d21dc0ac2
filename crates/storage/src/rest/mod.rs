//! Restic's REST protocol, version 2, as a storage: rest-server, and everything that rclone reaches.
//!
//! Promise: nothing is believed to be an object that is not kept where its name says. The protocol has neither
//! a rename nor a condition, so how well creation excludes others, and whether it can be seen half done, is the
//! server's to say: rest-server does both well, rclone as its remote does.

mod last_words;
mod list;
mod naming;
mod rclone;
mod stdio;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::request::Builder;
use http::{Method, StatusCode};

use self::naming::{Kept, Naming};
pub use self::rclone::{RcloneOptions, RcloneRemote, RcloneRemoteError};
pub use self::stdio::StdioTransport;
use crate::capabilities::{
    Capabilities, CreateIfAbsent, Durability, ReadAfterWrite, RetentionSupport, VersionSupport,
};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::{Answer, HttpClient};
use crate::limits::MAX_OBJECT_BYTES;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, MAX_PAGE, Page};
use crate::site::{Site, delete_each, part};

/// Answers whose body nobody needs.
const MAX_TALK: u64 = 1 << 20;

/// Objects as files of a server of restic's REST protocol.
#[derive(Debug, Clone)]
pub struct RestStorage {
    site: Site,
    http: HttpClient,
    naming: Naming,
    creation: CreateIfAbsent,
    /// The rclone behind it, if it is ours: it knows more than its answers say.
    child: Option<Arc<StdioTransport>>,
    /// What the files at these paths are labelled; a file never changes.
    known: Arc<Mutex<BTreeMap<String, ObjectName>>>,
}

impl RestStorage {
    /// A storage on a server; asks for nothing yet.
    ///
    /// `Atomic` trusts that the server refuses to store what exists; `Checked` looks first.
    #[must_use]
    pub fn new(site: Site, creation: CreateIfAbsent, http: HttpClient) -> Self {
        Self {
            site,
            http,
            naming: Naming::Hashed,
            creation,
            child: None,
            known: Arc::default(),
        }
    }

    fn error(&self, kind: StorageErrorKind, operation: Operation) -> StorageError {
        StorageError::new(kind, operation, self.site.location())
    }

    fn refusal(&self, operation: Operation, answer: &Answer) -> StorageError {
        let error = self.site.refusal(operation, answer);
        match self.child.as_ref().and_then(|child| child.last_words()) {
            Some(words) if answer.status.is_server_error() => error.caused_by(words),
            _ => error,
        }
    }

    /// What is known of labels; every change is one call, so a panic elsewhere leaves it whole.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, ObjectName>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(
        &self,
        operation: Operation,
        request: Builder,
        most: u64,
    ) -> Result<Answer, StorageError> {
        let request = (request, Bytes::new());
        self.site.ask(&self.http, operation, request, most).await
    }

    /// The length of an object, if there is one.
    async fn length(&self, operation: Operation, kept: &Kept) -> Result<Option<u64>, StorageError> {
        let request = self.site.request(Method::HEAD, &kept.path);
        let answer = self.ask(operation, request, MAX_TALK).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let length = answer.headers.get(CONTENT_LENGTH);
                let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
                let length = length.and_then(|file| file.checked_sub(kept.label.len() as u64));
                length.map(Some).ok_or_else(|| {
                    self.error(StorageErrorKind::BrokenContract, operation)
                        .saying("a file without a length that could be")
                })
            }
            _ => Err(self.refusal(operation, &answer)),
        }
    }

    async fn read_range(
        &self,
        operation: Operation,
        kept: &Kept,
        range: &Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let label = kept.label.len() as u64;
        let range = range.start + label..range.end + label;
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self
            .site
            .request(Method::GET, &kept.path)
            .header(RANGE, header);
        let answer = self
            .ask(operation, request, MAX_OBJECT_BYTES + label)
            .await?;
        if !answer.status.is_success() {
            return Err(self.refusal(operation, &answer));
        }
        part(&answer, &range).map_err(|kind| self.error(kind, operation))
    }

    async fn store(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let operation = Operation::Create;
        let kept = self.naming.keep(name);
        let taken = || self.error(StorageErrorKind::AlreadyExists, operation);
        if self.creation == CreateIfAbsent::Checked
            && self.length(operation, &kept).await?.is_some()
        {
            return Err(taken());
        }
        let request = self
            .site
            .request(Method::POST, &kept.path)
            .header(CONTENT_TYPE, "application/octet-stream");
        let request = (request, labelled(&kept.label, body));
        let answer = self
            .site
            .ask(&self.http, operation, request, MAX_TALK)
            .await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            // So it says both that it never overwrites and that this user may not write.
            StatusCode::FORBIDDEN if self.length(operation, &kept).await?.is_some() => Err(taken()),
            StatusCode::BAD_REQUEST if self.naming == Naming::Hashed => {
                Err(self.error(StorageErrorKind::Unsupported, operation).saying(
                    "the server takes only files named by their own hash: start rest-server with \
                     --no-verify-upload",
                ))
            }
            _ => Err(self.refusal(operation, &answer)),
        }
    }

    async fn read(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let kept = self.naming.keep(name);
        let request = self.site.request(Method::GET, &kept.path);
        let most = MAX_OBJECT_BYTES + kept.label.len() as u64;
        let answer = self.ask(Operation::Get, request, most).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(Operation::Get, &answer));
        }
        if !answer.body.starts_with(&kept.label) {
            return Err(self
                .error(StorageErrorKind::BrokenContract, Operation::Get)
                .saying("the file is labelled as another object"));
        }
        Ok(answer.body.slice(kept.label.len()..))
    }

    async fn delete_one(&self, name: &ObjectName) -> Result<(), StorageError> {
        let kept = self.naming.keep(name);
        let request = self.site.request(Method::DELETE, &kept.path);
        let answer = self.ask(Operation::Delete, request, MAX_TALK).await?;
        let refusal = || self.refusal(Operation::Delete, &answer);
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Ok(()),
            StatusCode::FORBIDDEN => Err(refusal().saying(
                "the server is append-only: prune where it is not, or as a user who may delete",
            )),
            _ => Err(refusal()),
        }
    }
}

/// A label and an object, as they stand in a file.
fn labelled(label: &Bytes, body: Bytes) -> Bytes {
    if label.is_empty() {
        return body;
    }
    let mut file = BytesMut::with_capacity(label.len() + body.len());
    file.extend_from_slice(label);
    file.extend_from_slice(&body);
    file.freeze()
}

#[async_trait]
impl Storage for RestStorage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        if body.len() as u64 > MAX_OBJECT_BYTES {
            let error = self.error(StorageErrorKind::TooLarge, Operation::Create);
            return Err(error.of(name));
        }
        self.store(name, body).await.map_err(|error| error.of(name))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        self.read(name).await.map_err(|error| error.of(name))
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        if range.is_empty() || range.end > MAX_OBJECT_BYTES {
            let error = self.error(StorageErrorKind::InvalidRange, Operation::GetRange);
            return Err(error.of(name));
        }
        let kept = self.naming.keep(name);
        let read = self.read_range(Operation::GetRange, &kept, &range).await;
        read.map_err(|error| error.of(name))
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        list::page(self, prefix, after, limit.clamp(1, MAX_PAGE)).await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        delete_each(names, async |name| self.delete_one(&name).await).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create_if_absent: self.creation,
            durable: Durability::Unknown,
            read_after_write: ReadAfterWrite::Unknown,
            versions: VersionSupport::None,
            retention: RetentionSupport::None,
        }
    }

    fn location(&self) -> &Location {
        self.site.location()
    }
}
