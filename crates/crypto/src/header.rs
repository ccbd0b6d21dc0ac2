//! The header that every sealed object begins with, and the one-time key it leads to (docs/format.md §5).
//!
//! It promises the order of checks: length, magic, version, class, wrap, reserved byte, repository, epoch, then the key
//! commitment in constant time. Only who passes all of them holds a [`FrameKey`], so no AEAD call can come earlier.

use crate::aead::FrameKey;
use crate::bytes::Reader;
use crate::error::{OpenError, SealError, Unsupported};
use crate::hedge::Hedge;
use crate::ids::{Epoch, RepoId};
use crate::kdf::CommittedKey;
use crate::kem::{self, KemPublic, KemSecret, Purpose};
use crate::label::{Class, Label};
use crate::secret::Secret;

/// Length of a header without wrap.
pub const HEADER_LEN: usize = 112;
/// Length of the longest header, with wrap: so much of an object's beginning is always enough to find its key.
pub const MAX_HEADER_LEN: usize = 1232;
/// No object is longer (docs/format.md §14): lengths fit u32 and one object fits memory.
pub(crate) const MAX_OBJECT: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"OWNK";
const VERSION: u8 = 1;

/// How a new object's secret is found.
pub(crate) enum SealWay<'a> {
    Symmetric(&'a Secret),
    Kem(&'a KemPublic, Purpose),
}

impl SealWay<'_> {
    pub(crate) fn header_len(&self) -> usize {
        match self {
            Self::Symmetric(_) => HEADER_LEN,
            Self::Kem(..) => MAX_HEADER_LEN,
        }
    }
}

/// How an object's secret is found again; wraps that are not offered are refused.
#[derive(Default)]
pub(crate) struct OpenWays<'a> {
    pub(crate) symmetric: Option<&'a Secret>,
    pub(crate) kem: Option<(&'a KemSecret, Purpose)>,
}

/// A header just made, and the key for the frames that follow it.
pub(crate) struct Begun {
    pub(crate) header: Vec<u8>,
    pub(crate) key: FrameKey,
}

/// Makes a header. The hash covers everything that will be sealed under it (docs/format.md §6); `parity` is the length of
/// the parity section, of packs only.
pub(crate) fn begin(
    label: &Label<'_>,
    way: &SealWay<'_>,
    (plaintext_hash, parity): ([u8; 32], u32),
    hedge: &Hedge,
) -> Result<Begun, SealError> {
    let salt = hedge.salt(plaintext_hash)?;
    let (wrap_byte, wrap, secret) = match way {
        SealWay::Symmetric(secret) => (0, Vec::new(), secret.duplicate()),
        SealWay::Kem(to, purpose) => {
            let (wrap, secret) = kem::encapsulate(to, *purpose, label, hedge.random())?;
            (1, wrap, secret)
        }
    };
    let mut header = Vec::with_capacity(MAX_HEADER_LEN);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&[VERSION, label.class as u8, wrap_byte, 0]);
    header.extend_from_slice(&label.epoch.get().to_le_bytes());
    header.extend_from_slice(label.repo.as_bytes());
    let key = committed_key(
        &KeyInputs {
            public: &header,
            parity,
            wrap: &wrap,
            name: label.name,
        },
        &salt,
        &secret,
    );
    header.extend_from_slice(&salt);
    header.extend_from_slice(&key.commitment);
    header.extend_from_slice(&parity.to_le_bytes());
    header.extend_from_slice(&wrap);
    let hash = *blake3::hash(&header).as_bytes();
    Ok(Begun {
        key: FrameKey::new(&key.key, hash),
        header,
    })
}

/// What besides salt and secret goes into an object's key.
struct KeyInputs<'a> {
    public: &'a [u8],
    parity: u32,
    wrap: &'a [u8],
    name: &'a str,
}

fn committed_key(inputs: &KeyInputs<'_>, salt: &[u8; 32], secret: &Secret) -> CommittedKey {
    let name_len = u16::try_from(inputs.name.len())
        .unwrap_or(u16::MAX)
        .to_le_bytes();
    CommittedKey::derive(
        salt,
        secret.as_bytes(),
        &[
            b"ownkey/1 object",
            inputs.public,
            &inputs.parity.to_le_bytes(),
            blake3::hash(inputs.wrap).as_bytes(),
            &name_len,
            inputs.name.as_bytes(),
        ],
    )
}

/// A parsed header: nothing of it is authenticated.
pub(crate) struct Header<'a> {
    pub(crate) class: Class,
    pub(crate) epoch: Epoch,
    pub(crate) parity: u32,
    /// Header and wrap.
    pub(crate) bytes: &'a [u8],
    wrapped: bool,
    public: &'a [u8],
    repo: RepoId,
    salt: [u8; 32],
    commitment: [u8; 32],
    wrap: &'a [u8],
}

