//! Damaged packs healed from their parity, in memory, for whoever reads from them.
//!
//! What comes out is not believed: a whole pack has its name again, and a frame opens and has the chunks that it should
//! have, or both are as damaged as before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use ownkey_storage::StorageErrorKind;

use crate::error::Result;
use crate::format::entry::PackName;
use crate::format::layout;
use crate::io::Io;
use crate::lock::lock;
use crate::parity;

/// Healed packs kept: neighbours of what was asked for are asked for next. At most 64 MiB each, usually 20.
const KEPT: usize = 2;

/// The bytes under a pack's name, whatever they are; `None` if there are none.
pub(crate) fn stored(io: &Io, pack: &PackName) -> Result<Option<Bytes>> {
    use StorageErrorKind::{NotFound, TooLarge};
    match io.get(&layout::pack(pack)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), NotFound | TooLarge) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Heals packs of one repository; shared by threads.
pub(crate) struct Healer {
    io: Io,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    kept: VecDeque<(PackName, Bytes)>,
    healed: BTreeSet<PackName>,
    hopeless: BTreeSet<PackName>,
}

impl Healer {
    pub(crate) fn new(io: Io) -> Self {
        Self {
            io,
            known: Mutex::default(),
        }
    }

    /// A pack of `length` bytes as its parity says it was; `None` if that does not help. One at a time: several threads
    /// mostly want the same one.
    pub(crate) fn heal(&self, pack: &PackName, length: u64) -> Result<Option<Bytes>> {
        let mut known = lock(&self.known);
        if known.hopeless.contains(pack) {
            return Ok(None);
        }
        if let Some((_, bytes)) = known.kept.iter().find(|(name, _)| name == pack) {
            return Ok(Some(bytes.clone()));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let stored = stored(&self.io, pack)?;
        let Some(healed) = stored.and_then(|bytes| parity::heal(&bytes, length)) else {
            known.hopeless.insert(*pack);
            return Ok(None);
        };
        let healed = Bytes::from(healed);
        known.healed.insert(*pack);
        known.kept.push_back((*pack, healed.clone()));
        if known.kept.len() > KEPT {
            known.kept.pop_front();
        }
        Ok(Some(healed))
    }

    /// What to tell once, at the end, of the packs that were healed.
    pub(crate) fn note(&self) -> Option<String> {
        let count = lock(&self.known).healed.len();
        let packs = match count {
            0 => return None,
            1 => "1 pack is damaged and was".to_owned(),
            more => format!("{more} packs are damaged and were"),
        };
        Some(format!(
            "{packs} healed in memory, by parity; `repair packs` stores what is in them anew"
        ))
    }
}
