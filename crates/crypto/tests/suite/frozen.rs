//! Vectors of our own, frozen with the format: what this crate makes of fixed keys and fixed randomness.
//!
//! A difference here is a change of format. The first test makes everything again and compares; the others open the frozen
//! bytes, so that they stay readable even if sealing changes.

use crate::support::*;
use ownkey_crypto::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const FROZEN: &str = include_str!("../vectors/frozen.txt");
const NAME: &str = "log/00112233445566778899aabbccddeeff/0000000000000007";
const TEXTS: [&str; 3] = [
    "the first frame",
    "the second frame",
    "and a third one, longer",
];

/// A fresh world whose hedge begins at its beginning, so that no vector depends on the one before.
fn fresh(call: u8) -> World {
    let hedge = Hedge::new(&seed(1), Arc::new(SeededRandom::new(100 + call)));
    World {
        hedge,
        ..World::new()
    }
}

fn password() -> Password {
    Password::new("correct horse battery staple")
}

fn kit() -> KitSecret {
    KitSecret::generate(&SeededRandom::new(30)).unwrap()
}

fn recovery_key() -> RecoveryKey {
    RecoveryKey::generate(&SeededRandom::new(31)).unwrap()
}

fn contacts() -> ContactsSecret {
    ContactsSecret::generate(&SeededRandom::new(32)).unwrap()
}

fn content() -> SlotContent {
    SlotContent {
        seed: seed(8),
        label: "paper in the drawer".to_owned(),
    }
}

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

fn noise(length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    blake3::Hasher::new()
        .update(b"frozen boundaries")
        .finalize_xof()
        .fill(&mut data);
    data
}

fn cuts(profile: Profile, length: usize) -> String {
    let (world, data) = (World::new(), noise(length));
    let boundaries = world.names.chunker(profile);
    let (mut rest, mut lengths) = (&data[..], Vec::new());
    while let Some(length) = boundaries.cut(rest, End::Known) {
        lengths.push(length.to_string());
        rest = &rest[length..];
    }
    lengths.join(" ")
}

fn identities() -> Vec<(&'static str, String)> {
    let world = World::new();
    let public = world.admin.public();
    let kem = object_hash(&public.to_bytes()[..1216]);
    vec![
        ("repo_id", world.repo.to_string()),
        ("x_wing_public_key_blake3", kem.to_string()),
        ("ed25519_public_key", hex(&public.to_bytes()[1216..])),
        ("device_id", world.names.device_id(public).to_string()),
        ("grant_name", public.grant_name(&world.repo).to_string()),
        (
            "read_kem_public_key_blake3",
            object_hash(&world.reader.read_kem_public().to_bytes()).to_string(),
        ),
        (
            "signature",
            hex(world.admin.sign(&Signed::GENESIS, b"genesis").as_bytes()),
        ),
        (
            "local_state_tag",
            hex(&LocalStateKey::from_seed(&seed(1)).tag(b"state")),
        ),
        ("recovery_key", recovery_key().to_groups().to_string()),
        ("kit_secret", kit().to_groups().to_string()),
    ]
}

fn chunks() -> Vec<(&'static str, String)> {
    let id = |kind| World::new().names.chunk_id(kind, b"hello").to_string();
    vec![
        ("content_hello", id(ChunkType::Content)),
        ("tree_hello", id(ChunkType::Tree)),
        ("list_hello", id(ChunkType::List)),
        ("content_cuts_of_8_mib", cuts(Profile::Content, 8 << 20)),
        ("tree_cuts_of_1_mib", cuts(Profile::Tree, 1 << 20)),
    ]
}

fn pack(world: &World, writer: &WriterKeys) -> Sealed {
    let frames = TEXTS.iter().map(|text| world.frame(text)).collect();
    seal_pack(
        writer,
        PackInput {
            parity: None,
            kind: PackKind::Data,
            padding: PackPadding::Padme,
            frames,
        },
        &world.hedge,
    )
    .unwrap()
    .sealed
}

fn sealed(call: u8, seal: impl Fn(&World) -> Result<Sealed, SealError>) -> String {
    hex(seal(&fresh(call)).unwrap().as_bytes())
}

fn entries() -> Vec<(&'static str, String)> {
    let w = &World::new();
    let writer = &w.reader.writer();
    let write_only = &w.write_only();
    vec![
        (
            "log_entry",
            sealed(0, |f| {
                w.log.seal_log(NAME, b"a log entry", &w.admin, &f.hedge)
            }),
        ),
        (
            "roster_entry",
            sealed(1, |f| {
                w.log.seal_roster(3, b"a roster entry", &w.admin, &f.hedge)
            }),
        ),
        (
            "segment",
            sealed(2, |f| writer.seal_segment(b"a segment", &f.hedge)),
        ),
        (
            "segment_write_only",
            sealed(3, |f| write_only.seal_segment(b"a segment", &f.hedge)),
        ),
        (
            "body",
            sealed(4, |f| writer.seal_body(NAME, b"a body", &f.hedge)),
        ),
        (
            "body_write_only",
            sealed(5, |f| write_only.seal_body(NAME, b"a body", &f.hedge)),
        ),
        (
            "fold",
            sealed(6, |f| writer.seal_fold(NAME, b"a fold", &f.hedge)),
        ),
    ]
}