impl<'a> Header<'a> {
    /// Checks length, magic, version, class, wrap and reserved byte, in this order.
    pub(crate) fn parse(object: &'a [u8]) -> Result<Self, OpenError> {
        if object.len() > MAX_OBJECT {
            return Err(OpenError::TooLong);
        }
        let fixed = object.get(..HEADER_LEN).ok_or(OpenError::TooShort)?;
        let mut reader = Reader::new(fixed);
        let short = |_| OpenError::TooShort;
        let magic = reader.array::<4>().map_err(short)?;
        let [version, class, wrap, reserved] = reader.array::<4>().map_err(short)?;
        if magic != MAGIC {
            return Err(OpenError::NotOwnkey);
        }
        if version != VERSION {
            return Err(OpenError::Unsupported(Unsupported::Version));
        }
        let class = Class::from_byte(class).ok_or(OpenError::Unsupported(Unsupported::Class))?;
        let wrapped = match wrap {
            0 => false,
            1 => true,
            _ => return Err(OpenError::Unsupported(Unsupported::Wrap)),
        };
        if reserved != 0 {
            return Err(OpenError::Unsupported(Unsupported::Reserved));
        }
        let epoch = Epoch::new(reader.u32().map_err(short)?).ok_or(OpenError::Malformed)?;
        let repo = RepoId::from_bytes(reader.array().map_err(short)?);
        let salt = reader.array().map_err(short)?;
        let commitment = reader.array().map_err(short)?;
        let parity = reader.u32().map_err(short)?;
        if parity != 0 && !class.is_pack() {
            return Err(OpenError::Unsupported(Unsupported::Reserved));
        }
        let length = if wrapped { MAX_HEADER_LEN } else { HEADER_LEN };
        let bytes = object.get(..length).ok_or(OpenError::TooShort)?;
        let wrap = bytes.get(HEADER_LEN..).ok_or(OpenError::TooShort)?;
        let public = fixed.get(..44).ok_or(OpenError::TooShort)?;
        Ok(Self {
            class,
            epoch,
            parity,
            bytes,
            wrapped,
            public,
            repo,
            salt,
            commitment,
            wrap,
        })
    }

    /// Checks class, wrap, repository, epoch and commitment, in this order, and gives the key of the frames.
    pub(crate) fn key(
        &self,
        label: &Label<'_>,
        ways: &OpenWays<'_>,
    ) -> Result<FrameKey, OpenError> {
        if self.class != label.class {
            return Err(OpenError::WrongClass);
        }
        let unsupported = OpenError::Unsupported(Unsupported::Wrap);
        if self.wrapped && ways.kem.is_none() || !self.wrapped && ways.symmetric.is_none() {
            return Err(unsupported);
        }
        if self.repo != label.repo {
            return Err(OpenError::WrongRepository);
        }
        if self.epoch != label.epoch {
            return Err(OpenError::WrongEpoch);
        }
        let secret = match (self.wrapped, ways.symmetric, ways.kem) {
            (false, Some(secret), _) => secret.duplicate(),
            (true, _, Some((secret, purpose))) => {
                kem::decapsulate(secret, purpose, label, self.wrap)?
            }
            _ => return Err(unsupported),
        };
        let inputs = KeyInputs {
            public: self.public,
            parity: self.parity,
            wrap: self.wrap,
            name: label.name,
        };
        let key = committed_key(&inputs, &self.salt, &secret);
        if !key.commits_to(&self.commitment) {
            return Err(OpenError::WrongKey);
        }
        Ok(FrameKey::new(
            &key.key,
            *blake3::hash(self.bytes).as_bytes(),
        ))
    }
}

/// Which repository an object says it belongs to, before anything was checked.
///
/// # Errors
/// [`OpenError`] as for [`peek_epoch`].
pub fn peek_repo(object: &[u8]) -> Result<RepoId, OpenError> {
    Header::parse(object).map(|header| header.repo)
}

/// Class and epoch that an object claims, to find the keys to open it with.
///
/// # Errors
/// Those of the checks before the repository: [`OpenError::TooShort`], [`OpenError::TooLong`], [`OpenError::NotOwnkey`],
/// [`OpenError::Unsupported`], [`OpenError::Malformed`] for epoch 0.
pub fn peek_epoch(object: &[u8]) -> Result<(Class, Epoch), OpenError> {
    Header::parse(object).map(|header| (header.class, header.epoch))
}
