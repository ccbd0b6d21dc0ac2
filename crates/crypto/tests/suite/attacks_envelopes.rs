//! A storage that renames, swaps and changes entries, and who tries to open with keys that are not his.

use crate::support::{BrokenRandom, World, identity, log_key, read_key, seed};
use ownkey_crypto::*;
use std::sync::Arc;

const NAME: &str = "log/00112233445566778899aabbccddeeff/0000000000000007";
const OTHER: &str = "log/00112233445566778899aabbccddeeff/0000000000000008";

fn entry(world: &World) -> Vec<u8> {
    world
        .log
        .seal_log(NAME, b"the body", &world.admin, &world.hedge)
        .unwrap()
        .into_bytes()
}

#[test]
fn a_log_entry_opens_under_its_name_and_is_believed_after_its_signature() {
    let world = World::new();
    let bytes = entry(&world);
    let unverified = world.log.open_log(NAME, &bytes).unwrap();
    assert_eq!(unverified.peek(), b"the body");
    assert_eq!(
        unverified
            .verified_by(world.admin.public())
            .unwrap()
            .as_bytes(),
        b"the body"
    );
    assert_eq!(peek_epoch(&bytes), Ok((Class::Log, Epoch::FIRST)));
}

#[test]
fn objects_of_their_own_have_a_size_class_whatever_they_hold() {
    let world = World::new();
    for length in [0, 1, 3000, 3880, 4000, 5000, 100_000] {
        let body = vec![7; length];
        let entry = world
            .log
            .seal_log(NAME, &body, &world.admin, &world.hedge)
            .unwrap();
        let bare = HEADER_LEN + 4 + length + 16 + 64;
        assert_eq!(entry.len() as u64, single_class(bare as u64));
        let opened = world.log.open_log(NAME, entry.as_bytes()).unwrap();
        assert_eq!(opened.peek(), body);
    }
}

#[test]
fn an_entry_under_another_name_is_refused_by_the_commitment() {
    let world = World::new();
    assert_eq!(
        world.log.open_log(OTHER, &entry(&world)).err(),
        Some(OpenError::WrongKey)
    );
}

#[test]
fn an_entry_of_another_repository_or_epoch_is_refused_as_such() {
    let world = World::new();
    let elsewhere = World::of(RepoId::of_genesis(b"other"), Epoch::FIRST);
    let later = World::of(world.repo, Epoch::new(2).unwrap());
    assert_eq!(
        elsewhere.log.open_log(NAME, &entry(&world)).err(),
        Some(OpenError::WrongRepository)
    );
    assert_eq!(
        later.log.open_log(NAME, &entry(&world)).err(),
        Some(OpenError::WrongEpoch)
    );
}

#[test]
fn an_entry_signed_by_another_identity_is_not_believed() {
    let world = World::new();
    let unverified = world.log.open_log(NAME, &entry(&world)).unwrap();
    assert_eq!(
        unverified.verified_by(identity(2).public()).err(),
        Some(OpenError::NotAuthentic)
    );
}

#[test]
fn every_changed_byte_of_an_entry_is_detected() {
    let world = World::new();
    let good = entry(&world);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let result = world
            .log
            .open_log(NAME, &bad)
            .and_then(|entry| entry.verified_by(world.admin.public()));
        assert!(result.is_err(), "byte {at}");
    }
    for length in (0..good.len()).step_by(61) {
        assert!(
            world.log.open_log(NAME, &good[..length]).is_err(),
            "length {length}"
        );
    }
    assert_eq!(
        world.log.open_log(NAME, &good[..HEADER_LEN]).err(),
        Some(OpenError::TooShort)
    );
    assert_eq!(
        world.log.open_log(NAME, &good[..good.len() - 1]).err(),
        Some(OpenError::NotAuthentic)
    );
}

#[test]
fn no_class_passes_for_another() {
    let world = World::new();
    let writer = world.reader.writer();
    let hedge = &world.hedge;
    let segment = writer.seal_segment(b"segment", hedge).unwrap();
    let body = writer.seal_body("", &[1; 100], hedge).unwrap();
    let fold = writer.seal_fold("", &[2; 100], hedge).unwrap();
    let history = world.reader.seal_history(3, &world.read, hedge).unwrap();
    let roster = world
        .log
        .seal_roster(3, b"entry", &world.admin, hedge)
        .unwrap();
    let class = Some(OpenError::WrongClass);
    for sealed in [&body, &fold, &history, &roster] {
        assert_eq!(world.reader.open_segment(sealed.as_bytes()).err(), class);
        assert_eq!(
            PackOpener::new(&world.reader, PackKind::Data, sealed.as_bytes()).err(),
            class
        );
        // A history is even too short to end in a signature.
        let refused = world.log.open_log(NAME, sealed.as_bytes()).err();
        assert_eq!(
            refused,
            if sealed.len() < 200 {
                Some(OpenError::TooShort)
            } else {
                class
            }
        );
    }
    assert_eq!(world.reader.open_body("", fold.as_bytes()).err(), class);
    assert_eq!(world.reader.open_fold("", segment.as_bytes()).err(), class);
    assert_eq!(world.reader.open_history(3, body.as_bytes()).err(), class);
    assert_eq!(world.log.open_roster(3, &entry(&world)).err(), class);
    assert_eq!(
        world
            .reader
            .open_segment(segment.as_bytes())
            .unwrap()
            .as_bytes(),
        b"segment"
    );
    assert_eq!(
        world
            .reader
            .open_fold("", fold.as_bytes())
            .unwrap()
            .as_bytes(),
        [2; 100]
    );
}

