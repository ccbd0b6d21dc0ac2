//! From a credential to an identity, and from an identity to the keys.

use ownkey_crypto::{
    Capabilities, Epoch, Grant, GrantClaim, Identity, IdentitySeed, KitSecret, ObjectHash,
    Password, PublicIdentity, RecoveryKey, RepoId, Slot, SlotContent, SlotError, SlotKind,
    UncheckedGrant,
};
use ownkey_storage::Location;

use crate::error::{Class, Error, Lie, Result};
use crate::format::entry::RosterPosition;
use crate::format::layout::{self, Object};
use crate::io::Io;
use crate::keyring::{Holder, Keyring};
use crate::monitor::Monitor;
use crate::roster::Roster;
use crate::roster::load::{self, Shown, Verifier};
use crate::state::State;

/// What opens a repository.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The key that this machine keeps in its state folder.
    Device,
    /// A password, alone or with the kit secret of its slot.
    Password(&'a Password, Option<&'a KitSecret>),
    /// The recovery key of the kit.
    RecoveryKey(&'a RecoveryKey),
}

/// The seed that `credential` gives.
pub(super) fn seed(
    io: &Io,
    repo: &RepoId,
    state: &State,
    credential: Credential<'_>,
) -> Result<IdentitySeed> {
    match credential {
        Credential::Device => state
            .load_device_key()?
            .ok_or_else(|| Error::NotEnrolled(location(io.location()))),
        Credential::Password(password, kit) => {
            from_slots(io, repo, "password", |slot| match (slot.kind(), kit) {
                (SlotKind::Password, _) => Some(slot.open_with_password(password)),
                (SlotKind::PasswordKit, Some(kit)) => {
                    Some(slot.open_with_password_kit(password, kit))
                }
                _ => None,
            })
        }
        Credential::RecoveryKey(key) => from_slots(io, repo, "recovery key", |slot| {
            (slot.kind() == SlotKind::RecoveryKey).then(|| slot.open_with_recovery_key(key))
        }),
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
    open: impl Fn(&Slot) -> Option<Result<SlotContent, SlotError>>,
) -> Result<IdentitySeed> {
    let mut tried = 0;
    let mut damaged = None;
    for (hash, bytes) in slots(io)? {
        let outcome = match Slot::parse(&bytes, &hash, repo) {
            Ok(slot) => open(&slot),
            Err(source) => Some(Err(source)),
        };
        match outcome {
            None => {}
            Some(Ok(content)) => return Ok(content.seed),
            Some(Err(SlotError::WrongCredential)) => tried += 1,
            Some(Err(source)) => {
                damaged = Some(Error::Slot {
                    name: layout::slot(&hash),
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

/// The keys of an identity, and the roster that vouches for them. `known` is the epoch of its newest
/// grant as far as this machine knows; the roster tells whether there is a newer one.
pub(super) fn keys(
    io: &Io,
    repo: RepoId,
    holder: Holder,
    known: Option<Epoch>,
    monitor: &dyn Monitor,
) -> Result<Unlocked> {
    let shown = load::list(io, monitor)?;
    let under = |unchecked: &UncheckedGrant| {
        let roster_keys = unchecked.roster_keys();
        let verifier = Verifier {
            repo,
            keys: &roster_keys,
            id_of: &|identity: &PublicIdentity| unchecked.device_id(identity),
        };
        load::load(io, &verifier, &shown, monitor)
    };
    let mut unchecked = match known.map(|epoch| grant_of(io, &repo, &holder.identity, epoch)) {
        Some(Ok(grant)) => grant,
        Some(Err(error)) if error.class() != Class::Damage => return Err(error),
        // Perhaps there is another one.
        _ => newest_grant(io, &repo, &holder.identity)?,
    };
    let mut loaded = under(&unchecked)?;
    if loaded.newer_epoch && known.is_some() {
        unchecked = newest_grant(io, &repo, &holder.identity)?;
        loaded = under(&unchecked)?;
    }
    if loaded.newer_epoch {
        monitor.note(
            "the roster has entries this identity cannot read: it was removed, or the storage hides its newest key grant",
        );
    }
    let me = unchecked.device_id(holder.identity.public());
    let grant = checked(unchecked, &loaded.roster)?;
    if loaded.roster.standing(&me).is_none() {
        return Err(Error::NoGrant);
    }
    let keys = Keyring::unlock(repo, holder, &grant, &loaded.roster)?;
    Ok(Unlocked {
        keys,
        roster: loaded.roster,
        shown,
        newer_epoch: loaded.newer_epoch,
    })
}

fn grant_of(io: &Io, repo: &RepoId, me: &Identity, epoch: Epoch) -> Result<UncheckedGrant> {
    let name = layout::grant(&me.public().grant_name(repo), epoch);
    let bytes = io.get(&name)?;
    UncheckedGrant::open(&bytes, repo, epoch, me).map_err(|source| Error::Object { name, source })
}

/// The newest grant under our name that opens; others may be older, or not ours at all.
fn newest_grant(io: &Io, repo: &RepoId, me: &Identity) -> Result<UncheckedGrant> {
    let name = me.public().grant_name(repo);
    let mut epochs: Vec<Epoch> = Vec::new();
    for object in io.list(&layout::grants(&name))? {
        if let Some(Object::Grant(_, epoch)) = Object::parse(&object.name) {
            epochs.push(epoch);
        }
    }
    epochs.sort_unstable();
    let mut failure = Error::NoGrant;
    for epoch in epochs.into_iter().rev() {
        match grant_of(io, repo, me, epoch) {
            Err(object @ Error::Object { .. }) => failure = object,
            outcome => return outcome,
        }
    }
    Err(failure)
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

/// The roster as the storage shows it now, to keys that are unlocked already.
pub(super) fn roster_again(
    io: &Io,
    keyring: &Keyring,
    shown: &Shown,
    monitor: &dyn Monitor,
) -> Result<Roster> {
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
    if loaded.newer_epoch {
        return Err(Error::NoGrant);
    }
    Ok(loaded.roster)
}
