//! Where a service answers: one checked URL, without secrets.
//!
//! Promise: whatever is sent there is encrypted, unless it stays on this machine or somebody said
//! that it need not be; and the text of it can stand in messages.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

/// Where requests may go unencrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cleartext {
    /// Within this machine.
    #[default]
    OnLoopback,
    /// Anywhere: somebody said so.
    Anywhere,
}

/// The checked URL of a service; its path ends in `/`.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is not the URL of a service.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// No URL at all. The text is not repeated: it may hold a secret.
    #[error("not a URL: {0}")]
    Malformed(url::ParseError),
    /// Neither `https` nor `http`.
    #[error("the URL of a service begins with https://")]
    Scheme,
    /// Unencrypted, and not on this machine.
    #[error(
        "http:// to {host} would show the traffic to everybody on the way: use https://, or allow unencrypted connections explicitly"
    )]
    Cleartext {
        /// The host.
        host: String,
    },
    /// A user name or password.
    #[error("credentials do not belong into a URL: it is shown in messages and lists of processes")]
    Credentials,
    /// A query or a fragment.
    #[error("the URL of a service has neither ? nor #")]
    Superfluous,
}

impl Endpoint {
    /// Checks and keeps a URL.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: &str, cleartext: Cleartext) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(EndpointError::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(EndpointError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Superfluous);
        }
        let open = url.scheme() == "http" && cleartext == Cleartext::OnLoopback;
        if open && !is_loopback(&url) {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(EndpointError::Cleartext { host });
        }
        if !url.path().ends_with('/') {
            let folder = format!("{}/", url.path());
            url.set_path(&folder);
        }
        Ok(Self(url))
    }

    /// The URL.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether requests there are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, as it is spelled in a URL.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The host, and the port unless it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Whether the host is a number and not a name.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        !matches!(self.0.host(), Some(Host::Domain(_)))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // RFC 6761 §6.3: these names stay on this machine.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<String, EndpointError> {
        Endpoint::new(text, Cleartext::OnLoopback).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn unencrypted_requests_stay_on_this_machine_unless_somebody_said_otherwise() {
        for text in [
            "http://127.0.0.1:9000",
            "http://[::1]/x",
            "http://localhost",
            "http://a.localhost/",
            "https://host",
        ] {
            assert!(open(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1", "http://localhost.example.com/"] {
            let error = open(text).expect_err(text);
            assert!(matches!(error, EndpointError::Cleartext { .. }), "{error}");
            assert!(Endpoint::new(text, Cleartext::Anywhere).is_ok());
        }
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        for text in ["https://user:sesame@host/", "https://sesame@host/"] {
            let error = open(text).expect_err("refused");
            assert_eq!(error, EndpointError::Credentials);
            assert!(!error.to_string().contains("sesame"));
        }
        let error = open("https://user:sesame@ho st/").expect_err("refused");
        assert!(!error.to_string().contains("sesame"), "{error}");
        assert_eq!(open("https://h/?k=sesame"), Err(EndpointError::Superfluous));
        assert_eq!(open("ftp://host/"), Err(EndpointError::Scheme));
    }

    #[test]
    fn one_place_has_one_spelling() {
        assert_eq!(
            open("HTTPS://Host:443/a/../b").expect("it"),
            "https://host/b/"
        );
        let endpoint = Endpoint::new("https://h:8443", Cleartext::OnLoopback).expect("it");
        assert_eq!(endpoint.authority(), "h:8443");
        assert!(!endpoint.is_numeric());
    }
}
