//! What a service means by an answer that is not a success.
//!
//! Promise: the service's own words reach a person, cleaned and cut; what a person can do about the
//! usual ones is said.

use std::time::Duration;

use http::header::{DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode, Uri};
use reqsign_core::time::Timestamp;

use super::options::S3Options;
use super::wire::Call;
use crate::error::{StorageError, StorageErrorKind};
use crate::http::Answer;
use crate::xml::Element;

/// The most characters of a service's words that reach a message.
const MAX_WORDS: usize = 300;
/// Longer than anybody should be told to wait by a storage.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// A service's reason, as far as it gave one.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
    /// The region that it wants to be asked in.
    region: Option<String>,
    /// The host that it wants to be asked at.
    host: Option<String>,
}

impl Refusal {
    pub(super) fn read(answer: &Answer) -> Self {
        let body = Element::parse(&answer.body).unwrap_or_default();
        let mut refusal = Self::told(answer.status, &body);
        if refusal.region.is_none() {
            refusal.region = header(&answer.headers, "x-amz-bucket-region");
        }
        let elsewhere = header(&answer.headers, LOCATION.as_str())
            .and_then(|url| url.parse::<Uri>().ok())
            .and_then(|url| url.host().map(str::to_owned));
        refusal.host = elsewhere.or(refusal.host);
        refusal
    }

    /// The reason that stands in an element with a code and a message.
    pub(super) fn told(status: StatusCode, body: &Element) -> Self {
        let text = |name: &str| body.text_of(name).filter(|text| !text.is_empty());
        Self {
            status,
            code: clean(text("Code").unwrap_or_default()),
            message: clean(text("Message").unwrap_or_default()),
            region: text("Region").map(clean),
            host: text("Endpoint").map(clean),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }

    /// Whether the service does not know what was asked of it, as opposed to refusing it.
    pub(super) fn is_ignorance(&self) -> bool {
        matches!(self.status.as_u16(), 405 | 501)
            || self.is(&["NotImplemented", "MethodNotAllowed"])
            || (self.status == StatusCode::BAD_REQUEST
                && self.is(&["InvalidArgument", "InvalidRequest", "UnsupportedHeader"]))
    }

    pub(super) fn kind(&self) -> StorageErrorKind {
        use StorageErrorKind as Kind;
        match self.code.as_str() {
            "NoSuchBucket" => return Kind::NoSuchRepositoryFolder,
            "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => {
                return Kind::Full;
            }
            "EntityTooLarge" => return Kind::TooLarge,
            // Torn on the way, or asked again too soon: the next time may be better.
            "RequestTimeout"
            | "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "SlowDown"
            | "ConditionalRequestConflict"
            | "OperationAborted"
            | "InternalError"
            | "ServiceUnavailable" => return Kind::Unavailable,
            // The entries of a bulk deletion have a code and no status.
            "AccessDenied"
            | "ExpiredToken"
            | "InvalidToken"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed" => return Kind::PermissionDenied,
            "InvalidObjectState" => return Kind::Other,
            _ if self.elsewhere().is_some() => return Kind::NoSuchRepositoryFolder,
            _ => {}
        }
        match self.status.as_u16() {
            401 | 403 => Kind::PermissionDenied,
            404 => Kind::NotFound,
            408 | 429 => Kind::Unavailable,
            413 => Kind::TooLarge,
            416 => Kind::InvalidRange,
            405 | 501 => Kind::Unsupported,
            507 => Kind::Full,
            500..600 => Kind::Unavailable,
            200..300 => Kind::BrokenContract,
            _ => Kind::Other,
        }
    }

    /// Where the service says that the bucket is.
    fn elsewhere(&self) -> Option<String> {
        let sent = self.status.is_redirection()
            || self.is(&[
                "AuthorizationHeaderMalformed",
                "PermanentRedirect",
                "TemporaryRedirect",
            ]);
        let region = self
            .region
            .as_ref()
            .map(|region| format!("region {region}"));
        let host = self.host.as_ref().map(|host| format!("host {host}"));
        let named: Vec<String> = region.into_iter().chain(host).collect();
        match (sent, named.is_empty()) {
            (false, _) => None,
            (true, true) if self.status.is_redirection() => {
                Some("the service sends us elsewhere and does not say where".to_owned())
            }
            (true, true) => None,
            (true, false) => Some(format!(
                "the service has the bucket at {}",
                named.join(", ")
            )),
        }
    }

