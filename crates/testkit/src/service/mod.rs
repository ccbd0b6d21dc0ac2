//! A small, honest S3 service in memory: what it answers is a pure function of what was asked before.
//!
//! It has one bucket, addressed by path, and what a backup needs of the protocol: objects with
//! `If-None-Match` and `Range`, listings in pages, deletions in batches, and versions if wanted. It
//! checks no signature and no checksum; real servers are there for that. Entity tags are opaque.
//!
//! Nothing here waits or opens a socket: [`FaultyService`](crate::FaultyService) carries it in
//! process, and [`Listening`](crate::Listening) over TCP.

mod calendar;
mod listing;
mod text;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use http::{Method, Request, Response, StatusCode};

use text::{Asked, inner_texts};

/// A service with one bucket.
#[derive(Debug)]
pub struct Service {
    bucket: String,
    keeping: Keeping,
    state: Mutex<State>,
}

/// What becomes of what is deleted or overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is gone.
    Newest,
    /// It stays as an older version.
    Versions,
}

#[derive(Debug, Default, Clone)]
struct State {
    /// By key; the newest version last, and at least one.
    objects: BTreeMap<String, Vec<Version>>,
    /// Seconds since this service began, one for each change.
    now: u64,
}

#[derive(Debug, Clone)]
struct Version {
    id: String,
    /// None is a delete marker.
    body: Option<Bytes>,
    modified: u64,
}

impl Version {
    fn etag(&self) -> String {
        format!("\"{:032x}\"", self.modified)
    }
}

impl Service {
    /// A service with an empty bucket.
    #[must_use]
    pub fn new(bucket: &str, keeping: Keeping) -> Self {
        Self {
            bucket: bucket.to_owned(),
            keeping,
            state: Mutex::default(),
        }
    }

