//! Listings of versions.
//!
//! Promise: sorted by name and newest first, as S3 gives them, or an error; without what is not ours.

use super::bucket::Bucket;
use super::list::{MAX_FOREIGN_PAGES, endless};
use super::listing::{Cursor, Found, Subject};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};
use crate::object::{MAX_PAGE, VersionMark, VersionMeta, VersionPage};

impl Bucket {
    pub(super) async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        let call = self.call(Operation::Versions, None);
        let broken = |what| call.error(StorageErrorKind::BrokenContract).saying(what);
        let limit = limit.clamp(1, MAX_PAGE);
        let mut last = after.map(|mark| self.key(&mark.name));
        let mut cursor = after.map_or_else(Cursor::new, |mark| self.go_on(mark));
        for _ in 0..MAX_FOREIGN_PAGES {
            let page = (&cursor, limit);
            let listing = self
                .listing(&call, Subject::Versions, &self.under(prefix), page)
                .await?;
            let keys = listing.found.iter().map(|found| found.key.as_str());
            if !last.as_deref().into_iter().chain(keys).is_sorted() {
                return Err(broken("a listing that is out of order"));
            }
            last = listing.found.last().map(|found| found.key.clone()).or(last);
            let ours = listing.found.into_iter();
            let ours = ours.filter_map(|found| self.version(prefix, found));
            let versions: Option<Vec<VersionMeta>> = ours.collect();
            let mut versions = versions.ok_or_else(|| broken("a version without id or time"))?;
            let more = versions.len() > limit || listing.next.is_some();
            versions.truncate(limit);
            match listing.next {
                Some(next) if versions.is_empty() => cursor = next,
                _ => return Ok(VersionPage { versions, more }),
            }
        }
        Err(endless(&call))
    }

    fn go_on(&self, mark: &VersionMark) -> Cursor {
        let version = mark.version.as_ref();
        let version = version.map(|version| ("version-id-marker", version.as_str().to_owned()));
        let key = ("key-marker", self.key(&mark.name));
        [key].into_iter().chain(version).collect()
    }

    /// One of ours, or an entry of ours without what every version has.
    fn version(&self, prefix: &Prefix, found: Found) -> Option<Option<VersionMeta>> {
        let name = ObjectName::new(found.key.strip_prefix(self.prefix())?).ok()?;
        prefix.contains(&name).then(|| {
            Some(VersionMeta {
                name,
                version: found.version?,
                modified: found.modified?,
                state: found.state,
            })
        })
    }
}
