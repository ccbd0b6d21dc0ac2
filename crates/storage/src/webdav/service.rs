//! The requests of WebDAV (RFC 4918) that a storage needs, one function each.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Builder;
use http::{Method, StatusCode};
use url::Url;

use super::href::{self, Href};
use super::multistatus::{self, Resource, ResourceKind};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::{Answer, HttpClient};
use crate::site::Site;

/// The most bytes of one listing: some 100,000 objects in one folder.
const MAX_LISTING: u64 = 64 << 20;
/// Answers whose body nobody needs.
const MAX_TALK: u64 = 1 << 20;

/// Some services lock what they make, move or delete while they do it, so that others meet the lock for an
/// instant and not yet the outcome.
const LOCK: Duration = Duration::from_millis(50);
/// A lock that is still there after these is somebody's who means it.
const LOOKS_AT_A_LOCK: usize = 10;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Neither file nor folder.
    Nothing,
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its length in bytes.
        size: u64,
        /// When it was last written, by the service's clock.
        modified: Option<SystemTime>,
    },
}

/// Something in a folder.
#[derive(Debug)]
pub(super) struct Child {
    /// Its name, as hostile as the service.
    pub(super) name: String,
    /// Never `Nothing`.
    pub(super) found: Found,
}

/// A WebDAV service, spoken to on behalf of one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'a> {
    pub(super) site: &'a Site,
    pub(super) http: &'a HttpClient,
    pub(super) operation: Operation,
}

