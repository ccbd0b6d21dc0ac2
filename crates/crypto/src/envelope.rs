//! Single envelopes: header and one frame, padded to a size class, some of them signed (docs/format.md §5).
//!
//! It promises that padding is zeros and checked, that lengths are bounded before anything is allocated, and that what
//! many can seal comes out [`Unverified`]. The key types of this crate are its only users.

use crate::aead::{FrameSlot, FrameType, TAG_LEN};
use crate::bytes::{Reader, wide};
use crate::error::{OpenError, SealError};
use crate::header::{Header, OpenWays, SealWay, begin};
use crate::hedge::Hedge;
use crate::identity::{Identity, Signature, Signed};
use crate::label::{Class, Label};
use crate::padding::single_class;
use crate::sealed::{Opened, Sealed, SignedLabel, Unverified};

/// Length prefix of the body.
const PREFIX_LEN: usize = 4;

/// What follows the frame, and whether zeros fill the object up to its size class.
pub(crate) enum Finish<'a> {
    /// Inside another envelope, which is padded itself.
    Inner,
    /// An object of its own.
    Padded,
    /// An object of its own, with a signature over everything before it.
    Signed(&'a Identity),
}

impl Finish<'_> {
    fn trailing(&self) -> usize {
        match self {
            Self::Signed(_) => Signature::LEN,
            _ => 0,
        }
    }
}

/// docs/format.md §14.
fn limit(class: Class) -> u64 {
    match class {
        Class::Roster | Class::Grant => 1 << 20,
        Class::Log => 16 << 20,
        Class::Segment => 32 << 20,
        Class::Body | Class::Fold => 16 << 20,
        Class::History | Class::Request | Class::Share => 4 << 10,
        Class::DataPack | Class::MetaPack => 64 << 20,
    }
}

/// Seals `body` as one object.
pub(crate) fn seal_single(
    label: &Label<'_>,
    way: &SealWay<'_>,
    body: &[u8],
    finish: &Finish<'_>,
    hedge: &Hedge,
) -> Result<Sealed, SealError> {
    let too_long = SealError::TooLong;
    let parts = [
        way.header_len(),
        PREFIX_LEN,
        body.len(),
        TAG_LEN,
        finish.trailing(),
    ];
    let bare = parts
        .iter()
        .fold(0u64, |sum, &part| sum.saturating_add(wide(part)));
    let total = if matches!(finish, Finish::Inner) {
        bare
    } else {
        single_class(bare)
    };
    if total > limit(label.class) || label.name.len() > usize::from(u16::MAX) {
        return Err(too_long);
    }
    let padding = usize::try_from(total.saturating_sub(bare)).map_err(|_| too_long)?;
    let prefix = u32::try_from(body.len())
        .map_err(|_| too_long)?
        .to_le_bytes();
    let zeros = vec![0u8; padding];
    let plaintext_hash = *blake3::Hasher::new()
        .update(&prefix)
        .update(body)
        .update(&zeros)
        .finalize()
        .as_bytes();

    let begun = begin(label, way, (plaintext_hash, 0), hedge)?;
    let mut object = Vec::with_capacity(usize::try_from(total).map_err(|_| too_long)?);
    object.extend_from_slice(&begun.header);
    object.extend_from_slice(&prefix);
    object.extend_from_slice(body);
    object.extend_from_slice(&zeros);
    begun.key.seal_tail(
        FrameSlot::only(FrameType::Single),
        &mut object,
        begun.header.len(),
    )?;
    if let Finish::Signed(signer) = finish {
        let signature = signer.sign(&signed(label), &object);
        object.extend_from_slice(signature.as_bytes());
    }
    Ok(Sealed::new(object))
}

/// Opens an object without signature.
pub(crate) fn open_single(
    label: &Label<'_>,
    ways: &OpenWays<'_>,
    object: &[u8],
) -> Result<Opened, OpenError> {
    open_frame(label, ways, object, object).map(Opened::new)
}

/// Opens a signed object, its signature still to be verified.
pub(crate) fn open_signed(
    label: &Label<'_>,
    ways: &OpenWays<'_>,
    object: &[u8],
) -> Result<Unverified, OpenError> {
    let (signed_bytes, signature) = object.split_last_chunk().ok_or(OpenError::TooShort)?;
    let opened = open_frame(label, ways, object, signed_bytes)?;
    Ok(Unverified {
        opened: Opened::new(opened),
        signed_hash: *blake3::hash(signed_bytes).as_bytes(),
        signature: Signature::from_bytes(*signature),
        label: SignedLabel {
            class: label.class,
            repo: label.repo,
            name: label.name.to_owned(),
        },
    })
}

