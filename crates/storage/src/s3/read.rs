//! Reading: whole objects, exact ranges, versions.
//!
//! Promise: what is returned has the length that the service announced, and a range is exactly what
//! was asked for, also from services that ignore ranges or answer them oddly.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, Method, StatusCode};

use super::bucket::Bucket;
use super::refusal::Refusal;
use super::wire::{Call, Question};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::Answer;
use crate::limits::MAX_OBJECT_BYTES;
use crate::name::ObjectName;
use crate::object::VersionId;

impl Bucket {
    pub(super) async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let call = self.call(Operation::Get, Some(name));
        let question = Question::of_key(Method::GET, self.key(name)).at_most(MAX_OBJECT_BYTES);
        let answer = self.demand(&call, question).await?;
        whole(&call, answer)
    }

    pub(super) async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        let call = self.call(Operation::GetVersion, Some(name));
        let question = Question::of_key(Method::GET, self.key(name))
            .with("versionId", version.as_str())
            .at_most(MAX_OBJECT_BYTES);
        let answer = self.ask(&call, question).await?;
        if answer.status.is_success() {
            return whole(&call, answer);
        }
        // A deletion is a version without bytes, which S3 says so; and a service may refuse the
        // spelling of a version that it never gave to anybody.
        let refusal = Refusal::read(&answer);
        let absent = refusal.status() == StatusCode::METHOD_NOT_ALLOWED
            || refusal.is(&["NoSuchVersion", "InvalidArgument", "InvalidVersionId"]);
        if absent {
            return Err(call.error(StorageErrorKind::NotFound));
        }
        Err(self.refused(&call, &answer))
    }

    pub(super) async fn get_range(
        &self,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let call = self.call(Operation::GetRange, Some(name));
        // Longer than any object: no object holds it.
        if range.is_empty() || range.end > MAX_OBJECT_BYTES {
            return Err(call.error(StorageErrorKind::InvalidRange));
        }
        let wanted = format!("bytes={}-{}", range.start, range.end - 1);
        let question = Question::of_key(Method::GET, self.key(name))
            .saying(RANGE, &wanted)
            .at_most(MAX_OBJECT_BYTES);
        let answer = self.demand(&call, question).await?;
        cut(&call, answer, &range)
    }
}

/// A body whose end is announced: without that, one that was cut off looks whole.
fn whole(call: &Call<'_>, answer: Answer) -> Result<Bytes, StorageError> {
    if answer.status == StatusCode::OK && answer.headers.contains_key(CONTENT_LENGTH) {
        return Ok(answer.body);
    }
    Err(call
        .error(StorageErrorKind::BrokenContract)
        .saying("its answer does not say how long the object is"))
}

fn cut(call: &Call<'_>, answer: Answer, range: &Range<u64>) -> Result<Bytes, StorageError> {
    let Some(given) = given_range(&answer.headers) else {
        if answer.status == StatusCode::PARTIAL_CONTENT {
            return Err(mixed_up(call));
        }
        // A service that ignores ranges sends the whole object.
        return slice(&whole(call, answer)?, range)
            .ok_or_else(|| call.error(StorageErrorKind::InvalidRange));
    };
    if given == *range && answer.body.len() as u64 == range.end - range.start {
        return Ok(answer.body);
    }
    // It gives what there is of it where the object ends earlier.
    if given.start == range.start && given.end < range.end {
        return Err(call.error(StorageErrorKind::InvalidRange));
    }
    Err(mixed_up(call))
}

fn mixed_up(call: &Call<'_>) -> StorageError {
    call.error(StorageErrorKind::BrokenContract)
        .saying("it gave other bytes than those asked for")
}

fn slice(body: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let start = usize::try_from(range.start).ok()?;
    let end = usize::try_from(range.end).ok()?;
    (end <= body.len()).then(|| body.slice(start..end))
}

/// RFC 9110 §14.4: `bytes 0-9/100`.
fn given_range(headers: &HeaderMap) -> Option<Range<u64>> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let first = first.parse().ok()?;
    let last: u64 = last.parse().ok()?;
    Some(first..last.checked_add(1)?)
}
