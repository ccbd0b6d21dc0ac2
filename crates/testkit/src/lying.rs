//! A hostile storage: it stores honestly and shows something else.
//!
//! Lies apply to reads and listings, in the order they were told; nothing underneath is changed, so
//! [`Lying::repent`] shows the truth again. Whole-state attacks (roll-back, fork) are a switch to
//! another storage, made of a [`Dump`](crate::Dump).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, MAX_PAGE, ObjectMeta, ObjectName, Operation, Page,
    Prefix, Retention, Storage, StorageError, StorageErrorKind, VersionId, VersionMark,
    VersionPage, list_all,
};

use crate::random::SeededRandom;

/// One lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// One bit of an object is another one; counted over all of its bits, and around.
    FlipBit(ObjectName, u64),
    /// An object ends after so many bytes.
    Truncate(ObjectName, u64),
    /// An object goes on.
    Extend(ObjectName, Bytes),
    /// Two objects are exchanged.
    Swap(ObjectName, ObjectName),
    /// Under the first name stands what the second has, whether or not the first exists.
    ServeAs(ObjectName, ObjectName),
    /// An object is neither found nor listed.
    Hide(ObjectName),
    /// An object is listed no more but can still be read.
    Unlist(ObjectName),
    /// An object that nobody created, or other bytes in place of those created.
    Plant(ObjectName, Bytes),
    /// Ranges of an object begin so many bytes too late.
    ShiftRanges(ObjectName, u64),
    /// Ranges of an object are so many bytes too short.
    ShortenRanges(ObjectName, u64),
    /// Pages are out of order.
    ReverseListings,
    /// Creations are acknowledged and forgotten.
    SwallowCreates,
    /// Deletions are acknowledged and forgotten.
    SwallowDeletes,
}

impl Lie {
    /// A small damage of one object, chosen by a seed.
    #[must_use]
    pub fn seeded(seed: u64, name: &ObjectName, size: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let name = name.clone();
        match random.below(4) {
            0 => Self::Truncate(name, random.below(size)),
            1 => {
                let length = 1 + random.index(64);
                Self::Extend(name, random.bytes(length).into())
            }
            2 => Self::Hide(name),
            _ => Self::FlipBit(name, random.below(size.saturating_mul(8))),
        }
    }
}

/// A storage that lies about what it has.
#[derive(Debug)]
pub struct Lying {
    location: Location,
    inner: Mutex<Arc<dyn Storage>>,
    lies: Mutex<Vec<Lie>>,
}

impl Lying {
    /// Still honest.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self {
            location: inner.location().clone(),
            inner: Mutex::new(inner),
            lies: Mutex::default(),
        }
    }

    /// Tells one more lie from now on.
    pub fn tell(&self, lie: Lie) {
        self.lies().push(lie);
    }

    /// Tells no lies any more; a switch stays.
    pub fn repent(&self) {
        self.lies().clear();
    }

    /// From now on everything, changes too, goes to another storage: a roll-back when it holds an
    /// earlier state, a fork when it holds the present one.
    pub fn switch_to(&self, other: Arc<dyn Storage>) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// What everything goes to.
    #[must_use]
    pub fn inner(&self) -> Arc<dyn Storage> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn lies(&self) -> MutexGuard<'_, Vec<Lie>> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tells(&self, lie: &Lie) -> bool {
        self.lies().contains(lie)
    }

    /// What is shown under a name.
    async fn shown(&self, name: &ObjectName) -> Result<Option<Bytes>, StorageError> {
        let lies = self.lies().clone();
        let inner = self.inner();
        let mut shown = found(inner.get(name).await)?;
        for lie in &lies {
            match lie {
                Lie::Swap(one, other) if one == name => shown = found(inner.get(other).await)?,
                Lie::Swap(one, other) if other == name => shown = found(inner.get(one).await)?,
                Lie::ServeAs(as_name, other) if as_name == name => {
                    shown = found(inner.get(other).await)?;
                }
                lie => shown = distort(lie, name, shown),
            }
        }
        Ok(shown)
    }

    /// All objects under a prefix as they are shown, by name.
    async fn listing(
        &self,
        prefix: &Prefix,
    ) -> Result<BTreeMap<ObjectName, ObjectMeta>, StorageError> {
        let mut listing: BTreeMap<ObjectName, ObjectMeta> = list_all(&*self.inner(), prefix)
            .await?
            .into_iter()
            .map(|object| (object.name.clone(), object))
            .collect();
        let lies = self.lies().clone();
        for name in lies.iter().flat_map(touched).filter(|n| prefix.contains(n)) {
            match self.shown(name).await? {
                Some(body) => {
                    let entry = listing.entry(name.clone()).or_insert_with(|| ObjectMeta {
                        name: name.clone(),
                        size: 0,
                        modified: None,
                        version: None,
                    });
                    entry.size = body.len() as u64;
                }
                None => {
                    listing.remove(name);
                }
            }
        }
        listing.retain(|name, _| !lies.contains(&Lie::Unlist(name.clone())));
        Ok(listing)
    }

    fn not_found(&self, operation: Operation, name: &ObjectName) -> StorageError {
        StorageError::new(StorageErrorKind::NotFound, operation, &self.location).of(name)
    }
}