fn signed<'a>(label: &Label<'a>) -> Signed<'a> {
    Signed {
        class: label.class,
        repo: label.repo,
        name: label.name,
    }
}

/// `sealed` is the object without its signature.
fn open_frame(
    label: &Label<'_>,
    ways: &OpenWays<'_>,
    object: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    if wide(object.len()) > limit(label.class) {
        return Err(OpenError::TooLong);
    }
    let header = Header::parse(object)?;
    let frame = sealed
        .get(header.bytes.len()..)
        .ok_or(OpenError::TooShort)?;
    if frame.len() < PREFIX_LEN.saturating_add(TAG_LEN) {
        return Err(OpenError::TooShort);
    }
    let key = header.key(label, ways)?;
    let mut plaintext = key.open(FrameSlot::only(FrameType::Single), frame)?;
    let length = body_length(&plaintext).ok_or(OpenError::Malformed)?;
    plaintext.drain(..PREFIX_LEN);
    plaintext.truncate(length);
    Ok(plaintext)
}

/// The length of the body, if it fits and only zeros follow it.
fn body_length(plaintext: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(plaintext);
    let length = usize::try_from(reader.u32().ok()?).ok()?;
    reader.take(length).ok()?;
    let zeros = reader.take(reader.remaining()).ok()?;
    zeros.iter().all(|&byte| byte == 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::audit;
    use crate::identity::IdentitySeed;
    use crate::ids::{Epoch, RepoId};
    use crate::random::testing::SeededRandom;
    use crate::secret::Secret;
    use std::sync::Arc;

    const LABEL: Label<'_> = Label {
        class: Class::Segment,
        repo: RepoId::from_bytes([1; 32]),
        epoch: Epoch::FIRST,
        name: "",
    };

    fn hedge() -> Hedge {
        Hedge::new(
            &IdentitySeed::from_file_bytes(&[1; 32]),
            Arc::new(SeededRandom::new(1)),
        )
    }

    /// An envelope by somebody who has the key, around any plaintext.
    fn crafted(key: &Secret, plaintext: &[u8]) -> Vec<u8> {
        let begun = begin(&LABEL, &SealWay::Symmetric(key), ([0; 32], 0), &hedge()).unwrap();
        let mut object = [&begun.header, plaintext].concat();
        begun
            .key
            .seal_tail(
                FrameSlot::only(FrameType::Single),
                &mut object,
                begun.header.len(),
            )
            .unwrap();
        object
    }

    fn open(key: &Secret, object: &[u8]) -> Result<Vec<u8>, OpenError> {
        let ways = OpenWays {
            symmetric: Some(key),
            kem: None,
        };
        open_single(&LABEL, &ways, object).map(Opened::into_bytes)
    }

    #[test]
    fn only_zeros_may_follow_the_body_and_the_body_must_fit() {
        let key = Secret::from_bytes(&[5; 32]);
        assert_eq!(
            open(&key, &crafted(&key, b"\x02\0\0\0ab\0\0")),
            Ok(b"ab".to_vec())
        );
        assert_eq!(open(&key, &crafted(&key, b"\0\0\0\0")), Ok(Vec::new()));
        for bad in [
            &b"\x02\0\0\0ab\0\x01"[..],
            b"\x01\0\0\0ab",
            b"\x03\0\0\0ab",
            b"\xff\xff\xff\xffab",
        ] {
            assert_eq!(
                open(&key, &crafted(&key, bad)),
                Err(OpenError::Malformed),
                "{bad:?}"
            );
        }
        assert_eq!(open(&key, &crafted(&key, b"abc")), Err(OpenError::TooShort));
    }

    #[test]
    fn a_wrong_key_or_label_is_refused_before_any_aead_call() {
        let (key, other) = (Secret::from_bytes(&[5; 32]), Secret::from_bytes(&[6; 32]));
        let mut object = crafted(&key, b"\0\0\0\0");
        let before = audit::opened();
        assert_eq!(open(&other, &object), Err(OpenError::WrongKey));
        object[76] ^= 1;
        assert_eq!(open(&key, &object), Err(OpenError::WrongKey));
        assert_eq!(audit::opened(), before);
    }
}