#[test]
fn a_body_moved_to_another_entry_does_not_open() {
    let world = World::new();
    for writer in [world.reader.writer(), world.write_only()] {
        let body = writer.seal_body(NAME, b"record", &world.hedge).unwrap();
        assert_eq!(
            world
                .reader
                .open_body(NAME, body.as_bytes())
                .unwrap()
                .as_bytes(),
            b"record"
        );
        assert_eq!(
            world.reader.open_body(OTHER, body.as_bytes()).err(),
            Some(OpenError::WrongKey)
        );
    }
}

#[test]
fn a_roster_entry_moved_to_another_position_does_not_open() {
    let world = World::new();
    let entry = world
        .log
        .seal_roster(5, b"add", &world.admin, &world.hedge)
        .unwrap();
    assert!(
        world
            .log
            .open_roster(5, entry.as_bytes())
            .unwrap()
            .verified_by(world.admin.public())
            .is_ok()
    );
    assert_eq!(
        world.log.open_roster(6, entry.as_bytes()).err(),
        Some(OpenError::WrongKey)
    );
}

#[test]
fn log_keys_open_no_data_and_read_keys_no_log() {
    let world = World::new();
    // The same 32 bytes as both kinds of key still give unrelated keys.
    let reader = ReaderKeys::new(&read_key(2), &world.repo, world.epoch);
    let segment = reader.writer().seal_segment(b"x", &world.hedge).unwrap();
    assert_eq!(
        world.reader.open_segment(segment.as_bytes()).err(),
        Some(OpenError::WrongKey)
    );
    let other = LogKeys::new(&log_key(1), &world.repo, world.epoch);
    assert_eq!(
        other.open_log(NAME, &entry(&world)).err(),
        Some(OpenError::WrongKey)
    );
}

#[test]
fn the_newest_key_opens_all_history_and_never_the_reverse() {
    let world = World::new();
    let second = Epoch::new(2).unwrap();
    let (read_2, log_2) = (read_key(21), log_key(22));
    let reader_2 = ReaderKeys::new(&read_2, &world.repo, second);
    let log_keys_2 = LogKeys::new(&log_2, &world.repo, second);
    let history = reader_2.seal_history(9, &world.read, &world.hedge).unwrap();
    let log_history = log_keys_2
        .seal_history(9, &log_key(2), &world.hedge)
        .unwrap();

    let read_1 = reader_2.open_history(9, history.as_bytes()).unwrap();
    let segment = world
        .reader
        .writer()
        .seal_segment(b"old", &world.hedge)
        .unwrap();
    let reader_1 = ReaderKeys::new(&read_1, &world.repo, Epoch::FIRST);
    assert_eq!(
        reader_1
            .open_segment(segment.as_bytes())
            .unwrap()
            .as_bytes(),
        b"old"
    );
    let log_1 = LogKeys::new(
        &log_keys_2.open_history(9, log_history.as_bytes()).unwrap(),
        &world.repo,
        Epoch::FIRST,
    );
    assert!(log_1.open_log(NAME, &entry(&world)).is_ok());

    assert_eq!(
        world.reader.open_history(9, history.as_bytes()).err(),
        Some(OpenError::WrongEpoch)
    );
    assert_eq!(
        reader_2.open_history(8, history.as_bytes()).err(),
        Some(OpenError::WrongKey)
    );
    assert_eq!(
        reader_2.open_history(9, log_history.as_bytes()).err(),
        Some(OpenError::WrongKey)
    );
    let flipped = log_history
        .as_bytes()
        .iter()
        .map(|byte| byte ^ 1)
        .collect::<Vec<_>>();
    assert_eq!(
        log_keys_2.open_history(9, &flipped).err(),
        Some(OpenError::NotOwnkey)
    );
}

#[test]
fn what_is_too_long_is_neither_sealed_nor_opened() {
    let world = World::new();
    let long = vec![0; 1 << 20];
    let refused = world.log.seal_roster(1, &long, &world.admin, &world.hedge);
    assert_eq!(refused.err(), Some(SealError::TooLong));
    assert_eq!(
        world.log.open_roster(1, &vec![0; (1 << 20) + 1]).err(),
        Some(OpenError::TooLong)
    );
}

