//! Grants: the keys of an epoch, sealed to one identity and signed by an admin (docs/format.md §8).
//!
//! It promises that nothing of a grant is believed before its signer stands in the roster: sealing to a public key says
//! nothing of the sender. Until then [`UncheckedGrant`] lends out what is needed to read the roster, and no more.

use crate::bytes::{Reader, Short};
use crate::envelope::{Finish, open_signed, seal_single};
use crate::epoch_keys::ReaderKeys;
use crate::error::{OpenError, SealError};
use crate::header::{OpenWays, SealWay};
use crate::hedge::Hedge;
use crate::identity::{Identity, PublicIdentity};
use crate::ids::{DeviceId, Epoch, ObjectHash, RepoId, grant_label};
use crate::kem::{Purpose, ReadKemPublic};
use crate::keys::{DedupKey, LogKey, ReadKey};
use crate::label::{Class, Label};
use crate::log_keys::RosterKeys;
use crate::name_keys::{NameKeys, device_id};
use crate::sealed::{Sealed, Unverified};
use crate::secret::Secret;
use zeroize::Zeroizing;

/// Length of a grant's body: always the same, so that a write-only device's grant looks like any other.
const BODY_LEN: usize = 1368;

/// What an identity may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities(u8);

impl Capabilities {
    /// Append only.
    pub const WRITE: Self = Self(1);
    /// Read.
    pub const READ: Self = Self(2);
    /// Forget and prune; reads.
    pub const PRUNE: Self = Self(2 | 4);
    /// Enrol, remove and re-key; prunes and reads.
    pub const ADMIN: Self = Self(2 | 4 | 8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// From the bits of docs/format.md §8; `None` if a bit lacks what it needs or is unknown.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let unknown = bits & !15 != 0;
        let prune_without_read = bits & 4 != 0 && bits & 2 == 0;
        let admin_without_prune = bits & 8 != 0 && bits & 4 == 0;
        if unknown || prune_without_read || admin_without_prune {
            None
        } else {
            Some(Self(bits))
        }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contain(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The keys of one epoch for one identity.
pub struct Grant {
    /// The epoch.
    pub epoch: Epoch,
    /// RK_e; absent for who may only write.
    pub read: Option<ReadKey>,
    /// LK_e.
    pub log: LogKey,
    /// DK.
    pub dedup: DedupKey,
    /// The public key of the epoch that write-only devices seal to.
    pub read_kem: ReadKemPublic,
    /// What the identity may do.
    pub capabilities: Capabilities,
    /// A roster entry that the roster must contain: its position and hash.
    pub roster: (u32, ObjectHash),
    /// The admin who signs.
    pub signer: DeviceId,
}

impl Grant {
    /// Seals the grant for `to`, to be stored under its [`grant_label`] and its hash.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        to: &PublicIdentity,
        repo: &RepoId,
        by: &Identity,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        let name = grant_label(&to.grant_name(repo), self.epoch);
        let label = Label {
            class: Class::Grant,
            repo: *repo,
            epoch: self.epoch,
            name: &name,
        };
        seal_single(
            &label,
            &SealWay::Kem(&to.kem, Purpose::Grant),
            &self.encode(),
            &Finish::Signed(by),
            hedge,
        )
    }

    /// The fixed layout of docs/format.md §8.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_LEN));
        body.extend_from_slice(&[
            self.capabilities.bits(),
            u8::from(self.read.is_some()),
            0,
            0,
        ]);
        body.extend_from_slice(self.read.as_ref().map_or(&[0; 32], |key| key.0.as_bytes()));
        body.extend_from_slice(self.log.0.as_bytes());
        body.extend_from_slice(self.dedup.0.as_bytes());
        body.extend_from_slice(&self.read_kem.to_bytes());
        body.extend_from_slice(&self.roster.0.to_le_bytes());
        body.extend_from_slice(self.roster.1.as_bytes());
        body.extend_from_slice(self.signer.as_bytes());
        body
    }

    fn decode(body: &[u8], repo: &RepoId, epoch: Epoch) -> Result<Self, OpenError> {
        if body.len() != BODY_LEN {
            return Err(OpenError::Malformed);
        }
        let grant = Self::decode_fields(&mut Reader::new(body), epoch)
            .map_err(|Short| OpenError::Malformed)??;
        // Whoever reads must be able to check what write-only devices are told to seal to.
        let matches =
            |read: &ReadKey| ReaderKeys::new(read, repo, epoch).read_kem_public() == grant.read_kem;
        if grant.read.as_ref().is_some_and(|read| !matches(read)) {
            return Err(OpenError::Malformed);
        }
        Ok(grant)
    }

    fn decode_fields(
        reader: &mut Reader<'_>,
        epoch: Epoch,
    ) -> Result<Result<Self, OpenError>, Short> {
        let [capabilities, has_read, zero_1, zero_2] = reader.array::<4>()?;
        let mut secret = || reader.array_in_place::<32>().map(Secret::from_bytes);
        let (read, log, dedup) = (secret()?, LogKey(secret()?), DedupKey(secret()?));
        let read_kem = ReadKemPublic::parse(reader.take(ReadKemPublic::LEN)?);
        let roster = (reader.u32()?, ObjectHash::from_bytes(reader.array()?));
        let signer = DeviceId::from_bytes(reader.array()?);
        let capabilities = Capabilities::from_bits(capabilities);
        let (Some(capabilities), Ok(read_kem)) = (capabilities, read_kem) else {
            return Ok(Err(OpenError::Malformed));
        };
        let may_read = capabilities.contain(Capabilities::READ);
        let absent_is_zero = may_read || *read.as_bytes() == [0; 32];
        if has_read != u8::from(may_read) || zero_1 != 0 || zero_2 != 0 || !absent_is_zero {
            return Ok(Err(OpenError::Malformed));
        }
        let read = may_read.then_some(ReadKey(read));
        Ok(Ok(Self {
            epoch,
            read,
            log,
            dedup,
            read_kem,
            capabilities,
            roster,
            signer,
        }))
    }
}

/// What a grant says of itself, to find its signer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantClaim {
    /// Who claims to have signed it.
    pub signer: DeviceId,
    /// The roster entry that the roster must contain.
    pub roster: (u32, ObjectHash),
    /// What it lets us do.
    pub capabilities: Capabilities,
}

