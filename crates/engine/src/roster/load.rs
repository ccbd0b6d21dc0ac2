//! Reads the roster from the storage and verifies every entry of it.

use std::collections::BTreeMap;

use ownkey_crypto::{
    DeviceId, Epoch, ObjectHash, Opened, PublicIdentity, RepoId, RosterKeys, Signature, Signed,
    Unverified, object_hash, peek_epoch,
};
use ownkey_storage::ObjectName;

use super::Roster;
use crate::error::{Error, Lie, Result};
use crate::format::cbor;
use crate::format::layout::{self, Object};
use crate::format::roster::{Change, Genesis, RosterEntry};
use crate::io::Io;
use crate::monitor::Monitor;

/// Most entries that are read.
const ENTRIES_LIMIT: usize = 1 << 20;
/// Longest object of an entry (docs/format.md §14).
const ENTRY_LIMIT: u64 = 1 << 20;
/// Most bytes of all entries: they are in memory together while the chain is verified.
const ROSTER_LIMIT: u64 = 256 << 20;
const SIGNATURE: usize = Signature::LEN;

/// What tells one repository's roster from any other's.
pub(crate) struct Verifier<'a> {
    pub(crate) repo: RepoId,
    /// Keys of the newest epoch we have a grant for.
    pub(crate) keys: &'a RosterKeys,
    pub(crate) id_of: &'a dyn Fn(&PublicIdentity) -> DeviceId,
}

/// An entry that opened; who signed it is still to be seen.
struct Candidate {
    hash: ObjectHash,
    entry: RosterEntry,
    sealed: Unverified,
}

/// The roster, and whether the storage holds entries of an epoch we have no grant for.
pub(crate) struct Loaded {
    pub(crate) roster: Roster,
    pub(crate) newer_epoch: bool,
}

/// The entries that the storage shows, by number and hash. Two equal ones make equal rosters.
pub(crate) type Shown = Vec<(u32, ObjectHash)>;

/// Reads and verifies all of the roster.
pub(crate) fn load(
    io: &Io,
    verifier: &Verifier<'_>,
    shown: &Shown,
    monitor: &dyn Monitor,
) -> Result<Loaded> {
    let newest = verifier.keys.epoch();
    let mut by_epoch: BTreeMap<Epoch, Vec<(u32, ObjectHash, Vec<u8>)>> = BTreeMap::new();
    let names: Vec<ObjectName> = shown
        .iter()
        .map(|(n, hash)| layout::roster_entry(*n, hash))
        .collect();
    let mut entries = shown.iter();
    io.find_each(&names, |name, bytes| {
        let (Some((n, hash)), Some(bytes)) = (entries.next(), bytes) else {
            return Err(Error::Damage {
                what: format!("roster entry {name}"),
            });
        };
        if bytes.len() as u64 > ENTRY_LIMIT || object_hash(&bytes) != *hash {
            return Err(Error::Object {
                name: name.clone(),
                source: ownkey_crypto::OpenError::NotAuthentic,
            });
        }
        match peek_epoch(&bytes) {
            Ok((_, epoch)) => by_epoch
                .entry(epoch)
                .or_default()
                .push((*n, *hash, bytes.to_vec())),
            Err(_) => monitor.note(&format!("{name} is not of this repository and is ignored")),
        }
        Ok(())
    })?;
    let unreadable = by_epoch
        .iter()
        .filter(|(epoch, _)| **epoch > newest)
        .flat_map(|(_, entries)| entries)
        .map(|(n, ..)| *n)
        .max();
    let opened = open_all(verifier, by_epoch, monitor)?;
    let roster = build(verifier, opened, monitor)?;
    Ok(Loaded {
        // What lost the race for a number that others have followed begins nothing.
        newer_epoch: unreadable.is_some_and(|n| n > roster.position().n),
        roster,
    })
}

/// The entries the storage shows. Whoever writes there can add objects, so what no member could
/// have made is not read, and what would fill the memory is refused.
pub(crate) fn list(io: &Io, monitor: &dyn Monitor) -> Result<Shown> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for object in io.list(&layout::roster())? {
        let Some(Object::RosterEntry(n, hash)) = Object::parse(&object.name) else {
            continue;
        };
        if object.size > ENTRY_LIMIT {
            monitor.note(&format!(
                "{} is larger than any roster entry and is ignored",
                object.name
            ));
            continue;
        }
        bytes += object.size;
        entries.push((n, hash));
    }
    if entries.len() > ENTRIES_LIMIT || bytes > ROSTER_LIMIT {
        let what = "the roster: the storage shows more entries than a repository can have, so it"
            .to_owned();
        return Err(Error::Damage { what });
    }
    Ok(entries)
}

/// Entries that open, by number; the genesis apart.
struct OpenedEntries {
    genesis: Vec<(ObjectHash, Unverified)>,
    later: BTreeMap<u32, Vec<Candidate>>,
    /// What opens and cannot be understood, and why. Who holds the keys that open is a member or was
    /// one; only an admin's word counts.
    unclear: Vec<(Error, Unverified)>,
}