impl Service<'_> {
    /// Looks at one path.
    pub(super) async fn look(&self, path: &str) -> Result<Found, StorageError> {
        let Some(resources) = self.propfind(path, "0").await? else {
            return Ok(Found::Nothing);
        };
        let asked = self.url(path)?;
        match resources.as_slice() {
            [one] if href::read(&asked, &one.href) == Href::Itself => self.found(one),
            [] => Ok(Found::Nothing),
            _ => Err(self.nonsense("it answered about another place")),
        }
    }

    /// What stands in a folder, whose path is empty or ends in `/`; nothing in one that there is not.
    pub(super) async fn children(&self, folder: &str) -> Result<Vec<Child>, StorageError> {
        let Some(resources) = self.propfind(folder, "1").await? else {
            return Ok(Vec::new());
        };
        let asked = self.url(folder)?;
        let mut children = Vec::new();
        for resource in &resources {
            match href::read(&asked, &resource.href) {
                Href::Itself | Href::Unreadable => {}
                Href::Child(name) => {
                    let found = self.found(resource)?;
                    children.push(Child { name, found });
                }
                Href::Stray => return Err(self.nonsense("its listing names another place")),
            }
        }
        Ok(children)
    }

    /// Reads a file; the caller says what its answer means.
    pub(super) async fn read(&self, request: Builder, most: u64) -> Result<Answer, StorageError> {
        self.ask(request, Bytes::new(), most).await
    }

    /// Writes a file, over whatever stands there.
    pub(super) async fn put(&self, path: &str, body: Bytes) -> Result<Answer, StorageError> {
        let request = self
            .request(Method::PUT, path)
            .header(CONTENT_TYPE, "application/octet-stream");
        self.ask(request, body, MAX_TALK).await
    }

    /// The length of a file, where the service says it.
    pub(super) async fn length(&self, path: &str) -> Result<Option<u64>, StorageError> {
        let request = self.request(Method::HEAD, path);
        let answer = self.ask(request, Bytes::new(), MAX_TALK).await?;
        self.expect_success(&answer)?;
        let length = answer.headers.get(CONTENT_LENGTH);
        Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
    }

    /// Moves a file to a path if nothing stands there.
    pub(super) async fn publish(&self, from: &str, to: &str) -> Result<Answer, StorageError> {
        let request = || {
            self.request(method("MOVE"), from)
                .header("destination", self.site.address(to))
                .header("overwrite", "F")
        };
        self.unlocked(request).await
    }

    /// Makes a folder at an address that ends in `/`. That it exists (405) or that what is above it
    /// does not (409) is for the caller to see.
    pub(super) async fn make_folder(&self, folder: &Url) -> Result<StatusCode, StorageError> {
        let request = || self.site.request_at(method("MKCOL"), folder.as_str());
        let answer = self.unlocked(request).await?;
        if !matches!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::CONFLICT
        ) {
            self.expect_success(&answer)?;
        }
        Ok(answer.status)
    }

    /// Removes a file; of a folder it would remove everything.
    pub(super) async fn delete(&self, path: &str) -> Result<(), StorageError> {
        let answer = self.unlocked(|| self.request(Method::DELETE, path)).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            // Some of it was not deleted, and of a file there is no some.
            StatusCode::MULTI_STATUS => Err(self.nonsense("it deleted a part of an object")),
            _ => self.expect_success(&answer),
        }
    }

    /// Begins a request.
    pub(super) fn request(&self, method: Method, path: &str) -> Builder {
        self.site.request(method, path)
    }

    /// A failure of the operation at hand.
    pub(super) fn error(&self, kind: StorageErrorKind) -> StorageError {
        StorageError::new(kind, self.operation, self.site.location())
    }

    /// An answer that the protocol rules out.
    pub(super) fn nonsense(&self, words: &'static str) -> StorageError {
        self.error(StorageErrorKind::BrokenContract).saying(words)
    }

    /// An error unless the service did what it was asked.
    pub(super) fn expect_success(&self, answer: &Answer) -> Result<(), StorageError> {
        if answer.status.is_success() {
            return Ok(());
        }
        Err(self.site.refusal(self.operation, answer))
    }

    /// Asks for the properties of a path and perhaps of what it holds; `None` where there is nothing.
    async fn propfind(
        &self,
        path: &str,
        depth: &'static str,
    ) -> Result<Option<Vec<Resource>>, StorageError> {
        let request = self
            .request(method("PROPFIND"), path)
            .header("depth", depth)
            .header(CONTENT_TYPE, "application/xml; charset=utf-8");
        let question = Bytes::from_static(multistatus::QUESTION.as_bytes());
        let answer = self.ask(request, question, MAX_LISTING).await?;
        match answer.status {
            StatusCode::MULTI_STATUS => multistatus::parse(&answer.body)
                .map(Some)
                .map_err(|malformed| self.nonsense("is it WebDAV at all?").caused_by(malformed)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ if self.site.points_to_folder(&answer, path) => Ok(Some(vec![folder_at(path)])),
            _ => Err(self.site.refusal(self.operation, &answer)),
        }
    }

    fn found(&self, resource: &Resource) -> Result<Found, StorageError> {
        match (resource.kind, resource.size) {
            (ResourceKind::Folder, _) => Ok(Found::Folder),
            (ResourceKind::File, Some(size)) => Ok(Found::File {
                size,
                modified: resource.modified,
            }),
            (ResourceKind::File, None) => Err(self.nonsense("it lists a file without a length")),
        }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> Result<Url, StorageError> {
        let address = Url::parse(&self.site.address(path));
        address.map_err(|_| self.nonsense("its own address cannot be read"))
    }

    /// Asks, and for a moment again where it meets a lock.
    async fn unlocked(&self, request: impl Fn() -> Builder) -> Result<Answer, StorageError> {
        let mut looks = 0;
        loop {
            let answer = self.ask(request(), Bytes::new(), MAX_TALK).await?;
            if answer.status != StatusCode::LOCKED || looks == LOOKS_AT_A_LOCK {
                return Ok(answer);
            }
            looks += 1;
            tokio::time::sleep(LOCK).await;
        }
    }

    async fn ask(&self, request: Builder, body: Bytes, most: u64) -> Result<Answer, StorageError> {
        let request = (request, body);
        self.site
            .ask(self.http, self.operation, request, most)
            .await
    }
}

/// What a service means that sends us on to the same path with a slash.
fn folder_at(path: &str) -> Resource {
    Resource {
        href: path.rsplit('/').next().unwrap_or(path).to_owned(),
        kind: ResourceKind::Folder,
        ..Resource::default()
    }
}

/// A method that only WebDAV has.
fn method(name: &'static str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap_or_default()
}