    /// Another service that holds the same now, and goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            bucket: self.bucket.clone(),
            keeping: self.keeping,
            state: Mutex::new(self.lock().clone()),
        }
    }

    /// Every object, by its key.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        let state = self.lock();
        let newest = state.objects.iter();
        newest
            .filter_map(|(key, versions)| Some((key.clone(), versions.last()?.body.clone()?)))
            .collect()
    }

    /// What the service says to a request.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let asked = Asked::of(request.uri());
        if asked.bucket != self.bucket {
            return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
        }
        let mut response = match (request.method(), asked.key.is_empty()) {
            (&Method::GET, true) => self.about_the_bucket(&asked),
            (&Method::HEAD, true) => whole(Bytes::new()),
            (&Method::POST, true) if asked.has("delete") => self.delete_all(request.body()),
            (&Method::PUT, false) if asked.only("") => self.put(&asked.key, request),
            (&Method::GET | &Method::HEAD, false) => self.read(&asked, request),
            (&Method::DELETE, false) => self.delete(&asked),
            _ => refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        };
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn about_the_bucket(&self, asked: &Asked) -> Response<Bytes> {
        let state = self.lock();
        if asked.has("versioning") {
            let status = match self.keeping {
                Keeping::Versions => "<Status>Enabled</Status>",
                Keeping::Newest => "",
            };
            xml(&format!(
                "<VersioningConfiguration>{status}</VersioningConfiguration>"
            ))
        } else if asked.has("object-lock") {
            refusal(
                StatusCode::NOT_FOUND,
                "ObjectLockConfigurationNotFoundError",
            )
        } else if asked.has("location") {
            xml("<LocationConstraint>us-east-1</LocationConstraint>")
        } else if asked.has("versions") {
            xml(&listing::versions(&state.objects, asked))
        } else {
            xml(&listing::objects(&state.objects, asked))
        }
    }

    fn put(&self, key: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let mut state = self.lock();
        if request.headers().contains_key(IF_NONE_MATCH) && state.newest(key).is_some() {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let etag = state.change(key, Some(request.body().clone()), self.keeping);
        let mut response = whole(Bytes::new());
        set(&mut response, ETAG, &etag);
        response
    }

    fn read(&self, asked: &Asked, request: &Request<Bytes>) -> Response<Bytes> {
        let state = self.lock();
        let found = match asked.value("versionId") {
            Some(id) => state.version(&asked.key, id),
            None => state.newest(&asked.key),
        };
        let Some((version, body)) = found else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        let range = request.headers().get(RANGE).and_then(|range| {
            let range = range.to_str().ok()?.strip_prefix("bytes=")?;
            let (first, last) = range.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        let mut response = match range {
            None => whole(body.clone()),
            Some((first, last)) => part(body, first, last),
        };
        set(&mut response, ETAG, &version.etag());
        let modified = calendar::http_date(version.modified);
        set(&mut response, LAST_MODIFIED, &modified);
        response
    }

    fn delete(&self, asked: &Asked) -> Response<Bytes> {
        let mut state = self.lock();
        match asked.value("versionId") {
            Some(id) => state.forget(&asked.key, id),
            None => {
                state.change(&asked.key, None, self.keeping);
            }
        }
        let mut response = whole(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }

    fn delete_all(&self, body: &[u8]) -> Response<Bytes> {
        let body = String::from_utf8_lossy(body);
        let mut state = self.lock();
        let mut deleted = String::new();
        for key in inner_texts(&body, "Key") {
            state.change(&key, None, self.keeping);
            let key = text::escaped(&key);
            deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
        }
        xml(&format!("<DeleteResult>{deleted}</DeleteResult>"))
    }
}

impl State {
    fn newest(&self, key: &str) -> Option<(&Version, &Bytes)> {
        let version = self.objects.get(key)?.last()?;
        Some((version, version.body.as_ref()?))
    }

    fn version(&self, key: &str, id: &str) -> Option<(&Version, &Bytes)> {
        let mut versions = self.objects.get(key)?.iter();
        let version = versions.find(|version| version.id == id)?;
        Some((version, version.body.as_ref()?))
    }

    /// Puts a body or a marker under a key; the new entity tag comes back.
    fn change(&mut self, key: &str, body: Option<Bytes>, keeping: Keeping) -> String {
        self.now += 1;
        let version = Version {
            id: match keeping {
                Keeping::Versions => format!("v{:08}", self.now),
                Keeping::Newest => "null".to_owned(),
            },
            body,
            modified: self.now,
        };
        let etag = version.etag();
        let versions = self.objects.entry(key.to_owned()).or_default();
        if keeping == Keeping::Newest {
            versions.clear();
        }
        versions.push(version);
        if keeping == Keeping::Newest && versions.iter().all(|version| version.body.is_none()) {
            self.objects.remove(key);
        }
        etag
    }

    fn forget(&mut self, key: &str, id: &str) {
        if let Some(versions) = self.objects.get_mut(key) {
            versions.retain(|version| version.id != id);
            if versions.is_empty() {
                self.objects.remove(key);
            }
        }
    }
}

/// A success with all of a body, its length announced.
pub(crate) fn whole(body: Bytes) -> Response<Bytes> {
    let length = body.len().to_string();
    let mut response = Response::new(body);
    set(&mut response, CONTENT_LENGTH, &length);
    response
}

/// The bytes from `first` to `last`, as far as there are any.
pub(crate) fn part(body: &Bytes, first: usize, last: usize) -> Response<Bytes> {
    if first > last || first >= body.len() {
        return refusal(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
    }
    let end = last.saturating_add(1).min(body.len());
    let mut response = whole(body.slice(first..end));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let range = format!("bytes {first}-{}/{}", end - 1, body.len());
    set(&mut response, CONTENT_RANGE, &range);
    response
}

/// An error as S3 says it.
pub(crate) fn refusal(status: StatusCode, code: &str) -> Response<Bytes> {
    let mut response = xml(&format!(
        "<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    ));
    *response.status_mut() = status;
    response
}

fn xml(text: &str) -> Response<Bytes> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    let mut response = whole(text.into_bytes().into());
    set(&mut response, http::header::CONTENT_TYPE, "application/xml");
    response
}

pub(crate) fn set(response: &mut Response<Bytes>, name: http::HeaderName, value: &str) {
    let value = value.parse().expect("a header's value is plain text");
    response.headers_mut().insert(name, value);
}