    fn words(&self) -> String {
        let advice = match self.code.as_str() {
            "InvalidObjectState" => "it lies in an archive: ask the service to restore it first",
            "InvalidAccessKeyId" => "the service does not know this access key",
            "SignatureDoesNotMatch" => "the secret key is wrong, or the region is",
            _ => "",
        };
        let said = match (self.code.as_str(), self.message.as_str()) {
            ("", "") => format!("the service answered {}", self.status.as_u16()),
            (code, "") => format!("the service says {code}"),
            ("", message) => format!("the service says: {message}"),
            (code, message) => format!("the service says {code}: {message}"),
        };
        let parts = [
            advice.to_owned(),
            self.elsewhere().unwrap_or_default(),
            said,
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("; ")
    }

    /// The error of a call that was refused so.
    pub(super) fn explain(&self, call: &Call<'_>) -> StorageError {
        call.error(self.kind()).saying(self.words())
    }
}

/// The error of a call with this answer.
pub(super) fn refused(call: &Call<'_>, answer: &Answer, options: &S3Options) -> StorageError {
    let refusal = Refusal::read(answer);
    let mut words = refusal.words();
    if refusal.is(&["RequestTimeTooSkewed"]) {
        let gap = clock_gap(answer, options);
        words = format!("{gap}set the clock of this machine; {words}");
    }
    let error = call.error(refusal.kind()).saying(words);
    match wait(&answer.headers) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// How far the clocks differ, as far as the service tells its time.
fn clock_gap(answer: &Answer, options: &S3Options) -> String {
    let theirs = header(&answer.headers, DATE.as_str());
    let Some(theirs) = theirs.and_then(|date| Timestamp::parse_rfc2822(&date).ok()) else {
        return String::new();
    };
    let theirs = theirs.as_system_time();
    let ours = (options.clock)();
    match (theirs.duration_since(ours), ours.duration_since(theirs)) {
        (Ok(late), _) => format!("this machine's clock is {} s behind; ", late.as_secs()),
        (_, Ok(early)) => format!("this machine's clock is {} s ahead; ", early.as_secs()),
        _ => String::new(),
    }
}

/// How long the service asks to be left alone, where it says so in seconds.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = header(headers, RETRY_AFTER.as_str())?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(clean(headers.get(name)?.to_str().ok()?))
}

/// Hostile words, made fit for one line.
pub(super) fn clean(words: &str) -> String {
    let cleaned: String = words
        .chars()
        .take(MAX_WORDS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::error::Operation;
    use crate::location::Location;

    fn error(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> StorageError {
        let mut answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        for (name, value) in headers {
            answer
                .headers
                .insert(*name, http::HeaderValue::from_static(value));
        }
        let location = Location::remote("s3://host/bucket");
        let call = Call {
            operation: Operation::Get,
            name: None,
            location: &location,
        };
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let options = S3Options::unprobed(std::sync::Arc::new(move || noon));
        refused(&call, &answer, &options)
    }

    fn coded(status: u16, code: &str) -> StorageErrorKind {
        error(status, &[], &format!("<Error><Code>{code}</Code></Error>")).kind()
    }

    #[test]
    fn every_reason_has_the_kind_that_callers_act_on() {
        use StorageErrorKind as Kind;
        for (status, code, kind) in [
            (404, "NoSuchKey", Kind::NotFound),
            (404, "NoSuchBucket", Kind::NoSuchRepositoryFolder),
            (403, "AccessDenied", Kind::PermissionDenied),
            (403, "QuotaExceeded", Kind::Full),
            (507, "XMinioStorageFull", Kind::Full),
            (503, "SlowDown", Kind::Unavailable),
            (409, "ConditionalRequestConflict", Kind::Unavailable),
            (400, "RequestTimeout", Kind::Unavailable),
            (400, "BadDigest", Kind::Unavailable),
            (400, "ExpiredToken", Kind::PermissionDenied),
            (500, "InternalError", Kind::Unavailable),
            (501, "NotImplemented", Kind::Unsupported),
            (416, "InvalidRange", Kind::InvalidRange),
            (403, "InvalidObjectState", Kind::Other),
            (400, "Whatever", Kind::Other),
            (200, "Whatever", Kind::BrokenContract),
            // As in bulk deletions and in answers that began too early.
            (400, "AccessDenied", Kind::PermissionDenied),
            (200, "InternalError", Kind::Unavailable),
        ] {
            assert_eq!(coded(status, code), kind, "{status} {code}");
        }
        // Bodies of proxies, and none at all.
        for body in ["", "<html>", "gateway timeout"] {
            assert_eq!(error(504, &[], body).kind(), Kind::Unavailable);
            assert_eq!(error(403, &[], body).kind(), Kind::PermissionDenied);
        }
    }

    #[test]
    fn a_bucket_elsewhere_is_named_and_not_gone_to() {
        let moved = error(301, &[("x-amz-bucket-region", "eu-west-1")], "");
        assert_eq!(moved.kind(), StorageErrorKind::NoSuchRepositoryFolder);
        assert!(moved.to_string().contains("region eu-west-1"), "{moved}");
        let sent = error(307, &[("location", "https://evil.example/x?token=1")], "");
        assert!(sent.to_string().contains("host evil.example"), "{sent}");
        assert!(!sent.to_string().contains("token"), "{sent}");
    }

    #[test]
    fn clocks_that_differ_are_compared() {
        let date = [("date", "Tue, 14 Nov 2023 23:13:20 GMT")];
        let body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
        let error = error(403, &date, body);
        let words = error.to_string();
        assert!(
            words.contains("this machine's clock is 3600 s behind"),
            "{words}"
        );
    }

    #[test]
    fn waits_are_believed_in_seconds_and_up_to_an_hour() {
        let wait = |text| error(503, &[("retry-after", text)], "").wait();
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(MAX_WAIT));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn hostile_words_are_one_short_line() {
        let body = format!(
            "<Error><Code>A&#27;[31m&#10;B</Code><Message>{}</Message></Error>",
            "x".repeat(10_000)
        );
        let message = error(400, &[], &body).to_string();
        assert!(!message.chars().any(char::is_control), "{message}");
        assert!(message.len() < 1000, "{} bytes", message.len());
    }
}
