//! Key slots: how a human gets a recovery identity's seed (docs/format.md §7).
//!
//! It promises one outer shape and length for all kinds, that everything public is checked before any work is done, and
//! that the key commitment is compared before anything is decrypted: one attempt tests one credential. Nothing in a slot
//! is believed before its identity's grant opens.

use crate::bytes::{Reader, Short};
use crate::contacts::ContactsSecret;
use crate::error::SlotError;
use crate::hedge::{hedge_key, hedged_salt};
use crate::identity::IdentitySeed;
use crate::ids::{ObjectHash, RepoId, object_hash};
use crate::kdf::CommittedKey;
use crate::password::{KdfCost, Password, stretch};
use crate::random::Random;
use crate::recovery_key::{KitSecret, RecoveryKey};
use crate::sealed::Sealed;
use crate::secret::Secret;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use zeroize::Zeroizing;

/// Length of every slot in bytes.
const SLOT_LEN: usize = 512;
const FIELDS_LEN: usize = 116;
const PUBLIC_LEN: usize = 148;
const PAYLOAD_LEN: usize = 348;
const MAX_LABEL: usize = 255;
const MAGIC: [u8; 4] = *b"OWNS";
const VERSION: u8 = 1;
/// The key is used for this one message, because the salt is fresh.
const NONCE: [u8; 12] = [0; 12];

/// Which credential opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SlotKind {
    /// A password.
    Password = 1,
    /// A password and the secret printed in the kit.
    PasswordKit = 2,
    /// A recovery key.
    RecoveryKey = 3,
    /// Recovery contacts.
    Contacts = 4,
}

impl SlotKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Password,
            Self::PasswordKit,
            Self::RecoveryKey,
            Self::Contacts,
        ]
        .into_iter()
        .find(|&kind| kind as u8 == byte)
    }

    fn takes_password(self) -> bool {
        matches!(self, Self::Password | Self::PasswordKit)
    }
}

/// What a slot holds.
pub struct SlotContent {
    /// The recovery identity's seed.
    pub seed: IdentitySeed,
    /// What the owner calls it; at most 255 bytes.
    pub label: String,
}

/// A slot whose public fields were checked.
pub struct Slot {
    kind: SlotKind,
    repo: RepoId,
    cost: Option<KdfCost>,
    salt: [u8; 32],
    blind: [u8; 32],
    commitment: [u8; 32],
    bytes: [u8; SLOT_LEN],
}

impl Slot {
    /// Seals behind a password.
    ///
    /// # Errors
    /// [`SlotError::LabelTooLong`], [`SlotError::OutOfMemory`], [`SlotError::Random`]; so for all that seals.
    pub fn seal_password(
        content: &SlotContent,
        repo: &RepoId,
        password: &Password,
        cost: KdfCost,
        random: &dyn Random,
    ) -> Result<Sealed, SlotError> {
        let draft = Draft::new(SlotKind::Password, content, repo, Some(cost), random)?;
        let kek = stretch(password, &draft.salt, cost)?;
        draft.seal(&kek)
    }

