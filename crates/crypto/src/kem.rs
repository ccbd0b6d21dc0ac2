//! X-Wing (ML-KEM-768 with X25519) through HPKE (RFC 9180), export-only: secrets for one recipient's key.
//!
//! It promises that points of small order are refused on both sides, so that no secret is ever a constant, and that an
//! encapsulation changed in any bit gives another secret, which the key commitment then refuses.

use crate::error::{OpenError, SealError};
use crate::label::Label;
use crate::random::Random;
use crate::secret::Secret;
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, XWing};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, HpkeError, OpModeR, OpModeS, Serializable as _};
use std::convert::Infallible;
use std::fmt;
use zeroize::Zeroize as _;

type PublicKey = <XWing as hpke::kem::Kem>::PublicKey;
type PrivateKey = <XWing as hpke::kem::Kem>::PrivateKey;
type EncappedKey = <XWing as hpke::kem::Kem>::EncappedKey;

/// Length of an X-Wing encapsulation key.
pub(crate) const KEM_PUBLIC_LEN: usize = 1216;
/// X-Wing draws 32 bytes for ML-KEM and 32 for X25519.
const ENCAPSULATION_RANDOMNESS: usize = 64;

/// What a KEM key is for; part of the HPKE info, so that a grant's wrap is never a pack's.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Grant,
    ReadKem,
    Share,
}

impl Purpose {
    /// `"ownkey/1 " ‖ purpose ‖ repo_id ‖ LE32(epoch)`.
    fn info(self, label: &Label<'_>) -> Vec<u8> {
        let purpose: &[u8] = match self {
            Self::Grant => b"grant",
            Self::ReadKem => b"read-kem",
            Self::Share => b"share",
        };
        [
            b"ownkey/1 ",
            purpose,
            label.repo.as_bytes(),
            &label.epoch.get().to_le_bytes(),
        ]
        .concat()
    }
}

/// A validated encapsulation key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KemPublic(PublicKey);

impl KemPublic {
    /// Refuses a wrong length, ML-KEM coefficients out of range, and an X25519 point of small order.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        has_large_order(bytes).then(|| PublicKey::from_bytes(bytes).ok().map(Self))?
    }

    pub(crate) fn to_bytes(&self) -> [u8; KEM_PUBLIC_LEN] {
        self.0.to_bytes().into()
    }
}

/// A decapsulation key, grown from its 32-byte seed; the crates that hold it erase it.
pub(crate) struct KemSecret(PrivateKey);

impl KemSecret {
    pub(crate) fn from_seed(seed: &Secret) -> Self {
        Self(
            PrivateKey::from_bytes(seed.as_bytes())
                .expect("an X-Wing decapsulation key is any 32 bytes"),
        )
    }

    pub(crate) fn public(&self) -> KemPublic {
        KemPublic(XWing::sk_to_pk(&self.0))
    }
}

/// The epoch's public key that write-only devices seal to (docs/format.md §4).
#[derive(Clone, PartialEq, Eq)]
pub struct ReadKemPublic(pub(crate) KemPublic);

impl ReadKemPublic {
    /// Length in bytes.
    pub const LEN: usize = KEM_PUBLIC_LEN;

    /// From its 1,216 bytes.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] for a wrong length, an invalid ML-KEM key, or an X25519 point of small order.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        KemPublic::parse(bytes)
            .map(Self)
            .ok_or(OpenError::Malformed)
    }

    /// Its 1,216 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; KEM_PUBLIC_LEN] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for ReadKemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ReadKemPublic({})",
            crate::ids::object_hash(&self.to_bytes())
        )
    }
}

/// Draws a fresh secret for `to`; returns the 1,120-byte wrap and the secret.
pub(crate) fn encapsulate(
    to: &KemPublic,
    purpose: Purpose,
    label: &Label<'_>,
    random: &dyn Random,
) -> Result<(Vec<u8>, Secret), SealError> {
    let mut drawn = Drawn {
        bytes: [0; ENCAPSULATION_RANDOMNESS],
        asked: 0,
    };
    random.fill(&mut drawn.bytes)?;
    let info = purpose.info(label);
    let sent = hpke::setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to.0,
        &info,
        &mut drawn,
    );
    // Exactly what was drawn must have been used: neither less randomness nor an invented byte.
    let (wrap, context) = sent
        .ok()
        .filter(|_| drawn.asked == ENCAPSULATION_RANDOMNESS)
        .ok_or(SealError::BadRecipient)?;
    let secret =
        export(|out| context.export(b"ownkey/1 wrap", out)).map_err(|_| SealError::BadRecipient)?;
    Ok((wrap.to_bytes().to_vec(), secret))
}

/// The secret that a wrap holds for us. A changed wrap gives another secret (implicit rejection) or is refused.
pub(crate) fn decapsulate(
    secret: &KemSecret,
    purpose: Purpose,
    label: &Label<'_>,
    wrap: &[u8],
) -> Result<Secret, OpenError> {
    // X-Wing itself accepts an all-zero X25519 result; docs/format.md §5 does not.
    if !has_large_order(wrap) {
        return Err(OpenError::NotAuthentic);
    }
    let wrap = EncappedKey::from_bytes(wrap).map_err(|_| OpenError::TooShort)?;
    let info = purpose.info(label);
    let context = hpke::setup_receiver::<ExportOnlyAead, HkdfSha256, XWing>(
        &OpModeR::Base,
        &secret.0,
        &wrap,
        &info,
    )
    .map_err(|_| OpenError::NotAuthentic)?;
    export(|out| context.export(b"ownkey/1 wrap", out)).map_err(|_| OpenError::NotAuthentic)
}

fn export(into: impl FnOnce(&mut [u8]) -> Result<(), HpkeError>) -> Result<Secret, HpkeError> {
    let mut secret = Secret::zeroed();
    into(secret.as_mut())?;
    Ok(secret)
}

/// Whether the X25519 point that ends an X-Wing key or wrap has large order.
///
/// A clamped scalar is a multiple of 8 and, divided by it, smaller than the large prime orders of the curve and of its
/// twist: so *any* clamped scalar, a public one too, sends a point to zero exactly if the point's order divides 8.
fn has_large_order(key_or_wrap: &[u8]) -> bool {
    const ANY_SCALAR: [u8; 32] = [9; 32];
    key_or_wrap
        .last_chunk::<32>()
        .is_some_and(|point| x25519_dalek::x25519(ANY_SCALAR, *point) != [0; 32])
}

/// Randomness drawn beforehand, because HPKE's generator cannot fail and ours can.
struct Drawn {
    bytes: [u8; ENCAPSULATION_RANDOMNESS],
    asked: usize,
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u64::from_le_bytes(bytes))
    }

    /// Past the end it gives nothing and counts on, which makes [`encapsulate`] refuse.
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let from = self.asked;
        self.asked = self.asked.saturating_add(out.len());
        if let Some(drawn) = self.bytes.get(from..self.asked) {
            out.copy_from_slice(drawn);
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}
