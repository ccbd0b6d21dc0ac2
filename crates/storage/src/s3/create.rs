//! Creation: one conditional PUT.
//!
//! Promise: the service checks the body against a sum; where it can, it refuses to replace what
//! exists, at the same moment at which it stores.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::IF_NONE_MATCH;
use http::{HeaderName, Method, StatusCode};
use md5::{Digest as _, Md5};
use reqsign_core::time::Timestamp;

use super::bucket::{Bucket, Dialect};
use super::refusal::Refusal;
use super::wire::{Call, Payload, Question};
use crate::capabilities::CreateIfAbsent;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::Answer;
use crate::limits::MAX_OBJECT_BYTES;
use crate::name::ObjectName;
use crate::xml::Element;

pub(super) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const LOCK_MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const LOCK_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

const BYTES: &str = "application/octet-stream";

/// File data, which a restore reads in bulk; everything else must be at hand at once.
const BULK: &str = "data/";

impl Bucket {
    pub(super) async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let call = self.call(Operation::Create, Some(name));
        if body.len() as u64 > MAX_OBJECT_BYTES {
            return Err(call.error(StorageErrorKind::TooLarge));
        }
        let checked = self.options.capabilities.create_if_absent == CreateIfAbsent::Checked;
        if checked && self.exists(&call, name).await? {
            return Err(call.error(StorageErrorKind::AlreadyExists));
        }
        let payload = Payload::of(body).await;
        let mut dialect = self.habits.dialect();
        loop {
            let question = self.creation(name, &payload, dialect).await;
            let answer = self.ask(&call, question).await?;
            if answer.status.is_success() {
                self.habits.speaks(dialect);
                return self.accepted(&call, &answer);
            }
            if answer.status == StatusCode::PRECONDITION_FAILED {
                return Err(self.taken(&call, name).await?);
            }
            // Refused for how it was put, so nothing is stored: put it more simply.
            let simpler = match dialect {
                Dialect::Full => Some(Dialect::OldSum),
                Dialect::OldSum if checked => Some(Dialect::Unconditional),
                Dialect::OldSum | Dialect::Unconditional => None,
            };
            match simpler.filter(|_| Refusal::read(&answer).is_ignorance()) {
                Some(simpler) => dialect = simpler,
                None => return Err(self.refused(&call, &answer)),
            }
        }
    }

    /// Whether there is an object of that name now.
    pub(super) async fn exists(
        &self,
        call: &Call<'_>,
        name: &ObjectName,
    ) -> Result<bool, StorageError> {
        let question = Question::of_key(Method::HEAD, self.key(name));
        let answer = self.ask(call, question).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refused(call, &answer)),
        }
    }

    /// Why a name cannot be created: an object has it, or where folders are real, a folder.
    async fn taken(
        &self,
        call: &Call<'_>,
        name: &ObjectName,
    ) -> Result<StorageError, StorageError> {
        if self.exists(call, name).await? {
            return Ok(call.error(StorageErrorKind::AlreadyExists));
        }
        Ok(call
            .error(StorageErrorKind::Unsupported)
            .saying("something that is no object has that name"))
    }

    async fn creation(&self, name: &ObjectName, payload: &Payload, dialect: Dialect) -> Question {
        let question = Question::of_key(Method::PUT, self.key(name));
        let question = match dialect {
            Dialect::Full => question.saying(CHECKSUM, &BASE64_STANDARD.encode(payload.sha256)),
            Dialect::OldSum | Dialect::Unconditional => {
                question.saying(CONTENT_MD5, &md5_of(&payload.bytes).await)
            }
        };
        let question = match dialect {
            Dialect::Full | Dialect::OldSum => question.saying(IF_NONE_MATCH, "*"),
            Dialect::Unconditional => question,
        };
        let class = self.options.storage_class.as_deref();
        let question = match class.filter(|_| name.as_str().starts_with(BULK)) {
            Some(class) => question.saying(STORAGE_CLASS, class),
            None => question,
        };
        let lock = self.options.lock;
        let question = match lock.period {
            Some(period) => question
                .saying(LOCK_MODE, lock.mode.as_str())
                .saying(LOCK_UNTIL, &timestamp((self.options.clock)() + period)),
            None => question,
        };
        question.carrying(payload.clone(), BYTES)
    }

    /// Some services begin to answer before they have done it, and say in the body how it ended.
    pub(super) fn accepted(&self, call: &Call<'_>, answer: &Answer) -> Result<(), StorageError> {
        let failed = Element::parse(&answer.body).is_ok_and(|body| body.name() == "Error");
        if failed {
            return Err(self.refused(call, answer));
        }
        Ok(())
    }
}

/// The sum that every service knows. It guards against accidents; nobody trusts it with more.
pub(super) async fn md5_of(bytes: &Bytes) -> String {
    let apart = bytes.clone();
    let sum = move || BASE64_STANDARD.encode(Md5::digest(&apart));
    let computed = tokio::task::spawn_blocking(sum).await;
    // Only a runtime that is about to end leaves it undone.
    computed.unwrap_or_default()
}

/// A time as S3 writes it, in whole seconds and never earlier than what was meant.
pub(super) fn timestamp(time: std::time::SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let up = u64::from(since.subsec_nanos() > 0);
    let seconds = i64::try_from(since.as_secs() + up).unwrap_or(i64::MAX);
    // The last second of the year 9999, which is where the notation ends.
    let last = 253_402_207_200;
    let stamp = Timestamp::from_second(seconds.min(last)).unwrap_or_default();
    stamp.format_rfc3339_zulu()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_written_in_whole_seconds_and_never_too_short() {
        let at = |nanos| timestamp(UNIX_EPOCH + Duration::new(1_000_000_000, nanos));
        assert_eq!(at(0), "2001-09-09T01:46:40Z");
        assert_eq!(at(1), "2001-09-09T01:46:41Z");
        let far = timestamp(UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 1000));
        assert!(far.starts_with("9999-12-"), "{far}");
    }
}
