//! Requests to a bucket: composed, signed, sent.
//!
//! Promise: the signature covers the whole body, so nobody on the way can change it; every answer is
//! bounded; and what fails names the operation, the place and the object.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, Method, Request};
use reqsign_aws_v4::Credential;
use reqsign_core::Signer;
use sha2::{Digest as _, Sha256};

use super::credentials::S3Credentials;
use super::place::S3Place;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::{Answer, HttpClient, HttpFailure};
use crate::location::Location;
use crate::name::ObjectName;

/// The most bytes of an answer in XML: a page of a thousand keys, at the longest.
pub(super) const MAX_XML: u64 = 8 << 20;

/// Bodies above this are hashed where nobody else waits for it.
const HASHED_INLINE: usize = 64 << 10;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// A body and its hash, which the signature covers.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) bytes: Bytes,
    pub(super) sha256: [u8; 32],
}

impl Payload {
    pub(super) fn none() -> Self {
        Self::hashed(Bytes::new())
    }

    /// Hashes a body of any length.
    pub(super) async fn of(bytes: Bytes) -> Self {
        if bytes.len() <= HASHED_INLINE {
            return Self::hashed(bytes);
        }
        let apart = bytes.clone();
        match tokio::task::spawn_blocking(move || Self::hashed(apart)).await {
            Ok(payload) => payload,
            // The runtime is about to end.
            Err(_) => Self::hashed(bytes),
        }
    }

    fn hashed(bytes: Bytes) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self { bytes, sha256 }
    }
}

/// What is asked of a bucket.
#[derive(Debug)]
pub(super) struct Question {
    method: Method,
    key: Option<String>,
    query: String,
    headers: HeaderMap,
    payload: Payload,
    most: u64,
}

impl Question {
    /// About the bucket itself.
    pub(super) fn of_bucket(method: Method) -> Self {
        Self {
            method,
            key: None,
            query: String::new(),
            headers: HeaderMap::new(),
            payload: Payload::none(),
            most: MAX_XML,
        }
    }

    /// About one key in it; keys need no escaping, see [`S3Place`].
    pub(super) fn of_key(method: Method, key: String) -> Self {
        Self {
            key: Some(key),
            ..Self::of_bucket(method)
        }
    }

    /// Adds a parameter to the query.
    pub(super) fn with(mut self, parameter: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(parameter);
        self.query.push('=');
        push_escaped(&mut self.query, value);
        self
    }

    /// Adds a header, unless the text can stand in none.
    pub(super) fn saying(mut self, header: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(header, value);
        }
        self
    }

    /// Gives it a body.
    pub(super) fn carrying(mut self, payload: Payload, kind: &'static str) -> Self {
        self.payload = payload;
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        self
    }

    /// Bounds the answer.
    pub(super) fn at_most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }
}

/// What an error of a call names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) name: Option<&'a ObjectName>,
    pub(super) location: &'a Location,
}

impl Call<'_> {
    pub(super) fn error(&self, kind: StorageErrorKind) -> StorageError {
        let error = StorageError::new(kind, self.operation, self.location);
        match self.name {
            Some(name) => error.of(name),
            None => error,
        }
    }
}

/// The way to a bucket.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) place: S3Place,
    http: HttpClient,
    signer: Signer<Credential>,
    hint: String,
}

impl Wire {
    pub(super) fn new(place: S3Place, credentials: S3Credentials, http: HttpClient) -> Self {
        Self {
            hint: credentials.hint(),
            signer: credentials.signer(place.region(), http.clone()),
            place,
            http,
        }
    }

    /// Asks once; an answer of any status is an answer.
    pub(super) async fn ask(
        &self,
        call: &Call<'_>,
        question: Question,
    ) -> Result<Answer, StorageError> {
        let most = question.most;
        let request = self.sign(call, question).await?;
        let answer = self.http.exchange(request, most).await;
        answer.map_err(|failure| explain(call, failure))
    }

    async fn sign(
        &self,
        call: &Call<'_>,
        question: Question,
    ) -> Result<Request<Bytes>, StorageError> {
        let unsendable = |error| call.error(StorageErrorKind::Other).caused_by(error);
        let url = self
            .place
            .url(question.key.as_deref(), &question.query)
            .map_err(unsendable)?;
        let mut request = Request::new(question.payload.bytes);
        *request.method_mut() = question.method;
        *request.uri_mut() = url;
        *request.headers_mut() = question.headers;
        let (mut head, body) = request.into_parts();
        let digest = HeaderValue::from_str(&hex(&question.payload.sha256));
        let digest = digest.map_err(|error| unsendable(error.into()))?;
        head.headers.insert(CONTENT_SHA256, digest);
        // The library's words may hold parts of what it read; ours name where it looked.
        let signed = self.signer.sign(&mut head, None).await;
        signed.map_err(|_| {
            call.error(StorageErrorKind::PermissionDenied)
                .saying(self.hint.as_str())
        })?;
        // Some services want the length of nothing, too. After signing: proxies may rewrite it.
        if matches!(head.method, Method::PUT | Method::POST) {
            let length = HeaderValue::from(body.len());
            head.headers.insert(CONTENT_LENGTH, length);
        }
        Ok(Request::from_parts(head, body))
    }
}

/// An answer longer than what was asked for is not one that a storage may give.
fn explain(call: &Call<'_>, failure: HttpFailure) -> StorageError {
    failure.under(|kind| call.error(kind))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 3986 §2.3: everything but unreserved characters, byte by byte.
fn push_escaped(query: &mut String, value: &str) {
    use std::fmt::Write as _;
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_once_and_wholly() {
        let question = Question::of_bucket(Method::GET)
            .with("list-type", "2")
            .with("prefix", "a/b c+ä&=%");
        assert_eq!(
            question.query,
            "list-type=2&prefix=a%2Fb%20c%2B%C3%A4%26%3D%25"
        );
    }

    #[test]
    fn bodies_are_hashed_alike_wherever_it_is_done() {
        ownkey_testkit::block_on(async {
            let long = Bytes::from(vec![7; HASHED_INLINE + 1]);
            let payload = Payload::of(long.clone()).await;
            assert_eq!(payload.sha256, Payload::hashed(long).sha256);
            assert_eq!(
                hex(&Payload::none().sha256),
                reqsign_aws_v4::EMPTY_STRING_SHA256
            );
        });
    }
}
