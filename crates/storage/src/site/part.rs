//! The bytes of a range, exactly, out of what a service answered.

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_RANGE;

use crate::error::StorageErrorKind;
use crate::http::Answer;

/// The bytes asked for. A whole object in answer to a range is as good; less than was asked is not.
///
/// # Errors
/// `InvalidRange` where the object does not hold all of the range, `BrokenContract` where the answer is
/// about other bytes.
pub(crate) fn part(answer: &Answer, range: &Range<u64>) -> Result<Bytes, StorageErrorKind> {
    let body = &answer.body;
    if answer.status == StatusCode::OK {
        let bounds = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok());
        return match bounds {
            Some((start, end)) if start <= end && end <= body.len() => Ok(body.slice(start..end)),
            _ => Err(StorageErrorKind::InvalidRange),
        };
    }
    let said = said(answer).ok_or(StorageErrorKind::BrokenContract)?;
    if said.whole.is_some_and(|whole| whole < range.end) {
        return Err(StorageErrorKind::InvalidRange);
    }
    let is_asked = said.part.as_ref() == Some(range);
    if is_asked && body.len() as u64 == range.end.saturating_sub(range.start) {
        return Ok(body.clone());
    }
    Err(StorageErrorKind::BrokenContract)
}

/// What a `Content-Range` (RFC 9110) says.
struct Said {
    part: Option<Range<u64>>,
    whole: Option<u64>,
}

fn said(answer: &Answer) -> Option<Said> {
    let text = answer.headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (part, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let part = part.split_once('-').and_then(|(first, last)| {
        let last: u64 = last.parse().ok()?;
        Some(first.parse().ok()?..last.checked_add(1)?)
    });
    Some(Said {
        part,
        whole: whole.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: StatusCode, range: &'static str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        if !range.is_empty() {
            headers.insert(CONTENT_RANGE, HeaderValue::from_static(range));
        }
        Answer {
            status,
            headers,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn only_the_bytes_asked_for_are_returned() {
        use StorageErrorKind::{BrokenContract, InvalidRange};
        for (said, body, expected) in [
            ("bytes 2-4/9", "abc", Ok("abc")),
            ("bytes 2-4/*", "abc", Ok("abc")),
            // The object ends before the range does.
            ("bytes 2-3/4", "ab", Err(InvalidRange)),
            ("bytes 2-1/2", "", Err(InvalidRange)),
            ("bytes 0--1/0", "", Err(InvalidRange)),
            // Other bytes than asked for.
            ("bytes 0-2/9", "abc", Err(BrokenContract)),
            ("bytes 2-4/9", "ab", Err(BrokenContract)),
            ("bytes 2-3/9", "ab", Err(BrokenContract)),
            ("bytes x-18446744073709551615/9", "abc", Err(BrokenContract)),
            ("", "abc", Err(BrokenContract)),
        ] {
            let answer = answer(StatusCode::PARTIAL_CONTENT, said, body);
            let got = part(&answer, &(2..5));
            assert_eq!(
                got,
                expected.map(|text| Bytes::from_static(text.as_bytes())),
                "{said}"
            );
        }
    }

    #[test]
    fn a_whole_object_holds_its_parts() {
        let whole = answer(StatusCode::OK, "", "0123456");
        assert_eq!(part(&whole, &(2..5)), Ok(Bytes::from_static(b"234")));
        assert_eq!(part(&whole, &(2..8)), Err(StorageErrorKind::InvalidRange));
        assert_eq!(
            part(&whole, &(9..u64::MAX)),
            Err(StorageErrorKind::InvalidRange)
        );
    }
}