    /// Seals behind a password and a kit secret.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn seal_password_kit(
        content: &SlotContent,
        repo: &RepoId,
        (password, kit): (&Password, &KitSecret),
        cost: KdfCost,
        random: &dyn Random,
    ) -> Result<Sealed, SlotError> {
        let draft = Draft::new(SlotKind::PasswordKit, content, repo, Some(cost), random)?;
        let kek = kit.kek(&stretch(password, &draft.salt, cost)?, repo);
        draft.seal(&kek)
    }

    /// Seals behind a recovery key.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn seal_recovery_key(
        content: &SlotContent,
        repo: &RepoId,
        key: &RecoveryKey,
        random: &dyn Random,
    ) -> Result<Sealed, SlotError> {
        Draft::new(SlotKind::RecoveryKey, content, repo, None, random)?.seal(&key.kek(repo))
    }

    /// Seals behind what recovery contacts hold, with a fresh blind; [`Slot::blind`] tells it for the kit.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn seal_contacts(
        content: &SlotContent,
        repo: &RepoId,
        secret: &ContactsSecret,
        random: &dyn Random,
    ) -> Result<Sealed, SlotError> {
        let mut draft = Draft::new(SlotKind::Contacts, content, repo, None, random)?;
        random.fill(&mut draft.blind)?;
        let kek = secret.kek(&draft.blind, repo);
        draft.seal(&kek)
    }

    /// Checks length, name, fields and cost, before any work.
    ///
    /// # Errors
    /// [`SlotError::Damaged`], [`SlotError::Unsupported`], [`SlotError::WrongRepository`], [`SlotError::CostOutOfBounds`].
    pub fn parse(bytes: &[u8], name: &ObjectHash, repo: &RepoId) -> Result<Self, SlotError> {
        let bytes = <[u8; SLOT_LEN]>::try_from(bytes).map_err(|_| SlotError::Damaged)?;
        if object_hash(&bytes) != *name {
            return Err(SlotError::Damaged);
        }
        let slot = Self::fields(bytes).map_err(|Short| SlotError::Damaged)??;
        if slot.repo == *repo {
            Ok(slot)
        } else {
            Err(SlotError::WrongRepository)
        }
    }

    fn fields(bytes: [u8; SLOT_LEN]) -> Result<Result<Self, SlotError>, Short> {
        let mut reader = Reader::new(&bytes);
        let magic = reader.array::<4>()?;
        let (version, kind, zero) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let repo = RepoId::from_bytes(reader.array()?);
        let [memory_kib, passes, lanes] = [reader.u32()?, reader.u32()?, reader.u32()?];
        let [salt, blind, commitment] = [reader.array()?, reader.array()?, reader.array()?];
        if magic != MAGIC {
            return Ok(Err(SlotError::Damaged));
        }
        let Some(kind) = SlotKind::from_byte(kind).filter(|_| version == VERSION) else {
            return Ok(Err(SlotError::Unsupported));
        };
        let stray_cost = !kind.takes_password() && [memory_kib, passes, lanes] != [0; 3];
        let stray_blind = kind != SlotKind::Contacts && blind != [0; 32];
        if zero != 0 || stray_cost || stray_blind {
            return Ok(Err(SlotError::Damaged));
        }
        let cost = match kind
            .takes_password()
            .then(|| KdfCost::new(memory_kib, passes, lanes))
        {
            Some(Err(error)) => return Ok(Err(error)),
            Some(Ok(cost)) => Some(cost),
            None => None,
        };
        Ok(Ok(Self {
            kind,
            repo,
            cost,
            salt,
            blind,
            commitment,
            bytes,
        }))
    }

    /// Which credential it takes.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// What a guess costs; of password slots.
    #[must_use]
    pub fn cost(&self) -> Option<KdfCost> {
        self.cost
    }

    /// The blind; zeros but for recovery contacts.
    #[must_use]
    pub fn blind(&self) -> &[u8; 32] {
        &self.blind
    }

    /// Opens with a password.
    ///
    /// # Errors
    /// [`SlotError::WrongCredential`], [`SlotError::OtherKind`], [`SlotError::OutOfMemory`], [`SlotError::Damaged`];
    /// so for all that opens.
    pub fn open_with_password(&self, password: &Password) -> Result<SlotContent, SlotError> {
        let cost = self
            .cost
            .filter(|_| self.kind == SlotKind::Password)
            .ok_or(SlotError::OtherKind)?;
        self.open(&stretch(password, &self.salt, cost)?)
    }

    /// Opens with a password and a kit secret.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn open_with_password_kit(
        &self,
        password: &Password,
        kit: &KitSecret,
    ) -> Result<SlotContent, SlotError> {
        let cost = self
            .cost
            .filter(|_| self.kind == SlotKind::PasswordKit)
            .ok_or(SlotError::OtherKind)?;
        self.open(&kit.kek(&stretch(password, &self.salt, cost)?, &self.repo))
    }

    /// Opens with a recovery key.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn open_with_recovery_key(&self, key: &RecoveryKey) -> Result<SlotContent, SlotError> {
        if self.kind != SlotKind::RecoveryKey {
            return Err(SlotError::OtherKind);
        }
        self.open(&key.kek(&self.repo))
    }

    /// Opens with what recovery contacts gave back.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn open_with_contacts(&self, secret: &ContactsSecret) -> Result<SlotContent, SlotError> {
        if self.kind != SlotKind::Contacts {
            return Err(SlotError::OtherKind);
        }
        self.open(&secret.kek(&self.blind, &self.repo))
    }

    fn open(&self, kek: &Secret) -> Result<SlotContent, SlotError> {
        let damaged = SlotError::Damaged;
        let fields = self.bytes.get(..FIELDS_LEN).ok_or(damaged)?;
        let public = self.bytes.get(..PUBLIC_LEN).ok_or(damaged)?;
        let key = CommittedKey::derive(&self.salt, kek.as_bytes(), &[b"ownkey/1 slot", fields]);
        if !key.commits_to(&self.commitment) {
            return Err(SlotError::WrongCredential);
        }
        let (ciphertext, tag) = self
            .bytes
            .get(PUBLIC_LEN..)
            .and_then(|rest| rest.split_last_chunk::<16>())
            .ok_or(damaged)?;
        let mut payload = Zeroizing::new(ciphertext.to_vec());
        ChaCha20Poly1305::new(key.key.as_bytes().into())
            .decrypt_inout_detached(
                &Nonce::from(NONCE),
                public,
                payload.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| damaged)?;
        decode_payload(&payload).ok_or(damaged)
    }
}

