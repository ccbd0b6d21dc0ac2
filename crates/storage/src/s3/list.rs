//! Listings of objects.
//!
//! Promise: complete, sorted by the bytes of the names, without what is not ours. S3 says that keys
//! sort by their bytes, and most services do that. Some walk folder by folder instead, so that
//! `a/x` comes before `a-b`, and their pages cannot be sorted without reading on. They are listed by
//! folders, which costs a request for each folder and is right whatever the order.

use std::cmp::Reverse;

use futures_util::future::try_join_all;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};
use http::{HeaderMap, Method, StatusCode};
use reqsign_core::time::Timestamp;

use super::bucket::Bucket;
use super::listing::{Cursor, Found, Subject};
use super::wire::{Call, Question};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};
use crate::object::{MAX_PAGE, ObjectMeta, Page, VersionState};

/// Pages without anything of ours that are read in a row: a million foreign objects.
pub(super) const MAX_FOREIGN_PAGES: usize = 1000;

/// Folders asked for at the same time; the client has a bound of its own for all.
const FOLDERS_AT_ONCE: usize = 16;

/// What is wanted of a listing.
struct Wanted<'a> {
    call: Call<'a>,
    prefix: &'a Prefix,
    after: Option<&'a ObjectName>,
    limit: usize,
}

