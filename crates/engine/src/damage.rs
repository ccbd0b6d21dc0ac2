//! Packs that a check found damaged, remembered so that the next backup stores their chunks anew.
//!
//! Kept with what this device knows of the location, and authenticated like it: who could add
//! names here could make this machine store everything again.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use ownkey_crypto::{ObjectHash, PackKind};

use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout::{self, Object};
use crate::index::{Avoid, Index};
use crate::io::Io;
use crate::repository::Repository;
use crate::state::file;

/// Kind and hash.
const ENTRY: usize = 33;
/// More damaged packs than this are a lost repository, not a list.
const MOST: usize = 1 << 17;

/// Packs that no new snapshot may rely on.
///
/// # Errors
/// [`Error::StateTampered`] if the list was not written by this device.
pub(crate) fn known_damage(repository: &Repository) -> Result<Avoid> {
    Ok(Avoid {
        packs: load(repository)?.into_iter().collect::<HashSet<_>>(),
    })
}

/// Adds what is damaged and takes away what was read and is whole.
pub(crate) fn remember(
    repository: &Repository,
    damaged: &BTreeSet<PackName>,
    whole: &HashSet<PackName>,
) -> Result<()> {
    if repository.earlier().is_some() {
        // What was damaged then says nothing of what is there now.
        return Ok(());
    }
    let before = load(repository)?;
    let mut now: BTreeSet<PackName> = before
        .iter()
        .copied()
        .filter(|pack| !whole.contains(pack))
        .collect();
    now.extend(damaged.iter().copied());
    if now == before {
        return Ok(());
    }
    let body: Vec<u8> = now.iter().take(MOST).flat_map(encode).collect();
    file::write_authentic(&path(repository), &repository.state_key, &body)
}

/// Lists the packs, once after logs were begun at a fold: a fold leaves out what was gone, so what segments say of
/// packs that are missing is ignored (docs/adr/0007-look-rule.md).
pub(crate) fn list_once(repository: &mut Repository) -> Result<()> {
    if repository.logs.are_listed() {
        return Ok(());
    }
    let listed = packs_there(&repository.io)?;
    let mut missing = BTreeSet::new();
    Index::load(repository, &Avoid::default())?.each_pack(|pack| {
        if pack.reliable && !listed.contains(&pack.name) {
            missing.insert(pack.name);
        }
        Ok(())
    })?;
    remember(repository, &missing, &HashSet::new())?;
    repository.packs_were_listed()
}

/// Every pack that the storage shows.
pub(crate) fn packs_there(io: &Io) -> Result<HashSet<PackName>> {
    let mut listed = HashSet::new();
    for kind in [PackKind::Data, PackKind::Meta] {
        let objects = io.list(&layout::packs(kind))?;
        let names = objects.iter().map(|object| Object::parse(&object.name));
        listed.extend(names.filter_map(|object| match object {
            Some(Object::Pack(pack)) => Some(pack),
            _ => None,
        }));
    }
    Ok(listed)
}

fn load(repository: &Repository) -> Result<BTreeSet<PackName>> {
    let path = path(repository);
    let limit = (MOST * ENTRY) as u64;
    let Some(body) = file::read_authentic(&path, &repository.state_key, limit)? else {
        return Ok(BTreeSet::new());
    };
    let (entries, rest) = body.as_chunks::<ENTRY>();
    let packs = entries.iter().map(decode).collect::<Option<_>>();
    packs
        .filter(|_| rest.is_empty())
        .ok_or(Error::StateTampered(path))
}

/// Beside the tips, and like them of one identity: another one has another key.
fn path(repository: &Repository) -> PathBuf {
    repository
        .state
        .location_folder()
        .join(format!("damaged-packs-{}", repository.me()))
}

fn encode(pack: &PackName) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    let (kind, hash) = bytes.split_at_mut(1);
    kind.fill(u8::from(pack.kind == PackKind::Meta));
    hash.copy_from_slice(pack.hash.as_bytes());
    bytes
}

fn decode(bytes: &[u8; ENTRY]) -> Option<PackName> {
    let (kind, hash) = bytes.split_first()?;
    let kind = match kind {
        0 => PackKind::Data,
        1 => PackKind::Meta,
        _ => return None,
    };
    Some(PackName {
        kind,
        hash: ObjectHash::from_bytes(hash.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_read_back_and_an_unknown_kind_is_refused() {
        for kind in [PackKind::Data, PackKind::Meta] {
            let pack = PackName {
                kind,
                hash: ObjectHash::from_bytes([7; 32]),
            };
            let mut bytes = encode(&pack);
            assert_eq!(decode(&bytes), Some(pack));
            bytes[0] = 2;
            assert_eq!(decode(&bytes), None);
        }
    }
}
