//! Listings of objects and of versions, page by page.
//!
//! Promise: a page is sorted, stays under its prefix and goes on where the one before ended, or it is
//! an error; what is not ours is passed over; and a service that never ends is left.

use std::str::FromStr as _;
use std::time::SystemTime;

use http::Method;
use reqsign_core::time::Timestamp;

use super::bucket::Bucket;
use super::wire::{Call, Question};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};
use crate::object::{
    MAX_PAGE, ObjectMeta, Page, VersionId, VersionMark, VersionMeta, VersionPage, VersionState,
};
use crate::xml::Element;

/// Pages without anything of ours that are read in a row: a million foreign objects.
const MAX_FOREIGN_PAGES: usize = 1000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Objects,
    Versions,
}

/// Where a listing goes on, as parameters of the next question.
type Cursor = Vec<(&'static str, String)>;

/// One entry of an answer, ours or not.
struct Found {
    key: String,
    version: Option<VersionId>,
    modified: Option<SystemTime>,
    state: VersionState,
}

/// One answer.
struct Listing {
    found: Vec<Found>,
    truncated: bool,
    next: Cursor,
}

impl Bucket {
    pub(super) async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let cursor = after.map(|name| ("start-after", self.key(name)));
        let mut walk = Walk::new(self, Subject::Objects, prefix, limit);
        walk.after = after.cloned();
        let (found, more) = walk.page(cursor.into_iter().collect()).await?;
        let objects = found.into_iter().filter_map(|(name, found)| {
            let VersionState::Stored { size } = found.state else {
                return None;
            };
            Some(ObjectMeta {
                name,
                size,
                modified: found.modified,
                version: found.version,
            })
        });
        Ok(Page {
            objects: objects.collect(),
            more,
        })
    }

    pub(super) async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let mut cursor = Cursor::new();
        if let Some(mark) = after {
            cursor.push(("key-marker", self.key(&mark.name)));
            let version = mark.version.as_ref();
            cursor.extend(version.map(|v| ("version-id-marker", v.as_str().to_owned())));
        }
        let walk = Walk::new(self, Subject::Versions, prefix, limit);
        let broken = || walk.broken("a version without a name or a time");
        let (found, more) = walk.page(cursor).await?;
        let versions = found.into_iter().map(|(name, found)| {
            Ok(VersionMeta {
                name,
                version: found.version.ok_or_else(broken)?,
                modified: found.modified.ok_or_else(broken)?,
                state: found.state,
            })
        });
        Ok(VersionPage {
            versions: versions.collect::<Result<_, StorageError>>()?,
            more,
        })
    }
}

/// The way to one page.
struct Walk<'a> {
    bucket: &'a Bucket,
    subject: Subject,
    prefix: &'a Prefix,
    limit: usize,
    call: Call<'a>,
    /// Objects up to here are known: some services do not know where to begin.
    after: Option<ObjectName>,
}

impl<'a> Walk<'a> {
    fn new(bucket: &'a Bucket, subject: Subject, prefix: &'a Prefix, limit: usize) -> Self {
        let operation = match subject {
            Subject::Objects => Operation::List,
            Subject::Versions => Operation::Versions,
        };
        Self {
            bucket,
            subject,
            prefix,
            limit: limit.clamp(1, MAX_PAGE),
            call: bucket.call(operation, None),
            after: None,
        }
    }

    /// What there is of ours in the first answer that has something of ours, and whether there may
    /// be more behind it.
    async fn page(
        &self,
        mut cursor: Cursor,
    ) -> Result<(Vec<(ObjectName, Found)>, bool), StorageError> {
        let mut last: Option<String> = None;
        for _ in 0..MAX_FOREIGN_PAGES {
            let listing = self.ask(&cursor).await?;
            self.check(&listing, last.as_deref())?;
            last = listing.found.last().map(|found| found.key.clone()).or(last);
            cursor = match (listing.next, &last) {
                (next, _) if !next.is_empty() => next,
                (_, Some(last)) => self.go_on_after(last),
                (..) => Cursor::new(),
            };
            let passed = last.as_ref().is_some_and(|last| self.is_past(last));
            let more = listing.truncated && !passed;
            let mut ours: Vec<_> = listing
                .found
                .into_iter()
                .filter_map(|found| Some((self.ours(&found.key)?, found)))
                .collect();
            let cut = ours.len() > self.limit;
            ours.truncate(self.limit);
            if !ours.is_empty() || !more {
                return Ok((ours, more || cut));
            }
            if cursor.is_empty() {
                return Err(self.broken("a page without an end and without entries"));
            }
        }
        Err(self.broken("a listing without an end"))
    }

    async fn ask(&self, cursor: &Cursor) -> Result<Listing, StorageError> {
        let (kind, root) = match self.subject {
            Subject::Objects => (("list-type", "2"), "ListBucketResult"),
            Subject::Versions => (("versions", ""), "ListVersionsResult"),
        };
        let under = format!("{}{}", self.bucket.prefix(), self.prefix);
        let mut question = Question::of_bucket(Method::GET)
            .with(kind.0, kind.1)
            .with("encoding-type", "url")
            .with("max-keys", &self.limit.to_string())
            .with("prefix", &under);
        for (parameter, value) in cursor {
            question = question.with(parameter, value);
        }
        let answer = self.bucket.demand(&self.call, question).await?;
        let document = self.bucket.document(&self.call, &answer, root)?;
        read(&document).ok_or_else(|| self.broken("a listing with unreadable entries"))
    }