/// `seed ‖ u16 length of label ‖ label ‖ zeros`.
fn encode_payload(content: &SlotContent) -> Result<Zeroizing<Vec<u8>>, SlotError> {
    let length = u16::try_from(content.label.len()).map_err(|_| SlotError::LabelTooLong)?;
    if content.label.len() > MAX_LABEL {
        return Err(SlotError::LabelTooLong);
    }
    let mut payload = Zeroizing::new(Vec::with_capacity(SLOT_LEN));
    payload.extend_from_slice(content.seed.expose_for_file());
    payload.extend_from_slice(&length.to_le_bytes());
    payload.extend_from_slice(content.label.as_bytes());
    payload.resize(PAYLOAD_LEN, 0);
    Ok(payload)
}

fn decode_payload(payload: &[u8]) -> Option<SlotContent> {
    let mut reader = Reader::new(payload);
    let seed = reader.array_in_place::<32>().ok()?;
    let length = usize::from(reader.u16().ok()?);
    let label = std::str::from_utf8(reader.take(length).ok()?)
        .ok()
        .filter(|label| label.len() <= MAX_LABEL)?;
    let zeros = reader.take(reader.remaining()).ok()?;
    let content = SlotContent {
        seed: IdentitySeed::from_file_bytes(seed),
        label: label.to_owned(),
    };
    zeros.iter().all(|&byte| byte == 0).then_some(content)
}

/// A slot in the making.
struct Draft {
    kind: SlotKind,
    repo: RepoId,
    cost: Option<KdfCost>,
    salt: [u8; 32],
    blind: [u8; 32],
    payload: Zeroizing<Vec<u8>>,
}

impl Draft {
    /// The salt is hedged by the seed inside (docs/format.md §6): a cloned machine cannot reuse a key for another payload.
    fn new(
        kind: SlotKind,
        content: &SlotContent,
        repo: &RepoId,
        cost: Option<KdfCost>,
        random: &dyn Random,
    ) -> Result<Self, SlotError> {
        let payload = encode_payload(content)?;
        let salt = hedged_salt(
            &hedge_key(&content.seed),
            random,
            0,
            *blake3::hash(&payload).as_bytes(),
        )?;
        Ok(Self {
            kind,
            repo: *repo,
            cost,
            salt,
            blind: [0; 32],
            payload,
        })
    }

    fn seal(mut self, kek: &Secret) -> Result<Sealed, SlotError> {
        let [memory_kib, passes, lanes] = self.cost.map_or([0; 3], |cost| {
            [cost.memory_kib(), cost.passes(), cost.lanes()]
        });
        let mut slot = Vec::with_capacity(SLOT_LEN);
        slot.extend_from_slice(&MAGIC);
        slot.extend_from_slice(&[VERSION, self.kind as u8, 0, 0]);
        slot.extend_from_slice(self.repo.as_bytes());
        for number in [memory_kib, passes, lanes] {
            slot.extend_from_slice(&number.to_le_bytes());
        }
        slot.extend_from_slice(&self.salt);
        slot.extend_from_slice(&self.blind);
        let key = CommittedKey::derive(&self.salt, kek.as_bytes(), &[b"ownkey/1 slot", &slot]);
        slot.extend_from_slice(&key.commitment);
        let tag = ChaCha20Poly1305::new(key.key.as_bytes().into())
            .encrypt_inout_detached(
                &Nonce::from(NONCE),
                &slot,
                self.payload.as_mut_slice().into(),
            )
            .map_err(|_| SlotError::Damaged)?;
        slot.extend_from_slice(&self.payload);
        slot.extend_from_slice(&tag);
        Ok(Sealed::new(slot))
    }
}
