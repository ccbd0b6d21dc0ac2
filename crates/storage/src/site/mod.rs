//! A service behind HTTP: where it is, who we are there, and what its statuses mean.
//!
//! Promise: credentials go to the host they were given for and are in no URL, message or `Debug`.

mod answer;
mod deletions;
mod part;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Builder;
use http::{HeaderValue, Method, Request};
use url::Url;

use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::{Answer, Endpoint, HttpClient};
use crate::location::Location;

pub(crate) use deletions::delete_each;
pub(crate) use part::part;

/// The folder of a service that a repository lives in, and who asks for it.
#[derive(Debug, Clone)]
pub struct Site {
    base: Url,
    location: Location,
    credentials: Option<Credentials>,
}

/// A user's name that basic authentication cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user name has no colon and no control characters")]
pub struct UserNameError;

/// A user and a password, as basic authentication (RFC 7617) sends them.
#[derive(Clone)]
pub struct Credentials(HeaderValue);

impl Credentials {
    /// Basic authentication.
    ///
    /// # Errors
    /// Where the name has a colon or a control character.
    pub fn basic(user: &str, password: &str) -> Result<Self, UserNameError> {
        if user.chars().any(|c| c == ':' || c.is_control()) {
            return Err(UserNameError);
        }
        let both = STANDARD.encode(format!("{user}:{password}"));
        let mut header =
            HeaderValue::try_from(format!("Basic {both}")).map_err(|_| UserNameError)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials")
    }
}

impl Site {
    /// A folder at an endpoint. `protocol` is the word that tells its places from those of other
    /// protocols.
    #[must_use]
    pub fn new(protocol: &str, endpoint: &Endpoint, credentials: Option<Credentials>) -> Self {
        Self {
            base: endpoint.as_url().clone(),
            location: Location::remote(&format!("{protocol}:{endpoint}")),
            credentials,
        }
    }

    /// Another place in messages: a child's pipes have no address, though HTTP wants one.
    pub(crate) fn called(self, location: Location) -> Self {
        Self { location, ..self }
    }

    /// Where it is, for messages.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The folder's address, ending in `/`.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a path beneath the folder; the path is made of characters that need no escape.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Begins a request about a path.
    pub(crate) fn request(&self, method: Method, path: &str) -> Builder {
        self.request_at(method, &self.address(path))
    }

    /// Begins a request about an address of this service.
    pub(crate) fn request_at(&self, method: Method, address: &str) -> Builder {
        let builder = Request::builder().method(method).uri(address);
        match &self.credentials {
            Some(credentials) => builder.header(AUTHORIZATION, &credentials.0),
            None => builder,
        }
    }

    /// Sends a request; an answer of any status is not an error here.
    pub(crate) async fn ask(
        &self,
        http: &HttpClient,
        operation: Operation,
        request: (Builder, Bytes),
        most: u64,
    ) -> Result<Answer, StorageError> {
        let (builder, body) = request;
        let fail = |kind| StorageError::new(kind, operation, &self.location);
        let request = builder
            .body(body)
            .map_err(|error| fail(StorageErrorKind::Other).caused_by(error))?;
        http.exchange(request, most)
            .await
            .map_err(|failure| failure.under(fail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Cleartext;

    fn site(address: &str, credentials: Option<Credentials>) -> Site {
        let endpoint = Endpoint::new(address, Cleartext::OnLoopback).expect("an endpoint");
        Site::new("webdav", &endpoint, credentials)
    }

    #[test]
    fn an_address_ends_as_a_folder() {
        let site = site("https://cloud.example/dav/My%20Files", None);
        assert_eq!(
            site.address("data/x"),
            "https://cloud.example/dav/My%20Files/data/x"
        );
        assert_eq!(
            site.location().as_str(),
            "webdav:https://cloud.example/dav/My%20Files/"
        );
    }

    #[test]
    fn a_password_is_sent_and_never_shown() {
        let credentials = Credentials::basic("me", "secret: öäü").expect("credentials");
        let site = site("https://h/", Some(credentials));
        assert!(!format!("{site:?}").contains("c2VjcmV0"));
        let request = site.request(Method::GET, "x").body(()).expect("a request");
        assert!(!format!("{request:?}").contains("Basic"));
        let sent = &request.headers()[AUTHORIZATION];
        assert_eq!(
            sent,
            &format!("Basic {}", STANDARD.encode("me:secret: öäü"))
        );
        assert!(Credentials::basic("a:b", "x").is_err());
        assert!(Credentials::basic("a\n", "x").is_err());
    }
}
