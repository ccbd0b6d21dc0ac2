//! A storage that knows every public key and makes grants of its own.

use crate::support::{World, dedup_key, identity, log_key, read_key};
use ownkey_crypto::*;

fn grant(world: &World, may: Capabilities) -> Grant {
    Grant {
        epoch: world.epoch,
        read: may.contain(Capabilities::READ).then(|| read_key(1)),
        log: log_key(2),
        dedup: dedup_key(3),
        read_kem: world.reader.read_kem_public(),
        capabilities: may,
        roster: (7, object_hash(b"roster entry 7")),
        signer: world.names.device_id(world.admin.public()),
    }
}

fn sealed(world: &World, may: Capabilities) -> Vec<u8> {
    let device = identity(5);
    grant(world, may)
        .seal(device.public(), &world.repo, &world.admin, &world.hedge)
        .unwrap()
        .into_bytes()
}

fn open(world: &World, bytes: &[u8]) -> Result<UncheckedGrant, OpenError> {
    UncheckedGrant::open(bytes, &world.repo, world.epoch, &identity(5))
}

#[test]
fn a_grant_gives_its_keys_once_its_signer_is_known() {
    let world = World::new();
    for may in [Capabilities::ALL, Capabilities::WRITE, Capabilities::READ] {
        let unchecked = open(&world, &sealed(&world, may)).unwrap();
        let expected = GrantClaim {
            signer: world.names.device_id(world.admin.public()),
            roster: (7, object_hash(b"roster entry 7")),
            capabilities: may,
        };
        let grant = unchecked
            .check(|claim| {
                assert_eq!(*claim, expected);
                Some(world.admin.public().clone())
            })
            .unwrap();
        assert_eq!(grant.read.is_some(), may.contain(Capabilities::READ));
        assert_eq!(grant.read_kem, world.reader.read_kem_public());
        let names = NameKeys::new(&grant.dedup, &world.repo);
        assert_eq!(
            names.chunk_id(ChunkType::List, b"x"),
            world.names.chunk_id(ChunkType::List, b"x")
        );
        let entry = world
            .log
            .seal_log("log/x", b"x", &world.admin, &world.hedge)
            .unwrap();
        assert!(
            LogKeys::new(&grant.log, &world.repo, world.epoch)
                .open_log("log/x", entry.as_bytes())
                .is_ok()
        );
    }
}

#[test]
fn all_grants_have_one_length() {
    let world = World::new();
    assert_eq!(
        sealed(&world, Capabilities::ALL).len(),
        sealed(&world, Capabilities::WRITE).len()
    );
}

#[test]
fn an_unchecked_grant_reads_the_roster_and_names_its_signer() {
    let world = World::new();
    let unchecked = open(&world, &sealed(&world, Capabilities::ALL)).unwrap();
    let entry = world
        .log
        .seal_roster(0, b"genesis", &world.admin, &world.hedge)
        .unwrap();
    assert!(
        unchecked
            .roster_keys()
            .open_roster(0, entry.as_bytes())
            .is_ok()
    );
    assert_eq!(
        unchecked.device_id(world.admin.public()),
        world.names.device_id(world.admin.public())
    );
}

#[test]
fn roster_keys_go_back_through_the_history_of_the_log_key() {
    let world = World::new();
    let second = World::of(world.repo, Epoch::new(2).unwrap());
    let first_entry = world
        .log
        .seal_roster(0, b"genesis", &world.admin, &world.hedge)
        .unwrap();
    let history = second
        .log
        .seal_history(4, &log_key(2), &world.hedge)
        .unwrap();
    let keys = open(&second, &sealed(&second, Capabilities::WRITE))
        .unwrap()
        .roster_keys();
    let earlier = keys.earlier(4, history.as_bytes()).unwrap();
    assert_eq!(earlier.epoch(), Epoch::FIRST);
    assert!(earlier.open_roster(0, first_entry.as_bytes()).is_ok());
    assert_eq!(
        earlier.earlier(4, history.as_bytes()).err(),
        Some(OpenError::WrongEpoch)
    );
}

