//! Bytes from outside never make anything panic, and counts in them never make anything allocate.

use crate::support::{World, identity};
use ownkey_crypto::*;
use proptest::prelude::*;

/// A directory by hand: frames of (offset, stored, plain, codec, type, reserved, chunk lengths).
type RawFrame<'a> = (u32, u32, u32, u8, u8, u16, &'a [u32]);

fn directory(frames: &[RawFrame<'_>]) -> Vec<u8> {
    let mut bytes = u32::try_from(frames.len()).unwrap().to_le_bytes().to_vec();
    for (offset, stored, plain, codec, kind, reserved, chunks) in frames {
        for number in [offset, stored, plain] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[*codec, *kind]);
        bytes.extend_from_slice(&reserved.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(chunks.len()).unwrap().to_le_bytes());
        for length in *chunks {
            bytes.extend_from_slice(&[7; 32]);
            bytes.extend_from_slice(&length.to_le_bytes());
        }
    }
    bytes
}

const FIRST: RawFrame<'_> = (112, 10, 10, 0, 0, 0, &[4, 6]);
const SECOND: RawFrame<'_> = (138, 5, 20, 1, 1, 0, &[20]);

#[test]
fn a_directory_made_by_hand_decodes_and_encodes_back() {
    for frames in [
        vec![FIRST],
        vec![FIRST, SECOND],
        vec![SECOND, FIRST],
        vec![(1232, 0, 0, 0, 2, 0, &[0][..])],
    ] {
        let bytes = directory(&frames);
        let decoded = Directory::decode(&bytes).unwrap();
        assert_eq!(
            (decoded.encode(), decoded.frames().len()),
            (bytes, frames.len())
        );
    }
}

#[test]
fn overlaps_gaps_shared_and_misplaced_frames_are_refused() {
    let bad: [&[RawFrame<'_>]; 9] = [
        &[],
        &[FIRST, FIRST],
        &[FIRST, (137, 5, 20, 1, 1, 0, &[20])],
        &[FIRST, (139, 5, 20, 1, 1, 0, &[20])],
        &[(0, 10, 10, 0, 0, 0, &[10])],
        &[(111, 10, 10, 0, 0, 0, &[10])],
        &[(113, 10, 10, 0, 0, 0, &[10])],
        &[(u32::MAX, 10, 10, 0, 0, 0, &[10])],
        &[SECOND],
    ];
    for frames in bad {
        assert_eq!(
            Directory::decode(&directory(frames)).err(),
            Some(OpenError::Malformed),
            "{frames:?}"
        );
    }
}

#[test]
fn unknown_codecs_types_reserved_bits_and_wrong_sums_are_refused() {
    let max = (4 << 20) + (1 << 10);
    let bad: [RawFrame<'_>; 10] = [
        (112, 10, 10, 2, 0, 0, &[10]),
        (112, 10, 10, 0, 3, 0, &[10]),
        (112, 10, 10, 0, 0, 1, &[10]),
        (112, 10, 10, 0, 0, 0, &[9]),
        (112, 10, 10, 0, 0, 0, &[11]),
        (112, 10, 10, 0, 0, 0, &[u32::MAX, 11]),
        (112, 10, 10, 0, 0, 0, &[]),
        (112, 9, 10, 0, 0, 0, &[10]),
        (112, 10, max + 1, 1, 0, 0, &[max + 1]),
        (112, max + 1, 10, 1, 0, 0, &[10]),
    ];
    for frame in bad {
        assert_eq!(
            Directory::decode(&directory(&[frame])).err(),
            Some(OpenError::Malformed),
            "{frame:?}"
        );
    }
    assert!(
        Directory::decode(&directory(&[(112, max, max, 0, 0, 0, &[max])])).is_ok(),
        "the bound itself"
    );
}

#[test]
fn counts_that_the_bytes_cannot_hold_are_refused_without_allocating() {
    for count in [2, 1 << 20, (1 << 20) + 1, 1 << 31, u32::MAX] {
        let mut frames = directory(&[FIRST]);
        frames[..4].copy_from_slice(&count.to_le_bytes());
        assert_eq!(Directory::decode(&frames).err(), Some(OpenError::Malformed));
        let mut chunks = directory(&[FIRST]);
        chunks[20..24].copy_from_slice(&(count + u32::from(count == 2)).to_le_bytes());
        assert_eq!(Directory::decode(&chunks).err(), Some(OpenError::Malformed));
    }
    let good = directory(&[FIRST]);
    assert!(Directory::decode(&good[..good.len() - 1]).is_err());
    assert!(Directory::decode(&[&good[..], &[0]].concat()).is_err());
}

/// Bytes that look like something: a true prefix, or nothing true at all.
fn try_everything(world: &World, bytes: &[u8]) {
    let _ = peek_epoch(bytes);
    let _ = Directory::decode(bytes);
    let _ = PublicIdentity::parse(bytes);
    let _ = ReadKemPublic::parse(bytes);
    assert!(world.reader.open_segment(bytes).is_err());
    assert!(world.reader.open_history(0, bytes).is_err());
    assert!(world.log.open_log("x", bytes).is_err());
    assert!(Slot::parse(bytes, &object_hash(bytes), &world.repo).is_err());
    assert!(UncheckedGrant::open(bytes, &world.repo, world.epoch, &identity(5)).is_err());
    let Ok(opener) = PackOpener::new(&world.reader, PackKind::Data, bytes) else {
        return;
    };
    let _ = opener.open_whole(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_is_refused_everywhere(bytes in proptest::collection::vec(any::<u8>(), 0..1500), class in 0u8..12, wrap in 0u8..3) {
        let world = World::new();
        try_everything(&world, &bytes);
        // The same noise behind a header that is right in all that is public.
        let mut header = b"OWNK".to_vec();
        header.extend_from_slice(&[1, class, wrap, 0, 1, 0, 0, 0]);
        header.extend_from_slice(world.repo.as_bytes());
        header.extend_from_slice(&bytes);
        try_everything(&world, &header);
    }

    #[test]
    fn a_decoded_directory_is_the_encoding_of_itself(bytes in proptest::collection::vec(0u8..3, 0..200)) {
        if let Ok(decoded) = Directory::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn typed_text_never_panics(text in "\\PC{0,60}", symbols in "[0-9A-Za-z -]{20,40}") {
        for typed in [text, symbols] {
            let _ = RecoveryKey::parse(&typed);
            let _ = KitSecret::parse(&typed);
            let _ = RepoId::parse(&typed);
        }
    }
}