#[test]
fn a_broken_generator_seals_nothing() {
    let world = World::new();
    let hedge = Hedge::new(&seed(1), Arc::new(BrokenRandom));
    let failed = Some(SealError::Random(RandomFailed));
    assert_eq!(
        world.log.seal_log(NAME, b"x", &world.admin, &hedge).err(),
        failed
    );
    for writer in [world.reader.writer(), world.write_only()] {
        assert_eq!(writer.seal_segment(b"x", &hedge).err(), failed);
        let frames = vec![world.frame("x")];
        assert_eq!(
            seal_pack(
                &writer,
                PackInput {
                    parity: None,
                    kind: PackKind::Data,
                    padding: PackPadding::Padme,
                    frames
                },
                &hedge
            )
            .err(),
            failed
        );
    }
    assert!(IdentitySeed::generate(&BrokenRandom).is_err());
    assert!(ReadKey::generate(&BrokenRandom).is_err());
    assert!(ContactsSecret::generate(&BrokenRandom).is_err());
}

#[test]
fn the_same_entry_sealed_twice_shares_no_salt() {
    let world = World::new();
    let (one, two) = (entry(&world), entry(&world));
    assert_ne!(one[44..76], two[44..76]);
    assert_ne!(one[HEADER_LEN..], two[HEADER_LEN..]);
}

#[test]
fn small_order_and_changed_encapsulations_are_refused() {
    let world = World::new();
    let segment = world
        .write_only()
        .seal_segment(b"x", &world.hedge)
        .unwrap()
        .into_bytes();
    assert!(world.reader.open_segment(&segment).is_ok());
    // The X25519 half ends the wrap: zero and one are points of small order.
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let mut bad = segment.clone();
        bad[MAX_HEADER_LEN - 32..MAX_HEADER_LEN].copy_from_slice(&point);
        assert_eq!(
            world.reader.open_segment(&bad).err(),
            Some(OpenError::NotAuthentic)
        );
    }
    // ML-KEM rejects implicitly: another secret, which the commitment refuses.
    let mut bad = segment.clone();
    bad[HEADER_LEN] ^= 1;
    assert_eq!(
        world.reader.open_segment(&bad).err(),
        Some(OpenError::WrongKey)
    );
    // A wrap cut short (X25519 alone, say) leaves no whole header.
    assert_eq!(
        world.reader.open_segment(&segment[..HEADER_LEN + 32]).err(),
        Some(OpenError::TooShort)
    );
}

#[test]
fn public_keys_of_small_order_or_out_of_range_are_refused() {
    let world = World::new();
    let good = world.reader.read_kem_public().to_bytes();
    assert!(ReadKemPublic::parse(&good).is_ok());
    let mut small_order = good;
    small_order[1184..].fill(0);
    let mut out_of_range = good;
    out_of_range[..3].fill(0xff);
    for bad in [
        &small_order[..],
        &out_of_range,
        &good[1..],
        &[],
        &good[1184..],
    ] {
        assert_eq!(ReadKemPublic::parse(bad).err(), Some(OpenError::Malformed));
    }

    let good = world.admin.public().to_bytes();
    assert_eq!(PublicIdentity::parse(&good).unwrap(), *world.admin.public());
    let mut weak = good;
    weak[1216..].fill(0);
    weak[1216] = 1;
    let mut not_canonical = good;
    not_canonical[1216..].fill(0xff);
    let mut bad_kem = good;
    bad_kem[1184..1216].fill(0);
    for bad in [&weak[..], &not_canonical, &bad_kem, &good[..1247], &[]] {
        assert_eq!(PublicIdentity::parse(bad).err(), Some(OpenError::Malformed));
    }
}

#[test]
fn a_signature_speaks_of_its_class_repository_and_name_only() {
    let world = World::new();
    let signed = Signed {
        class: Class::Log,
        repo: world.repo,
        name: NAME,
    };
    let signature = world.admin.sign(&signed, b"bytes");
    let public = world.admin.public();
    assert_eq!(public.verify(&signed, b"bytes", &signature), Ok(()));
    let others = [
        Signed {
            class: Class::Roster,
            ..signed
        },
        Signed {
            repo: RepoId::of_genesis(b"other"),
            ..signed
        },
        Signed {
            name: OTHER,
            ..signed
        },
        Signed::GENESIS,
    ];
    for other in others {
        assert_eq!(
            public.verify(&other, b"bytes", &signature),
            Err(OpenError::NotAuthentic)
        );
    }
    assert_eq!(
        public.verify(&signed, b"other", &signature),
        Err(OpenError::NotAuthentic)
    );
}

#[test]
fn a_changed_state_file_fails_its_tag() {
    let key = LocalStateKey::from_seed(&seed(1));
    let tag = key.tag(b"state");
    assert_eq!(key.verify(b"state", &tag), Ok(()));
    assert_eq!(key.verify(b"State", &tag), Err(OpenError::NotAuthentic));
    assert_eq!(
        LocalStateKey::from_seed(&seed(2)).verify(b"state", &tag),
        Err(OpenError::NotAuthentic)
    );
}
