//! From a credential to an identity, and from an identity to the keys.

use std::cmp::Reverse;
use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, ContactsSecret, DeviceId, Grant, GrantClaim, Identity, IdentitySeed, KitSecret,
    ObjectHash, OpenError, Password, PublicIdentity, RecoveryKey, RepoId, Slot, SlotContent,
    SlotError, SlotKind, UncheckedGrant, object_hash,
};
use ownkey_storage::{Location, ObjectName};

use super::device::DeviceKey;
use crate::error::{Class, Error, Lie, Result};
use crate::format::entry::RosterPosition;
use crate::format::layout::{self, Object};
use crate::guard::Guard;
use crate::io::Io;
use crate::keyring::{GrantVersion, Holder, Keyring};
use crate::monitor::Monitor;
use crate::roster::Roster;
use crate::roster::load::{self, Loaded, Shown, Verifier};
use crate::state::State;

/// What opens a repository.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The key that this machine keeps in its state folder, with nothing before it.
    Device,
    /// The same, out of its file already.
    DeviceKey(&'a DeviceKey),
    /// A password, alone or with the kit secret of its slot.
    Password(&'a Password, Option<&'a KitSecret>),
    /// The same for one slot: a password may open several, of former days.
    PasswordIn(&'a Password, Option<&'a KitSecret>, &'a ObjectHash),
    /// The recovery key of the kit.
    RecoveryKey(&'a RecoveryKey),
    /// What recovery contacts gave back.
    Contacts(&'a ContactsSecret),
}

impl Credential<'_> {
    /// Whether it is this machine's own.
    pub(super) fn is_device(self) -> bool {
        matches!(self, Self::Device | Self::DeviceKey(_))
    }
}

/// A seed, where it was, and the slots that were looked through for it.
pub(super) struct Seed {
    pub(super) seed: IdentitySeed,
    pub(super) slot: Option<ObjectHash>,
    pub(super) slots: Vec<ObjectName>,
}

impl Seed {
    fn own(seed: IdentitySeed) -> Self {
        Self {
            seed,
            slot: None,
            slots: Vec::new(),
        }
    }
}

/// The seed that `credential` gives, in a slot that was not passed by.
pub(super) fn seed(
    io: &Io,
    repo: &RepoId,
    state: &State,
    (credential, passed): (Credential<'_>, &[ObjectHash]),
) -> Result<Seed> {
    let look = |credential, open: &Opener<'_>| {
        from_slots(io, repo, credential, |slot, hash| {
            (!passed.contains(hash)).then(|| open(slot, hash)).flatten()
        })
    };
    match credential {
        Credential::Device => state
            .load_device_key(Guard::Nothing)?
            .map(Seed::own)
            .ok_or_else(|| Error::NotEnrolled(location(io.location()))),
        Credential::DeviceKey(key) => Ok(Seed::own(key.0.duplicate())),
        Credential::Password(password, kit) => {
            look("password", &|slot, _| with_password(slot, password, kit))
        }
        Credential::PasswordIn(password, kit, only) => look("password", &|slot, hash| {
            (hash == only).then(|| with_password(slot, password, kit))?
        }),
        Credential::Contacts(secret) => look("secret of the contacts", &|slot, _| {
            (slot.kind() == SlotKind::Contacts).then(|| slot.open_with_contacts(secret))
        }),
        Credential::RecoveryKey(key) => look("recovery key", &|slot, _| {
            (slot.kind() == SlotKind::RecoveryKey).then(|| slot.open_with_recovery_key(key))
        }),
    }
}

/// Opens a slot, if it is one to try.
type Opener<'o> = dyn Fn(&Slot, &ObjectHash) -> Option<Result<SlotContent, SlotError>> + 'o;

fn with_password(
    slot: &Slot,
    password: &Password,
    kit: Option<&KitSecret>,
) -> Option<Result<SlotContent, SlotError>> {
    match (slot.kind(), kit) {
        (SlotKind::Password, _) => Some(slot.open_with_password(password)),
        (SlotKind::PasswordKit, Some(kit)) => Some(slot.open_with_password_kit(password, kit)),
        _ => None,
    }
}

fn location(location: &Location) -> String {
    location.to_string()
}

/// Tries every slot that `open` can try. A damaged slot is an error only if no other opens.
fn from_slots(
    io: &Io,
    repo: &RepoId,
    credential: &'static str,
    open: impl Fn(&Slot, &ObjectHash) -> Option<Result<SlotContent, SlotError>>,
) -> Result<Seed> {
    let mut tried = 0;
    let mut damaged = None;
    let there = slots(io)?;
    let names = || there.iter().map(|(hash, _)| layout::slot(hash)).collect();
    for (hash, bytes) in &there {
        let outcome = match Slot::parse(bytes, hash, repo) {
            Ok(slot) => open(&slot, hash),
            Err(source) => Some(Err(source)),
        };
        match outcome {
            None => {}
            Some(Ok(SlotContent { seed, .. })) => {
                return Ok(Seed {
                    seed,
                    slot: Some(*hash),
                    slots: names(),
                });
            }
            Some(Err(SlotError::WrongCredential)) => tried += 1,
            Some(Err(source)) => {
                damaged = Some(Error::Slot {
                    name: layout::slot(hash),
                    source,
                });
            }
        }
    }
    Err(damaged.unwrap_or(Error::WrongCredential { credential, tried }))
}

/// Every slot in the storage, unopened.
pub(crate) fn slots(io: &Io) -> Result<Vec<(ObjectHash, Vec<u8>)>> {
    let mut slots = Vec::new();
    for object in io.list(&layout::slots())? {
        if let Some(Object::Slot(hash)) = Object::parse(&object.name) {
            slots.push((hash, io.get(&object.name)?.to_vec()));
        }
    }
    Ok(slots)
}

/// What an identity opens.
pub(super) struct Unlocked {
    pub(super) keys: Keyring,
    pub(super) roster: Roster,
    pub(super) shown: Shown,
    /// Whether the storage holds entries of an epoch this identity has no grant for.
    pub(super) newer_epoch: bool,
}

/// The keys of an identity, and the roster that vouches for them. `known` is its newest grant as far
/// as this machine knows; the roster tells whether there is a newer one.
pub(super) fn keys(
    io: &Io,
    repo: RepoId,
    holder: Arc<Holder>,
    known: Option<GrantVersion>,
    monitor: &dyn Monitor,
) -> Result<Unlocked> {
    let shown = load::list(io, monitor)?;
    let search = Search {
        io,
        repo,
        me: &holder.identity,
        shown: &shown,
        monitor,
    };
    let Found {
        hash,
        grant,
        me,
        loaded,
    } = match known.map(|version| search.under(version)) {
        Some(Ok(found)) if !found.loaded.newer_epoch => found,
        Some(Err(error)) if !may_have_another(&error) => return Err(error),
        _ => search.newest()?,
    };
    if loaded.newer_epoch {
        monitor.note(
            "the roster has entries this identity cannot read: it was removed, or the storage hides its newest key grant",
        );
    }
    if loaded.roster.standing(&me).is_none() {
        return Err(Error::NoGrant);
    }
    let keys = Keyring::unlock(repo, holder, (hash, &grant), &loaded.roster)?;
    Ok(Unlocked {
        keys,
        roster: loaded.roster,
        shown,
        newer_epoch: loaded.newer_epoch,
    })
}

/// The search for the grant that is in force.
///
/// A grant is stored before the roster entry that begins its epoch. So there may be grants of an epoch
/// that never began, because who was about to begin it crashed, or lost a race against another
/// admin; and anybody who writes to the storage can add what is no grant at all. The one in force is the
/// newest under whose keys the roster reads back to the repository's first entry.
struct Search<'a> {
    io: &'a Io,
    repo: RepoId,
    me: &'a Identity,
    shown: &'a Shown,
    monitor: &'a dyn Monitor,
}

/// A grant that was made by an admin of the roster that its keys read.
struct Found {
    hash: ObjectHash,
    grant: Grant,
    me: DeviceId,
    loaded: Loaded,
}

/// Most grants of one identity that are tried; more than there are epochs in a life.
const GRANTS_TRIED: usize = 1_024;

impl Search<'_> {
    fn newest(&self) -> Result<Found> {
        let name = self.me.public().grant_name(&self.repo);
        let mut versions: Vec<GrantVersion> = self
            .io
            .list(&layout::grants(&name))?
            .iter()
            .filter_map(|listed| match Object::parse(&listed.name)? {
                Object::Grant(_, epoch, hash) => Some(GrantVersion { epoch, hash }),
                _ => None,
            })
            .collect();
        versions.sort_unstable_by_key(|version| Reverse(version.epoch));
        versions.truncate(GRANTS_TRIED);
        let mut failure = Error::NoGrant;
        for same_epoch in versions.chunk_by(|a, b| a.epoch == b.epoch) {
            let mut found: Vec<Found> = Vec::new();
            for version in same_epoch {
                match self.under(*version) {
                    Ok(one) => found.push(one),
                    Err(error) if may_have_another(&error) => {
                        // What is wrong with the newest says most.
                        if matches!(failure, Error::NoGrant) {
                            failure = error;
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            // Two admins began the same epoch, and neither could take it back: all take the same one.
            let first = found
                .into_iter()
                .min_by_key(|found| found.loaded.roster.begun());
            if let Some(found) = first {
                return Ok(found);
            }
        }
        Err(failure)
    }

    /// One grant, and the roster under its keys.
    fn under(&self, version: GrantVersion) -> Result<Found> {
        let unchecked = grant_of(self.io, &self.repo, self.me, version)?;
        let roster_keys = unchecked.roster_keys();
        let verifier = Verifier {
            repo: self.repo,
            keys: &roster_keys,
            id_of: &|identity: &PublicIdentity| unchecked.device_id(identity),
        };
        let loaded = load::load(self.io, &verifier, self.shown, self.monitor)?;
        if loaded.roster.current_epoch() != version.epoch {
            return Err(Error::NoGrant);
        }
        Ok(Found {
            hash: version.hash,
            me: unchecked.device_id(self.me.public()),
            grant: checked(unchecked, &loaded.roster)?,
            loaded,
        })
    }
}

/// Whether what is wrong is this grant only.
fn may_have_another(error: &Error) -> bool {
    let not_ours = matches!(
        error,
        Error::NoGrant | Error::Lie(Lie::NotGenesis | Lie::NotByAdmin(_))
    );
    not_ours || error.class() == Class::Damage
}

fn grant_of(
    io: &Io,
    repo: &RepoId,
    me: &Identity,
    version: GrantVersion,
) -> Result<UncheckedGrant> {
    let name = layout::grant(&me.public().grant_name(repo), version.epoch, &version.hash);
    let bytes = io.get(&name)?;
    let opened = match object_hash(&bytes) == version.hash {
        true => UncheckedGrant::open(&bytes, repo, version.epoch, me),
        false => Err(OpenError::NotAuthentic),
    };
    opened.map_err(|source| Error::Object { name, source })
}

/// The grant that was opened before, once more: for an admin, who gives its keys to others.
pub(crate) fn own_grant(io: &Io, keyring: &Keyring, roster: &Roster) -> Result<Grant> {
    let unchecked = grant_of(
        io,
        &keyring.repo,
        &keyring.holder.identity,
        keyring.granted(),
    )?;
    checked(unchecked, roster)
}

fn checked(unchecked: UncheckedGrant, roster: &Roster) -> Result<Grant> {
    let find_admin = |claim: &GrantClaim| {
        let (n, hash) = claim.roster;
        // The signer was an admin when it signed; a later removal does not take a grant back.
        let signer = roster.member(&claim.signer)?;
        let vouched = roster.contains(&RosterPosition { n, hash });
        (vouched && signer.capabilities.contain(Capabilities::ADMIN)).then(|| signer.public.clone())
    };
    unchecked
        .check(find_admin)
        .map_err(|_| Lie::NotByAdmin("the key grant of this identity".to_owned()).into())
}

/// The roster as the storage shows it now, to keys that are unlocked already; and newer keys, if an
/// epoch has begun since and this identity was granted it.
pub(super) fn roster_again(
    io: &Io,
    keyring: &Keyring,
    shown: &Shown,
    monitor: &dyn Monitor,
) -> Result<(Roster, Option<Keyring>)> {
    let keys = keyring.current_log()?.roster_keys();
    let id_of = |identity: &PublicIdentity| keyring.names.device_id(identity);
    let loaded = load::load(
        io,
        &Verifier {
            repo: keyring.repo,
            keys,
            id_of: &id_of,
        },
        shown,
        monitor,
    )?;
    if !loaded.newer_epoch {
        return Ok((loaded.roster, None));
    }
    let search = Search {
        io,
        repo: keyring.repo,
        me: &keyring.holder.identity,
        shown,
        monitor,
    };
    let Found {
        hash,
        grant,
        loaded,
        ..
    } = search.newest()?;
    if loaded.newer_epoch {
        return Err(Error::NoGrant);
    }
    let holder = Arc::clone(&keyring.holder);
    let newer = Keyring::unlock(keyring.repo, holder, (hash, &grant), &loaded.roster)?;
    Ok((loaded.roster, Some(newer)))
}