/// Opens the entries of the newest epoch, finds in them the keys of the epoch before, and so on
/// back to the first.
fn open_all(
    verifier: &Verifier<'_>,
    mut by_epoch: BTreeMap<Epoch, Vec<(u32, ObjectHash, Vec<u8>)>>,
    monitor: &dyn Monitor,
) -> Result<OpenedEntries> {
    let mut found = OpenedEntries {
        genesis: Vec::new(),
        later: BTreeMap::new(),
        unclear: Vec::new(),
    };
    let mut earlier_keys: Option<RosterKeys> = None;
    let mut epoch = verifier.keys.epoch();
    loop {
        let keys = earlier_keys.as_ref().unwrap_or(verifier.keys);
        let mut history = None;
        for (n, hash, bytes) in by_epoch.remove(&epoch).unwrap_or_default() {
            // What does not open was not made by a member: anybody can put objects here.
            let Ok(sealed) = keys.open_roster(n, &bytes) else {
                monitor.note(&format!(
                    "{} is not of this repository and is ignored",
                    layout::roster_entry(n, &hash)
                ));
                continue;
            };
            if n == 0 {
                found.genesis.push((hash, sealed));
                continue;
            }
            let entry = match decode(n, &hash, &sealed) {
                Ok(entry) => entry,
                Err(error) => {
                    found.unclear.push((error, sealed));
                    continue;
                }
            };
            if let Change::NewEpoch {
                epoch: begun,
                log_history,
                ..
            } = &entry.change
                && *begun == epoch
            {
                history = history.or(keys.earlier(n, log_history).ok());
            }
            found.later.entry(n).or_default().push(Candidate {
                hash,
                entry,
                sealed,
            });
        }
        let Some(before) = epoch.previous() else {
            return Ok(found);
        };
        earlier_keys = Some(history.ok_or(Error::NoGrant)?);
        epoch = before;
    }
}

fn decode(n: u32, hash: &ObjectHash, sealed: &Unverified) -> Result<RosterEntry> {
    let name = layout::roster_entry(n, hash);
    let entry: RosterEntry = cbor::decode_claim(sealed.peek()).map_err(|source| Error::Format {
        name: name.clone(),
        source,
    })?;
    if entry.n == n {
        Ok(entry)
    } else {
        Err(Lie::RosterForked(n).into())
    }
}

fn build(
    verifier: &Verifier<'_>,
    mut opened: OpenedEntries,
    monitor: &dyn Monitor,
) -> Result<Roster> {
    let genesis = opened
        .genesis
        .into_iter()
        .find(|(_, sealed)| RepoId::of_genesis(sealed.peek()) == verifier.repo);
    let (hash, sealed) = genesis.ok_or(Lie::NotGenesis)?;
    let genesis = verify_genesis(sealed)?;
    let mut roster = Roster::begin(&genesis, hash, verifier.id_of);
    while let Some(mut candidates) = opened.later.remove(&(roster.position().n + 1)) {
        // Of several entries at one number the one with the smallest hash is followed.
        candidates.sort_by_key(|candidate| candidate.hash);
        let before = roster.clone();
        let mut followed = false;
        for Candidate {
            hash,
            entry,
            sealed,
        } in candidates
        {
            if !before.admits(&entry) || !signed_by(&before, &entry.signer, sealed) {
                monitor.note(&format!(
                    "roster entry {}-{hash} was not made by an admin and is ignored",
                    entry.n
                ));
            } else if !followed {
                roster.follow(&entry, hash, verifier.id_of);
                followed = true;
            } else if let Change::Remove(device) = &entry.change {
                roster.remove(device, entry.n);
            }
        }
        if !followed {
            break;
        }
    }
    // An authentic entry beyond the end of the chain means that what links it is hidden. One who was
    // removed, or never was an admin, could put such an entry there to stop everybody.
    for Candidate { entry, sealed, .. } in opened.later.into_values().flatten() {
        let ahead = entry.n > roster.position().n && roster.standing_admin(&entry.signer).is_some();
        if ahead && signed_by(&roster, &entry.signer, sealed) {
            return Err(Lie::RosterRolledBack(entry.n).into());
        }
    }
    for (error, sealed) in opened.unclear {
        let mut admins = roster
            .members()
            .filter(|member| roster.standing_admin(&member.id).is_some());
        if admins.any(|admin| sealed.is_signed_by(&admin.public)) {
            return Err(error);
        }
        monitor.note(&format!(
            "a roster entry was not made by an admin and is ignored: {error}"
        ));
    }
    Ok(roster)
}

/// Whether what is said to be entry `n` was signed by somebody who stands as an admin.
pub(crate) fn is_by_admin(roster: &Roster, keys: &RosterKeys, n: u32, bytes: &[u8]) -> bool {
    let Ok(sealed) = keys.open_roster(n, bytes) else {
        return false;
    };
    let Ok(entry) = decode(n, &object_hash(bytes), &sealed) else {
        return false;
    };
    roster.standing_admin(&entry.signer).is_some() && signed_by(roster, &entry.signer, sealed)
}

fn signed_by(roster: &Roster, signer: &DeviceId, sealed: Unverified) -> bool {
    roster
        .member(signer)
        .is_some_and(|member| sealed.verified_by(&member.public).is_ok())
}

/// The genesis proves itself: its hash is the repository's id, and its founder signed it twice,
/// inside and outside the envelope.
fn verify_genesis(sealed: Unverified) -> Result<Genesis> {
    let claim: Genesis = genesis_body(sealed.peek())
        .ok_or(Lie::NotGenesis)
        .and_then(|body| cbor::decode_claim(body).map_err(|_| Lie::NotGenesis))?;
    let opened: Opened = sealed
        .verified_by(&claim.founder)
        .map_err(|_| Lie::NotGenesis)?;
    let (body, signature) = opened
        .as_bytes()
        .split_last_chunk::<SIGNATURE>()
        .ok_or(Lie::NotGenesis)?;
    claim
        .founder
        .verify(&Signed::GENESIS, body, &Signature::from_bytes(*signature))
        .map_err(|_| Lie::NotGenesis)?;
    Ok(claim)
}

fn genesis_body(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split_last_chunk::<SIGNATURE>().map(|(body, _)| body)
}