impl Bucket {
    pub(super) async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let wanted = Wanted {
            call: self.call(Operation::List, None),
            prefix,
            after,
            limit: limit.clamp(1, MAX_PAGE),
        };
        if let Some(name) = prefix.as_name() {
            return self.list_one(&wanted, &name).await;
        }
        if !self.habits.sorts_by_folders()
            && let Some(page) = self.list_in_order(&wanted).await?
        {
            return Ok(page);
        }
        self.list_by_folders(&wanted).await
    }

    /// One name: everybody knows that without a listing.
    async fn list_one(&self, wanted: &Wanted<'_>, name: &ObjectName) -> Result<Page, StorageError> {
        if wanted.after.is_some_and(|after| after >= name) {
            return Ok(Page::default());
        }
        let question = Question::of_key(Method::HEAD, self.key(name));
        let answer = self.ask(&wanted.call, question).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Page::default());
        }
        if !answer.status.is_success() {
            return Err(self.refused(&wanted.call, &answer));
        }
        let object = describe(name, &answer.headers).ok_or_else(|| {
            let error = wanted.call.error(StorageErrorKind::BrokenContract);
            error.saying("it does not say how long the object is")
        })?;
        Ok(Page {
            objects: vec![object],
            more: false,
        })
    }

    /// What there is of ours in the first answer that has something of ours; nothing where the
    /// service sorts otherwise.
    async fn list_in_order(&self, wanted: &Wanted<'_>) -> Result<Option<Page>, StorageError> {
        let under = self.under(wanted.prefix);
        let after = wanted.after.map(|name| self.key(name));
        let mut last = after.clone();
        let mut cursor: Cursor = after.map(|key| ("start-after", key)).into_iter().collect();
        for _ in 0..MAX_FOREIGN_PAGES {
            let page = (&cursor, wanted.limit);
            let listing = self
                .listing(&wanted.call, Subject::Objects, &under, page)
                .await?;
            let keys = listing.found.iter().map(|found| found.key.as_str());
            let all: Vec<&str> = last.as_deref().into_iter().chain(keys).collect();
            if self.habits.sorts_by_folders() || !all.is_sorted_by(|a, b| a < b) {
                self.habits.sort_by_folders();
                return Ok(None);
            }
            last = listing.found.last().map(|found| found.key.clone()).or(last);
            let mut objects: Vec<ObjectMeta> = listing
                .found
                .into_iter()
                .filter_map(|found| self.ours(wanted, found))
                .collect();
            let more = objects.len() > wanted.limit || listing.next.is_some();
            objects.truncate(wanted.limit);
            match listing.next {
                Some(next) if objects.is_empty() => cursor = next,
                _ => return Ok(Some(Page { objects, more })),
            }
        }
        Err(endless(&wanted.call))
    }

    async fn list_by_folders(&self, wanted: &Wanted<'_>) -> Result<Page, StorageError> {
        // Folders and objects still to be looked at, the next one last.
        let mut pending = vec![(self.under(wanted.prefix), None)];
        let mut objects = Vec::new();
        while let Some((key, object)) = pending.pop() {
            if let Some(object) = object {
                objects.push(object);
                if objects.len() > wanted.limit {
                    break;
                }
            } else {
                // Its neighbours are next in any case, and asking for all at once is one wait.
                let mut folders = vec![key];
                while let Some((key, _)) = pending
                    .pop_if(|(_, object)| object.is_none() && folders.len() < FOLDERS_AT_ONCE)
                {
                    folders.push(key);
                }
                let asked = folders.iter().map(|key| self.folder(wanted, key));
                for mut inner in try_join_all(asked).await?.into_iter().rev() {
                    inner.sort_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
                    pending.extend(inner);
                }
            }
        }
        let more = objects.len() > wanted.limit;
        objects.truncate(wanted.limit);
        Ok(Page { objects, more })
    }

    /// Everything in one folder that can be ours and is not known: objects, and folders without one.
    async fn folder(
        &self,
        wanted: &Wanted<'_>,
        folder: &str,
    ) -> Result<Vec<(String, Option<ObjectMeta>)>, StorageError> {
        let mut inner = Vec::new();
        let mut cursor = Cursor::new();
        for _ in 0..MAX_FOREIGN_PAGES {
            let page = (&cursor, MAX_PAGE);
            let listing = self
                .listing(&wanted.call, Subject::Folder, folder, page)
                .await?;
            let folders = listing.folders.into_iter();
            let folders = folders.filter(|key| self.may_hold(wanted, folder, key));
            inner.extend(folders.map(|key| (key, None)));
            for found in listing.found {
                let key = found.key.clone();
                inner.extend(self.ours(wanted, found).map(|object| (key, Some(object))));
            }
            match listing.next {
                Some(next) => cursor = next,
                None => return Ok(inner),
            }
        }
        Err(endless(&wanted.call))
    }

    /// Whether a folder in another can have names that are ours and not known.
    fn may_hold(&self, wanted: &Wanted<'_>, above: &str, key: &str) -> bool {
        let names = key.strip_prefix(self.prefix()).map(Prefix::new);
        let Some(Ok(names)) = names else { return false };
        let known = wanted.after.is_some_and(|after| {
            names.as_str() < after.as_str() && !after.as_str().starts_with(names.as_str())
        });
        key.len() > above.len() && !known
    }

    fn ours(&self, wanted: &Wanted<'_>, found: Found) -> Option<ObjectMeta> {
        let name = ObjectName::new(found.key.strip_prefix(self.prefix())?).ok()?;
        let known = wanted.after.is_some_and(|after| *after >= name);
        if known || !wanted.prefix.contains(&name) {
            return None;
        }
        let VersionState::Stored { size } = found.state else {
            return None;
        };
        Some(ObjectMeta {
            name,
            size,
            modified: found.modified,
            version: found.version,
        })
    }
}

fn describe(name: &ObjectName, headers: &HeaderMap) -> Option<ObjectMeta> {
    let modified = headers.get(LAST_MODIFIED).and_then(|it| it.to_str().ok());
    let modified = modified.and_then(|text| Timestamp::parse_rfc2822(text).ok());
    Some(ObjectMeta {
        name: name.clone(),
        size: headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?,
        modified: modified.map(Timestamp::as_system_time),
        version: None,
    })
}

pub(super) fn endless(call: &Call<'_>) -> StorageError {
    call.error(StorageErrorKind::BrokenContract)
        .saying("a listing without an end")
}