fn keys_and_packs() -> Vec<(&'static str, String)> {
    let w = &World::new();
    let device = identity(5);
    let grant_of =
        |f: &World, may| grant(w, may).seal(device.public(), &w.repo, &w.admin, &f.hedge);
    vec![
        (
            "read_history",
            sealed(7, |f| w.reader.seal_history(3, &read_key(9), &f.hedge)),
        ),
        (
            "log_history",
            sealed(8, |f| w.log.seal_history(3, &log_key(9), &f.hedge)),
        ),
        ("grant", sealed(9, |f| grant_of(f, Capabilities::ALL))),
        (
            "grant_write_only",
            sealed(10, |f| grant_of(f, Capabilities::WRITE)),
        ),
        ("pack", sealed(11, |f| Ok(pack(f, &w.reader.writer())))),
        (
            "pack_write_only",
            sealed(12, |f| Ok(pack(f, &w.write_only()))),
        ),
    ]
}

fn slots() -> Vec<(&'static str, String)> {
    let (repo, random) = (World::new().repo, |call: u8| SeededRandom::new(200 + call));
    let cost = KdfCost::FLOOR;
    let kit_pair = (&password(), &kit());
    let all = [
        (
            "password",
            Slot::seal_password(&content(), &repo, &password(), cost, &random(0)),
        ),
        (
            "password_kit",
            Slot::seal_password_kit(&content(), &repo, kit_pair, cost, &random(1)),
        ),
        (
            "recovery_key",
            Slot::seal_recovery_key(&content(), &repo, &recovery_key(), &random(2)),
        ),
        (
            "contacts",
            Slot::seal_contacts(&content(), &repo, &contacts(), &random(3)),
        ),
    ];
    all.into_iter()
        .map(|(name, slot)| (name, hex(slot.unwrap().as_bytes())))
        .collect()
}

fn section(name: &str) -> BTreeMap<String, String> {
    sections(FROZEN)
        .into_iter()
        .find(|(section, _)| section == name)
        .unwrap()
        .1
}

#[test]
fn everything_made_again_is_what_was_frozen() {
    let mut text = String::from(
        "# Frozen with format version 1. Keys and randomness: tests/suite/frozen.rs.\n",
    );
    let objects = [entries(), keys_and_packs()].concat();
    let all = [
        ("identities", identities()),
        ("chunks", chunks()),
        ("objects", objects),
        ("slots", slots()),
    ];
    for (name, entries) in all {
        text += &format!("\n[{name}]\n");
        for (key, value) in entries {
            text += &format!("{key} = {value}\n");
        }
    }
    assert!(
        text == FROZEN,
        "the format changed; what is made now:\n{text}"
    );
}

#[test]
fn frozen_entries_open_and_verify() {
    let (world, v) = (World::new(), section("objects"));
    let admin = world.admin.public();
    let log = world
        .log
        .open_log(NAME, &unhex(&v["log_entry"]))
        .unwrap()
        .verified_by(admin)
        .unwrap();
    assert_eq!(log.as_bytes(), b"a log entry");
    let roster = world
        .log
        .open_roster(3, &unhex(&v["roster_entry"]))
        .unwrap()
        .verified_by(admin)
        .unwrap();
    assert_eq!(roster.as_bytes(), b"a roster entry");
    for key in ["segment", "segment_write_only"] {
        assert_eq!(
            world
                .reader
                .open_segment(&unhex(&v[key]))
                .unwrap()
                .as_bytes(),
            b"a segment"
        );
    }
    for key in ["body", "body_write_only"] {
        assert_eq!(
            world
                .reader
                .open_body(NAME, &unhex(&v[key]))
                .unwrap()
                .as_bytes(),
            b"a body"
        );
    }
    assert_eq!(
        world
            .reader
            .open_fold(NAME, &unhex(&v["fold"]))
            .unwrap()
            .as_bytes(),
        b"a fold"
    );
}

#[test]
fn frozen_histories_and_grants_give_their_keys() {
    let (world, v) = (World::new(), section("objects"));
    let earlier = world
        .reader
        .open_history(3, &unhex(&v["read_history"]))
        .unwrap();
    let public = |key: &ReadKey| ReaderKeys::new(key, &world.repo, world.epoch).read_kem_public();
    assert_eq!(public(&earlier), public(&read_key(9)));
    assert!(world.log.open_history(3, &unhex(&v["log_history"])).is_ok());
    for (key, reads) in [("grant", true), ("grant_write_only", false)] {
        let grant =
            UncheckedGrant::open(&unhex(&v[key]), &world.repo, world.epoch, &identity(5)).unwrap();
        let grant = grant.check(|_| Some(world.admin.public().clone())).unwrap();
        assert_eq!((grant.read.is_some(), grant.roster.0), (reads, 7));
        assert_eq!(grant.read_kem, world.reader.read_kem_public());
    }
}

#[test]
fn frozen_packs_open_to_their_chunks() {
    let (world, v) = (World::new(), section("objects"));
    for key in ["pack", "pack_write_only"] {
        let frames = world.open_pack(&unhex(&v[key])).unwrap();
        assert_eq!(frames, TEXTS.map(|text| text.as_bytes().to_vec()));
    }
}

#[test]
fn frozen_slots_give_their_seed() {
    let (world, v) = (World::new(), section("slots"));
    let slot = |key: &str| {
        let bytes = unhex(&v[key]);
        Slot::parse(&bytes, &object_hash(&bytes), &world.repo).unwrap()
    };
    let written = section("identities");
    let paper = RecoveryKey::parse(&written["recovery_key"])
        .ok()
        .unwrap()
        .key;
    let kit = KitSecret::parse(&written["kit_secret"]).ok().unwrap().key;
    let opened = [
        slot("password").open_with_password(&password()),
        slot("password_kit").open_with_password_kit(&password(), &kit),
        slot("recovery_key").open_with_recovery_key(&paper),
        slot("contacts").open_with_contacts(&contacts()),
    ];
    for content in opened {
        let content = content.ok().unwrap();
        assert_eq!(
            (content.seed.expose_for_file(), content.label.as_str()),
            (&[8; 32], "paper in the drawer")
        );
    }
}