    /// Keys sort by their bytes; only versions share one.
    fn check(&self, listing: &Listing, last: Option<&str>) -> Result<(), StorageError> {
        let under = format!("{}{}", self.bucket.prefix(), self.prefix);
        let mut last = last;
        for found in &listing.found {
            let in_order = match self.subject {
                Subject::Objects => last.is_none_or(|last| last < found.key.as_str()),
                Subject::Versions => last.is_none_or(|last| last <= found.key.as_str()),
            };
            if !in_order {
                return Err(self.broken("a listing that is out of order"));
            }
            if !found.key.starts_with(&under) {
                return Err(self.broken("a listing of another prefix"));
            }
            last = Some(&found.key);
        }
        Ok(())
    }

    fn ours(&self, key: &str) -> Option<ObjectName> {
        let name = ObjectName::new(key.strip_prefix(self.bucket.prefix())?).ok()?;
        let new = self.after.as_ref().is_none_or(|after| *after < name);
        (new && self.prefix.contains(&name)).then_some(name)
    }

    /// Whether nothing of ours can come after a key: the prefix is one name, and its turn is over.
    fn is_past(&self, key: &str) -> bool {
        let prefix = self.prefix.as_str();
        let one = !prefix.is_empty() && !prefix.ends_with('/');
        let wanted = self.bucket.prefix().len() + prefix.len();
        match self.subject {
            Subject::Objects => one,
            Subject::Versions => one && key.len() > wanted,
        }
    }

    fn go_on_after(&self, last: &str) -> Cursor {
        match self.subject {
            Subject::Objects => vec![("start-after", last.to_owned())],
            Subject::Versions => vec![("key-marker", last.to_owned())],
        }
    }

    fn broken(&self, what: &'static str) -> StorageError {
        self.call
            .error(StorageErrorKind::BrokenContract)
            .saying(what)
    }
}

fn read(document: &Element) -> Option<Listing> {
    let escaped = document.text_of("EncodingType") == Some("url");
    let key = |text: &str| {
        if escaped {
            unescape(text)
        } else {
            text.to_owned()
        }
    };
    let truncated = match document.text_of("IsTruncated")? {
        "true" => true,
        "false" => false,
        _ => return None,
    };
    let mut found = Vec::new();
    for entry in document.children() {
        let deleted = match entry.name() {
            "Contents" | "Version" => false,
            "DeleteMarker" => true,
            _ => continue,
        };
        let modified = entry.text_of("LastModified");
        found.push(Found {
            key: key(entry.text_of("Key")?),
            version: entry.text_of("VersionId").map(VersionId::new),
            modified: modified
                .and_then(|text| Timestamp::from_str(text).ok())
                .map(Timestamp::as_system_time),
            state: if deleted {
                VersionState::Deleted
            } else {
                let size = entry.text_of("Size")?.parse().ok()?;
                VersionState::Stored { size }
            },
        });
    }
    Some(Listing {
        found,
        truncated,
        next: next(document, key),
    })
}

fn next(document: &Element, key: impl Fn(&str) -> String) -> Cursor {
    let text = |name: &str| document.text_of(name).filter(|text| !text.is_empty());
    let token = text("NextContinuationToken").map(|it| ("continuation-token", it.to_owned()));
    let marker = text("NextKeyMarker").map(|it| ("key-marker", key(it)));
    let version = text("NextVersionIdMarker").map(|it| ("version-id-marker", it.to_owned()));
    token.into_iter().chain(marker).chain(version).collect()
}

/// RFC 3986 §2.1, with `+` for a space as forms have it. What is no escape stands for itself.
fn unescape(text: &str) -> String {
    let decoded =
        url::form_urlencoded::parse(text.replace('&', "%26").replace('=', "%3D").as_bytes())
            .next()
            .map(|(key, _)| key.into_owned());
    decoded.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unescaped_as_services_escape_them() {
        assert_eq!(unescape("a%2Fb+c%26=d&e"), "a/b c&=d&e");
        assert_eq!(unescape("data/ab"), "data/ab");
        assert_eq!(unescape(""), "");
    }

    #[test]
    fn a_listing_without_its_end_is_no_listing() {
        let whole = "<ListBucketResult><IsTruncated>false</IsTruncated>\
                     <Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
        let document = Element::parse(whole.as_bytes()).expect("a document");
        assert_eq!(read(&document).expect("a listing").found.len(), 1);
        for (from, to) in [
            ("<IsTruncated>false</IsTruncated>", ""),
            ("false", "perhaps"),
            ("<Size>1</Size>", ""),
            ("<Size>1</Size>", "<Size>-1</Size>"),
            ("<Key>a</Key>", ""),
        ] {
            let broken = whole.replace(from, to);
            let document = Element::parse(broken.as_bytes()).expect("a document");
            assert!(read(&document).is_none(), "{broken}");
        }
    }
}