#[test]
fn a_grant_made_by_the_storage_for_a_victims_public_key_is_not_believed() {
    let world = World::new();
    let (victim, mallory) = (identity(5), identity(66));
    let forged = Grant {
        read: Some(read_key(6)),
        read_kem: ReaderKeys::new(&read_key(6), &world.repo, world.epoch).read_kem_public(),
        ..grant(&world, Capabilities::ALL)
    };
    let bytes = forged
        .seal(victim.public(), &world.repo, &mallory, &world.hedge)
        .unwrap();
    // It opens: anybody can seal to a public key. It names the admin as its signer, whose signature it lacks.
    let unchecked = open(&world, bytes.as_bytes()).unwrap();
    let refused = unchecked
        .check(|_| Some(world.admin.public().clone()))
        .err();
    assert_eq!(refused, Some(OpenError::NotAuthentic));
    // Its true signer is not in the roster.
    let refused = open(&world, bytes.as_bytes())
        .unwrap()
        .check(|_| None)
        .err();
    assert_eq!(refused, Some(OpenError::UnknownSigner));
    // Nor does a caller who mixes people up help: the signer must be the one whom the grant names.
    let refused = open(&world, bytes.as_bytes())
        .unwrap()
        .check(|_| Some(mallory.public().clone()))
        .err();
    assert_eq!(refused, Some(OpenError::UnknownSigner));
}

#[test]
fn a_grant_for_another_identity_epoch_or_repository_does_not_open() {
    let world = World::new();
    let bytes = sealed(&world, Capabilities::ALL);
    let for_other = UncheckedGrant::open(&bytes, &world.repo, world.epoch, &identity(6));
    assert_eq!(for_other.err(), Some(OpenError::WrongKey));
    let later = UncheckedGrant::open(&bytes, &world.repo, Epoch::new(2).unwrap(), &identity(5));
    assert_eq!(later.err(), Some(OpenError::WrongEpoch));
    let elsewhere =
        UncheckedGrant::open(&bytes, &RepoId::of_genesis(b"x"), world.epoch, &identity(5));
    assert_eq!(elsewhere.err(), Some(OpenError::WrongRepository));
}

#[test]
fn a_grant_is_never_sealed_under_a_symmetric_key() {
    let world = World::new();
    let mut bytes = world
        .log
        .seal_log("x", &[0; 2000], &world.admin, &world.hedge)
        .unwrap()
        .into_bytes();
    bytes[5] = 4;
    assert_eq!(
        open(&world, &bytes).err(),
        Some(OpenError::Unsupported(Unsupported::Wrap))
    );
}

#[test]
fn every_changed_byte_of_a_grant_is_detected() {
    let world = World::new();
    let good = sealed(&world, Capabilities::ALL);
    for at in (0..good.len())
        .step_by(29)
        .chain(good.len() - 64..good.len())
    {
        let mut bad = good.clone();
        bad[at] ^= 0x04;
        let result = open(&world, &bad)
            .and_then(|grant| grant.check(|_| Some(world.admin.public().clone())));
        assert!(result.is_err(), "byte {at}");
    }
}

#[test]
fn a_read_kem_key_that_is_not_the_read_keys_is_refused_by_readers() {
    let world = World::new();
    let bad = Grant {
        read_kem: ReaderKeys::new(&read_key(9), &world.repo, world.epoch).read_kem_public(),
        ..grant(&world, Capabilities::ALL)
    };
    let bytes = bad
        .seal(
            identity(5).public(),
            &world.repo,
            &world.admin,
            &world.hedge,
        )
        .unwrap();
    assert_eq!(
        open(&world, bytes.as_bytes()).err(),
        Some(OpenError::Malformed)
    );
}

#[test]
fn a_grant_whose_keys_and_capabilities_disagree_is_refused() {
    let world = World::new();
    let lacking = Grant {
        read: None,
        ..grant(&world, Capabilities::ALL)
    };
    let excessive = Grant {
        read: Some(read_key(1)),
        ..grant(&world, Capabilities::WRITE)
    };
    for bad in [lacking, excessive] {
        let bytes = bad
            .seal(
                identity(5).public(),
                &world.repo,
                &world.admin,
                &world.hedge,
            )
            .unwrap();
        assert_eq!(
            open(&world, bytes.as_bytes()).err(),
            Some(OpenError::Malformed)
        );
    }
}

#[test]
fn capabilities_need_what_they_build_on() {
    let valid = (0..=255)
        .filter(|&bits| Capabilities::from_bits(bits).is_some())
        .collect::<Vec<u8>>();
    assert_eq!(valid, [0, 1, 2, 3, 6, 7, 14, 15]);
    assert!(
        Capabilities::ADMIN.contain(Capabilities::PRUNE)
            && Capabilities::PRUNE.contain(Capabilities::READ)
    );
    assert!(!Capabilities::ADMIN.contain(Capabilities::WRITE));
    assert_eq!(
        Capabilities::ADMIN.and(Capabilities::WRITE),
        Capabilities::ALL
    );
}
