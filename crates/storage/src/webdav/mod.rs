//! A folder of a WebDAV service (RFC 4918) as a storage: Nextcloud, ownCloud, nginx, Apache, a NAS.
//!
//! Promise: an object appears whole or not at all, because it is written aside and then moved to its name with
//! `Overwrite: F`; nothing is believed of a listing but what stands in the folder that was asked about.
//!
//! Layout: an object is the file at its name, as in a local folder; creation is staged in `.staging`, whose
//! dot can stand in no object's name.

mod create;
mod href;
mod list;
mod multistatus;
mod service;

use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RANGE};
use http::{Method, StatusCode};

use self::service::{Found, Service};
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

/// Where creation is staged.
const STAGING: &str = ".staging/";

/// Objects as files of one folder of a WebDAV service.
#[derive(Debug, Clone)]
pub struct WebdavStorage {
    site: Site,
    http: HttpClient,
    creation: CreateIfAbsent,
}

impl WebdavStorage {
    /// A storage in a folder of a service; asks for nothing yet. The folder is made by the first creation.
    ///
    /// `Atomic` trusts that the service keeps to `Overwrite: F`; `Checked` looks first, and sends it all the
    /// same.
    #[must_use]
    pub fn new(site: Site, creation: CreateIfAbsent, http: HttpClient) -> Self {
        Self {
            site,
            http,
            creation,
        }
    }

    /// Removes staging files last written before `older_than` of the service's clock, which creators that
    /// died left behind, and returns how many. Choose a moment long before any creation still under way: a
    /// day is plenty.
    ///
    /// # Errors
    /// Those of listing and deleting.
    pub async fn sweep_staging(&self, older_than: SystemTime) -> Result<u64, StorageError> {
        let service = self.service(Operation::Sweep);
        let mut swept = 0;
        for child in service.children(STAGING).await? {
            let Found::File { modified, .. } = child.found else {
                continue;
            };
            let is_ours = child.name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_ours && modified.is_some_and(|modified| modified < older_than) {
                service.delete(&format!("{STAGING}{}", child.name)).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn service(&self, operation: Operation) -> Service<'_> {
        Service {
            site: &self.site,
            http: &self.http,
            operation,
        }
    }

    async fn read(
        &self,
        service: &Service<'_>,
        name: &ObjectName,
        range: Option<&Range<u64>>,
    ) -> Result<Answer, StorageError> {
        let mut request = service.request(Method::GET, name.as_str());
        if let Some(range) = range {
            request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        }
        let answer = service.read(request, MAX_OBJECT_BYTES).await?;
        if self.is_folder(service, name, &answer).await? {
            return Err(service.error(StorageErrorKind::NotFound));
        }
        service.expect_success(&answer)?;
        Ok(answer)
    }

    /// Whether the answer to a reading shows a folder: as a redirect, a refusal, or a page for people.
    async fn is_folder(
        &self,
        service: &Service<'_>,
        name: &ObjectName,
        answer: &Answer,
    ) -> Result<bool, StorageError> {
        let is_page = || {
            let kind = answer.headers.get(CONTENT_TYPE);
            kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
        };
        match answer.status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(true),
            StatusCode::OK if is_page() => Ok(service.look(name.as_str()).await? == Found::Folder),
            _ => Ok(self.site.points_to_folder(answer, name.as_str())),
        }
    }

    async fn delete_one(&self, name: &ObjectName) -> Result<(), StorageError> {
        let service = self.service(Operation::Delete);
        // To delete a folder is to delete all that it holds, so the name alone is not enough.
        match service.look(name.as_str()).await? {
            Found::File { .. } => service.delete(name.as_str()).await,
            Found::Nothing | Found::Folder => Ok(()),
        }
    }
}

#[async_trait]
impl Storage for WebdavStorage {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let service = self.service(Operation::Create);
        if body.len() as u64 > MAX_OBJECT_BYTES {
            return Err(service.error(StorageErrorKind::TooLarge).of(name));
        }
        create::create(&service, self.creation, name, body)
            .await
            .map_err(|error| error.of(name))
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let service = self.service(Operation::Get);
        let answer = self.read(&service, name, None).await;
        let answer = answer.map_err(|error| error.of(name))?;
        if answer.status == StatusCode::PARTIAL_CONTENT {
            return Err(service.nonsense("a part where all was asked for").of(name));
        }
        Ok(answer.body)
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let service = self.service(Operation::GetRange);
        let error = |kind| service.error(kind).of(name);
        if range.is_empty() {
            return Err(error(StorageErrorKind::InvalidRange));
        }
        let answer = self.read(&service, name, Some(&range)).await;
        let answer = answer.map_err(|error| error.of(name))?;
        part(&answer, &range).map_err(error)
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let service = self.service(Operation::List);
        list::page(&service, prefix, after, limit.clamp(1, MAX_PAGE)).await
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
