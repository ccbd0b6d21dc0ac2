//! One answer of a listing, read strictly.

use std::str::FromStr as _;
use std::time::SystemTime;

use http::Method;
use reqsign_core::time::Timestamp;

use super::bucket::Bucket;
use super::wire::{Call, Question};
use crate::error::{StorageError, StorageErrorKind};
use crate::object::{VersionId, VersionState};
use crate::xml::Element;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// All objects under a prefix.
    Objects,
    /// The objects and folders directly under a prefix.
    Folder,
    /// All versions under a prefix.
    Versions,
}

/// Where a listing goes on, as parameters of the next question.
pub(super) type Cursor = Vec<(&'static str, String)>;

/// One entry, ours or not.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) version: Option<VersionId>,
    pub(super) modified: Option<SystemTime>,
    pub(super) state: VersionState,
}

/// One answer.
pub(super) struct Listing {
    pub(super) found: Vec<Found>,
    /// Keys of folders, each ending in `/`.
    pub(super) folders: Vec<String>,
    /// Where to go on, unless this was the end.
    pub(super) next: Option<Cursor>,
}

impl Bucket {
    /// Asks for one page of what is under a key.
    pub(super) async fn listing(
        &self,
        call: &Call<'_>,
        subject: Subject,
        under: &str,
        page: (&Cursor, usize),
    ) -> Result<Listing, StorageError> {
        let question = Question::of_bucket(Method::GET);
        let (question, root) = match subject {
            Subject::Versions => (question.with("versions", ""), "ListVersionsResult"),
            Subject::Objects => (question.with("list-type", "2"), "ListBucketResult"),
            Subject::Folder => (
                question.with("list-type", "2").with("delimiter", "/"),
                "ListBucketResult",
            ),
        };
        let (cursor, limit) = page;
        let question = question
            .with("encoding-type", "url")
            .with("max-keys", &limit.to_string())
            .with("prefix", under);
        let question = cursor.iter().fold(question, |question, (name, value)| {
            question.with(name, value)
        });
        let answer = self.demand(call, question).await?;
        let document = self.document(call, &answer, root)?;
        let broken = |what| call.error(StorageErrorKind::BrokenContract).saying(what);
        let listing =
            read(&document, subject).ok_or_else(|| broken("a listing with unreadable entries"))?;
        let keys = listing.found.iter().map(|found| &found.key);
        if keys
            .chain(&listing.folders)
            .any(|key| !key.starts_with(under))
        {
            return Err(broken("a listing of another prefix"));
        }
        Ok(listing)
    }
}

fn read(document: &Element, subject: Subject) -> Option<Listing> {
    let escaped = document.text_of("EncodingType") == Some("url");
    let key = |text: &str| match escaped {
        true => unescape(text),
        false => text.to_owned(),
    };
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for entry in document.children() {
        let deleted = match entry.name() {
            "Contents" | "Version" => false,
            "DeleteMarker" => true,
            "CommonPrefixes" => {
                folders.push(key(entry.text_of("Prefix")?));
                continue;
            }
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
    let next = match document.text_of("IsTruncated")? {
        "false" => None,
        "true" => Some(next(document, subject, found.last(), key)?),
        _ => return None,
    };
    Some(Listing {
        found,
        folders,
        next,
    })
}

/// Where to go on: where the service says, or after the last entry.
fn next(
    document: &Element,
    subject: Subject,
    last: Option<&Found>,
    key: impl Fn(&str) -> String,
) -> Option<Cursor> {
    let text = |name: &str| document.text_of(name).filter(|text| !text.is_empty());
    let after = |parameter| Some(vec![(parameter, last?.key.clone())]);
    if subject != Subject::Versions {
        let token = text("NextContinuationToken");
        return token
            .map(|token| vec![("continuation-token", token.to_owned())])
            .or_else(|| after("start-after"));
    }
    let Some(marker) = text("NextKeyMarker") else {
        return after("key-marker");
    };
    let version = text("NextVersionIdMarker");
    let version = version.map(|version| ("version-id-marker", version.to_owned()));
    let marker = ("key-marker", key(marker));
    Some([marker].into_iter().chain(version).collect())
}

/// RFC 3986 §2.1, with `+` for a space as forms have it. What is no escape stands for itself.
fn unescape(text: &str) -> String {
    let alone = text.replace('&', "%26").replace('=', "%3D");
    let decoded = url::form_urlencoded::parse(alone.as_bytes()).next();
    decoded.map(|(key, _)| key.into_owned()).unwrap_or_default()
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
        let parsed = |text: &str| {
            let document = Element::parse(text.as_bytes()).expect("a document");
            read(&document, Subject::Objects)
        };
        assert_eq!(parsed(whole).expect("a listing").found.len(), 1);
        for (from, to) in [
            ("<IsTruncated>false</IsTruncated>", ""),
            ("false", "perhaps"),
            ("<Size>1</Size>", ""),
            ("<Size>1</Size>", "<Size>-1</Size>"),
            ("<Key>a</Key>", ""),
        ] {
            let broken = whole.replace(from, to);
            assert!(parsed(&broken).is_none(), "{broken}");
        }
        let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        assert!(parsed(endless).is_none());
    }
}