/// An absent object is an answer here, not an error.
fn found(result: Result<Bytes, StorageError>) -> Result<Option<Bytes>, StorageError> {
    match result {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind() == StorageErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a lie about one object makes of it.
fn distort(lie: &Lie, name: &ObjectName, shown: Option<Bytes>) -> Option<Bytes> {
    match lie {
        Lie::Hide(hidden) if hidden == name => None,
        Lie::Plant(planted, body) if planted == name => Some(body.clone()),
        Lie::FlipBit(flipped, bit) if flipped == name => shown.map(|body| flip(&body, *bit)),
        Lie::Truncate(cut, length) if cut == name => shown.map(|body| {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            body.slice(..length.min(body.len()))
        }),
        Lie::Extend(longer, more) if longer == name => {
            shown.map(|body| [&body[..], more].concat().into())
        }
        _ => shown,
    }
}

fn flip(body: &Bytes, bit: u64) -> Bytes {
    let mut bytes = body.to_vec();
    if let Some(bit) = bit.checked_rem(8 * bytes.len() as u64) {
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
    bytes.into()
}

/// The names whose listing a lie changes.
fn touched(lie: &Lie) -> Vec<&ObjectName> {
    match lie {
        Lie::FlipBit(name, _)
        | Lie::Truncate(name, _)
        | Lie::Extend(name, _)
        | Lie::ServeAs(name, _)
        | Lie::Hide(name)
        | Lie::Plant(name, _) => vec![name],
        Lie::Swap(one, other) => vec![one, other],
        Lie::Unlist(_)
        | Lie::ShiftRanges(..)
        | Lie::ShortenRanges(..)
        | Lie::ReverseListings
        | Lie::SwallowCreates
        | Lie::SwallowDeletes => Vec::new(),
    }
}

#[async_trait]
impl Storage for Lying {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        if self.tells(&Lie::SwallowCreates) {
            return Ok(());
        }
        self.inner().create(name, body).await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let shown = self.shown(name).await?;
        shown.ok_or_else(|| self.not_found(Operation::Get, name))
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let shown = self.shown(name).await?;
        let body = shown.ok_or_else(|| self.not_found(Operation::GetRange, name))?;
        let size = body.len() as u64;
        if range.is_empty() || range.end > size {
            let kind = StorageErrorKind::InvalidRange;
            return Err(StorageError::new(kind, Operation::GetRange, &self.location).of(name));
        }
        let (mut start, mut end) = (range.start, range.end);
        for lie in self.lies().iter() {
            match lie {
                Lie::ShiftRanges(shifted, by) if shifted == name => {
                    (start, end) = (start.saturating_add(*by), end.saturating_add(*by));
                }
                Lie::ShortenRanges(short, by) if short == name => end = end.saturating_sub(*by),
                _ => {}
            }
        }
        let (start, end) = (start.min(size), end.min(size));
        Ok(body.slice(start as usize..end.max(start) as usize))
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut objects: Vec<ObjectMeta> = self
            .listing(prefix)
            .await?
            .into_values()
            .filter(|object| after.is_none_or(|after| object.name > *after))
            .take(limit + 1)
            .collect();
        let more = objects.len() > limit;
        objects.truncate(limit);
        if self.tells(&Lie::ReverseListings) {
            objects.reverse();
        }
        Ok(Page { objects, more })
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        if self.tells(&Lie::SwallowDeletes) {
            return names
                .iter()
                .map(|name| (name.clone(), DeleteOutcome::Done))
                .collect();
        }
        self.inner().delete(names).await
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.inner().versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.inner().get_version(name, version).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.inner().retention(name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.inner().extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    fn location(&self) -> &Location {
        &self.location
    }
}