/// A grant that opened: anybody who knows our public key could have made it.
#[must_use = "nothing in it may be believed before check"]
pub struct UncheckedGrant {
    grant: Grant,
    repo: RepoId,
    name_key: Secret,
    envelope: Unverified,
}

impl UncheckedGrant {
    /// Opens the grant of epoch `epoch` that lies under our name.
    ///
    /// # Errors
    /// [`OpenError`]; a grant for somebody else is [`OpenError::WrongKey`].
    pub fn open(
        object: &[u8],
        repo: &RepoId,
        epoch: Epoch,
        me: &Identity,
    ) -> Result<Self, OpenError> {
        let name = grant_label(&me.public().grant_name(repo), epoch);
        let label = Label {
            class: Class::Grant,
            repo: *repo,
            epoch,
            name: &name,
        };
        let ways = OpenWays {
            symmetric: None,
            kem: Some((&me.kem, Purpose::Grant)),
        };
        let mut envelope = open_signed(&label, &ways, object)?;
        let body = Zeroizing::new(envelope.take_bytes());
        let grant = Grant::decode(&body, repo, epoch)?;
        let name_key = NameKeys::new(&grant.dedup, repo).into_name();
        Ok(Self {
            grant,
            repo: *repo,
            name_key,
            envelope,
        })
    }

    /// What reads the roster in which the signer is looked for. The roster proves itself by the repository's id.
    #[must_use]
    pub fn roster_keys(&self) -> RosterKeys {
        RosterKeys::new(&self.grant.log, &self.repo, self.grant.epoch)
    }

    /// The id that an identity has under this grant's keys, to find the signer by.
    #[must_use]
    pub fn device_id(&self, identity: &PublicIdentity) -> DeviceId {
        device_id(&self.name_key, identity)
    }

    /// The grant, if `find_admin` knows its signer as an admin of a roster that contains the named entry, and the signer
    /// signed it.
    ///
    /// # Errors
    /// [`OpenError::UnknownSigner`], or [`OpenError::NotAuthentic`] for a signature that is not the signer's.
    pub fn check(
        self,
        find_admin: impl FnOnce(&GrantClaim) -> Option<PublicIdentity>,
    ) -> Result<Grant, OpenError> {
        let Grant {
            signer,
            roster,
            capabilities,
            ..
        } = self.grant;
        let admin = find_admin(&GrantClaim {
            signer,
            roster,
            capabilities,
        })
        .ok_or(OpenError::UnknownSigner)?;
        if device_id(&self.name_key, &admin) != signer {
            return Err(OpenError::UnknownSigner);
        }
        self.envelope.verified_by(&admin)?;
        Ok(self.grant)
    }
}
