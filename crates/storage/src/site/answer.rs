//! What a status that is no success means, in the words of the storage contract.

use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::Site;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::Answer;

impl Site {
    /// The error that an answer without success stands for.
    pub(crate) fn refusal(&self, operation: Operation, answer: &Answer) -> StorageError {
        let (kind, words) = match meaning(answer.status) {
            // What is not found by who brings it is the place.
            (StorageErrorKind::NotFound, words) if operation == Operation::Create => {
                (StorageErrorKind::NoSuchRepositoryFolder, words)
            }
            meaning => meaning,
        };
        let status = answer.status.as_u16();
        let detail = match self.redirect(answer) {
            Some(host) => format!("it redirects to {host}, which is never followed"),
            None if words.is_empty() => format!("HTTP status {status}"),
            None => format!("HTTP status {status}: {words}"),
        };
        let error = StorageError::new(kind, operation, self.location()).saying(detail);
        match wait(&answer.headers) {
            Some(wait) if kind.is_transient() => error.retry_after(wait),
            _ => error,
        }
    }

    /// The host that an answer points to.
    fn redirect(&self, answer: &Answer) -> Option<String> {
        let target = self.target(answer)?;
        Some(
            target
                .host_str()
                .unwrap_or("another kind of place")
                .to_owned(),
        )
    }

    /// Whether an answer points from a path to the same path as a folder.
    pub(crate) fn points_to_folder(&self, answer: &Answer, path: &str) -> bool {
        let folder = Url::parse(&self.address(&format!("{path}/")));
        let target = self.target(answer);
        target.is_some_and(|target| folder.is_ok_and(|folder| folder.path() == target.path()))
    }

    fn target(&self, answer: &Answer) -> Option<Url> {
        if !answer.status.is_redirection() {
            return None;
        }
        let target = answer.headers.get(LOCATION)?.to_str().ok()?;
        self.base().join(target).ok()
    }
}

fn meaning(status: StatusCode) -> (StorageErrorKind, &'static str) {
    use StorageErrorKind as Kind;
    match status.as_u16() {
        401 => (
            Kind::PermissionDenied,
            "check the user name and the password; Nextcloud and others with two factors want an \
             app password, made in their security settings",
        ),
        403 => (Kind::PermissionDenied, "this user may not do that here"),
        404 | 410 => (Kind::NotFound, ""),
        413 => (
            Kind::Other,
            "the service takes no upload of this size: raise its limit to 72 MiB or more",
        ),
        416 => (Kind::InvalidRange, ""),
        423 => (Kind::Unavailable, "somebody else has locked it"),
        507 => (Kind::Full, ""),
        405 | 501 => (Kind::Unsupported, "the service does not know this method"),
        408 | 425 | 429 | 500 | 502..=599 => (Kind::Unavailable, ""),
        300..=399 => (Kind::Other, "a redirect without an address"),
        _ => (Kind::BrokenContract, ""),
    }
}

/// How long to stay away; a date is passed over, for nobody here knows the time.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;
    use crate::http::{Cleartext, Endpoint};

    fn site() -> Site {
        let endpoint = Endpoint::new("https://h/dav", Cleartext::OnLoopback).expect("an endpoint");
        Site::new("webdav", &endpoint, None)
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: map,
            body: Bytes::new(),
        }
    }

    #[test]
    fn statuses_become_kinds() {
        for (status, kind) in [
            (401, StorageErrorKind::PermissionDenied),
            (403, StorageErrorKind::PermissionDenied),
            (404, StorageErrorKind::NotFound),
            (418, StorageErrorKind::BrokenContract),
            (423, StorageErrorKind::Unavailable),
            (429, StorageErrorKind::Unavailable),
            (500, StorageErrorKind::Unavailable),
            (501, StorageErrorKind::Unsupported),
            (503, StorageErrorKind::Unavailable),
            (507, StorageErrorKind::Full),
        ] {
            let error = site().refusal(Operation::Get, &answer(status, &[]));
            assert_eq!(error.kind(), kind, "{status}");
        }
    }

    #[test]
    fn a_creation_that_finds_no_place_does_not_speak_of_an_object() {
        let error = site().refusal(Operation::Create, &answer(404, &[]));
        assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
    }

    #[test]
    fn a_service_may_say_how_long_to_stay_away() {
        let busy = site().refusal(Operation::Get, &answer(503, &[("retry-after", "7")]));
        assert_eq!(busy.wait(), Some(Duration::from_secs(7)));
        let refused = site().refusal(Operation::Get, &answer(403, &[("retry-after", "7")]));
        assert_eq!(refused.wait(), None);
    }

    #[test]
    fn a_redirect_names_the_host_and_nothing_else_of_it() {
        let elsewhere = [("location", "https://evil.example/x?token=1")];
        let message = site()
            .refusal(Operation::Get, &answer(302, &elsewhere))
            .to_string();
        assert!(message.contains("redirects to evil.example,"), "{message}");
        assert!(!message.contains("token"), "{message}");
        let folder = answer(301, &[("location", "/dav/data/")]);
        assert!(site().points_to_folder(&folder, "data"));
        assert!(!site().points_to_folder(&folder, "other"));
    }
}
