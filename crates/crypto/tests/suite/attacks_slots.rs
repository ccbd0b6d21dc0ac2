//! A storage that swaps, weakens and damages key slots, and people who mistype.

use crate::support::{BrokenRandom, SeededRandom, World, seed};
use ownkey_crypto::*;

fn content() -> SlotContent {
    SlotContent {
        seed: seed(8),
        label: "paper in the drawer".to_owned(),
    }
}

fn recovery_key() -> RecoveryKey {
    RecoveryKey::generate(&SeededRandom::new(9)).unwrap()
}

fn recovery_slot(world: &World) -> Vec<u8> {
    Slot::seal_recovery_key(
        &content(),
        &world.repo,
        &recovery_key(),
        &SeededRandom::new(1),
    )
    .unwrap()
    .into_bytes()
}

fn parse(world: &World, bytes: &[u8]) -> Result<Slot, SlotError> {
    Slot::parse(bytes, &object_hash(bytes), &world.repo)
}

fn changed(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    bad[at..at + new.len()].copy_from_slice(new);
    bad
}

fn assert_content(opened: Result<SlotContent, SlotError>) {
    let opened = opened.ok().unwrap();
    assert_eq!(
        (opened.seed.expose_for_file(), opened.label),
        (seed(8).expose_for_file(), content().label)
    );
}

#[test]
fn each_kind_of_slot_opens_with_its_credential_and_all_have_one_length() {
    let (world, random) = (World::new(), SeededRandom::new(1));
    let password = Password::new("correct horse");
    let kit = KitSecret::generate(&random).unwrap();
    let contacts = ContactsSecret::generate(&random).unwrap();
    let cost = KdfCost::FLOOR;

    let slot = Slot::seal_password(&content(), &world.repo, &password, cost, &random).unwrap();
    let slot = parse(&world, slot.as_bytes()).unwrap();
    assert_eq!((slot.kind(), slot.cost()), (SlotKind::Password, Some(cost)));
    assert_content(slot.open_with_password(&password));
    assert_eq!(
        slot.open_with_password(&Password::new("Correct horse"))
            .err(),
        Some(SlotError::WrongCredential)
    );
    assert_eq!(
        slot.open_with_recovery_key(&recovery_key()).err(),
        Some(SlotError::OtherKind)
    );

    let slot =
        Slot::seal_password_kit(&content(), &world.repo, (&password, &kit), cost, &random).unwrap();
    let slot = parse(&world, slot.as_bytes()).unwrap();
    assert_eq!(slot.kind(), SlotKind::PasswordKit);
    assert_content(slot.open_with_password_kit(&password, &kit));
    let other_kit = KitSecret::generate(&random).unwrap();
    assert_eq!(
        slot.open_with_password_kit(&password, &other_kit).err(),
        Some(SlotError::WrongCredential)
    );
    assert_eq!(
        slot.open_with_password(&password).err(),
        Some(SlotError::OtherKind)
    );

    let slot = parse(&world, &recovery_slot(&world)).unwrap();
    assert_eq!(
        (slot.kind(), slot.cost(), *slot.blind()),
        (SlotKind::RecoveryKey, None, [0; 32])
    );
    assert_content(slot.open_with_recovery_key(&recovery_key()));
    assert_eq!(
        slot.open_with_contacts(&contacts).err(),
        Some(SlotError::OtherKind)
    );

    let bytes = Slot::seal_contacts(&content(), &world.repo, &contacts, &random).unwrap();
    assert_eq!(bytes.len(), 512);
    let slot = parse(&world, bytes.as_bytes()).unwrap();
    assert!(slot.kind() == SlotKind::Contacts && *slot.blind() != [0; 32]);
    assert_content(slot.open_with_contacts(&contacts));
    let fewer = ContactsSecret::generate(&SeededRandom::new(99)).unwrap();
    assert_eq!(
        slot.open_with_contacts(&fewer).err(),
        Some(SlotError::WrongCredential)
    );
    assert_eq!(
        slot.open_with_password_kit(&password, &kit).err(),
        Some(SlotError::OtherKind)
    );
}

#[test]
fn the_contacts_secret_does_not_open_a_slot_without_its_blind() {
    let (world, random) = (World::new(), SeededRandom::new(1));
    let contacts = ContactsSecret::generate(&random).unwrap();
    let bytes = Slot::seal_contacts(&content(), &world.repo, &contacts, &random).unwrap();
    let blinded = changed(bytes.as_bytes(), 84, &[0; 32]);
    let opened = parse(&world, &blinded)
        .unwrap()
        .open_with_contacts(&contacts);
    assert_eq!(opened.err(), Some(SlotError::WrongCredential));
}

#[test]
fn a_damaged_slot_and_a_wrong_credential_are_different_sentences() {
    let world = World::new();
    let good = recovery_slot(&world);
    let name = object_hash(&good);
    for at in 0..good.len() {
        let bad = changed(&good, at, &[good[at] ^ 1]);
        assert_eq!(
            Slot::parse(&bad, &name, &world.repo).err(),
            Some(SlotError::Damaged),
            "byte {at}"
        );
    }
    let wrong = RecoveryKey::generate(&SeededRandom::new(10)).unwrap();
    let opened = parse(&world, &good).unwrap().open_with_recovery_key(&wrong);
    assert_eq!(opened.err(), Some(SlotError::WrongCredential));
}

#[test]
fn a_renamed_changed_slot_never_gives_a_seed() {
    let world = World::new();
    let good = recovery_slot(&world);
    for at in 0..good.len() {
        let bad = changed(&good, at, &[good[at] ^ 1]);
        let opened =
            parse(&world, &bad).and_then(|slot| slot.open_with_recovery_key(&recovery_key()));
        let expected = match at {
            0..4 | 6..8 | 40..52 | 84..116 => SlotError::Damaged,
            4 => SlotError::Unsupported,
            // Recovery key became contacts... or password + kit, whose cost is then zero.
            5 => SlotError::CostOutOfBounds,
            8..40 => SlotError::WrongRepository,
            52..84 | 116..148 => SlotError::WrongCredential,
            _ => SlotError::Damaged,
        };
        assert_eq!(opened.err(), Some(expected), "byte {at}");
    }
}

#[test]
fn slots_of_other_lengths_are_damaged() {
    let world = World::new();
    let good = recovery_slot(&world);
    for bad in [&good[..511], &[&good[..], b"x"].concat(), &[], &good[..148]] {
        assert_eq!(parse(&world, bad).err(), Some(SlotError::Damaged));
    }
}

#[test]
fn a_slot_of_another_repository_is_refused_even_if_relabelled() {
    let world = World::new();
    let elsewhere = World::of(RepoId::of_genesis(b"other"), Epoch::FIRST);
    let bytes = recovery_slot(&elsewhere);
    assert_eq!(
        parse(&world, &bytes).err(),
        Some(SlotError::WrongRepository)
    );
    let relabelled = changed(&bytes, 8, world.repo.as_bytes());
    let opened = parse(&world, &relabelled)
        .unwrap()
        .open_with_recovery_key(&recovery_key());
    assert_eq!(opened.err(), Some(SlotError::WrongCredential));
}

#[test]
fn a_cost_below_the_floor_or_above_the_cap_is_refused_before_any_work() {
    let world = World::new();
    let bytes = changed(&recovery_slot(&world), 5, &[1]);
    let started = std::time::Instant::now();
    for (memory_kib, passes, lanes) in [
        (0u32, 0u32, 0u32),
        (8, 3, 1),
        ((64 << 10) - 1, 3, 1),
        (64 << 10, 2, 1),
        (64 << 20, 3, 1),
        (64 << 10, 1 << 31, 1),
        (u32::MAX, u32::MAX, u32::MAX),
    ] {
        let fields = [memory_kib, passes, lanes].map(u32::to_le_bytes).concat();
        assert_eq!(
            parse(&world, &changed(&bytes, 40, &fields)).err(),
            Some(SlotError::CostOutOfBounds)
        );
    }
    assert!(started.elapsed().as_millis() < 1000, "no password hash ran");
}

#[test]
fn a_changed_cost_within_bounds_opens_nothing() {
    let (world, random) = (World::new(), SeededRandom::new(1));
    let password = Password::new("correct horse");
    let bytes =
        Slot::seal_password(&content(), &world.repo, &password, KdfCost::FLOOR, &random).unwrap();
    let slot = parse(&world, &changed(bytes.as_bytes(), 44, &4u32.to_le_bytes())).unwrap();
    assert_eq!(
        slot.open_with_password(&password).err(),
        Some(SlotError::WrongCredential)
    );
}

/// A partitioning oracle needs one ciphertext that many keys open. The commitment is compared first, and it is a hash of
/// one key: whatever follows it, at most one credential passes.
#[test]
fn each_attempt_tests_one_credential() {
    let world = World::new();
    let good = recovery_slot(&world);
    for candidate in 20..60 {
        let key = RecoveryKey::generate(&SeededRandom::new(candidate)).unwrap();
        for ciphertext in [[0; 364], [0xff; 364]] {
            let crafted = parse(&world, &changed(&good, 148, &ciphertext)).unwrap();
            assert_eq!(
                crafted.open_with_recovery_key(&key).err(),
                Some(SlotError::WrongCredential)
            );
        }
    }
    let crafted = parse(&world, &changed(&good, 148, &[0; 364])).unwrap();
    assert_eq!(
        crafted.open_with_recovery_key(&recovery_key()).err(),
        Some(SlotError::Damaged)
    );
}

#[test]
fn stray_fields_are_damage() {
    let world = World::new();
    let good = recovery_slot(&world);
    for (at, new) in [
        (6, &[1u8][..]),
        (7, &[1]),
        (40, &[1]),
        (84, &[1]),
        (115, &[1]),
    ] {
        assert_eq!(
            parse(&world, &changed(&good, at, new)).err(),
            Some(SlotError::Damaged)
        );
    }
}

#[test]
fn a_mistyped_recovery_key_still_opens_and_a_badly_mistyped_one_says_so() {
    let world = World::new();
    let slot = parse(&world, &recovery_slot(&world)).unwrap();
    let text = recovery_key().to_groups().to_string();
    let wrong = if text.starts_with('Z') { "Y" } else { "Z" };
    let one_typo = RecoveryKey::parse(&format!("{wrong}{}", &text[1..]))
        .ok()
        .unwrap();
    assert_eq!(one_typo.corrected, Some(0));
    assert_content(slot.open_with_recovery_key(&one_typo.key));
    let sloppy = RecoveryKey::parse(&text.to_lowercase().replace('-', "  "))
        .ok()
        .unwrap();
    assert_content(slot.open_with_recovery_key(&sloppy.key));
    let bad = RecoveryKey::parse(&format!("{wrong}{wrong}{wrong}{}", &text[3..]));
    let opened = bad.map(|parsed| slot.open_with_recovery_key(&parsed.key));
    assert!(!matches!(opened, Ok(Ok(_))), "three mistakes open nothing");
}

#[test]
fn labels_are_bounded_and_may_be_empty() {
    let (world, random) = (World::new(), SeededRandom::new(1));
    let seal = |label: String| {
        let content = SlotContent {
            seed: seed(8),
            label,
        };
        Slot::seal_recovery_key(&content, &world.repo, &recovery_key(), &random)
    };
    assert_eq!(seal("x".repeat(256)).err(), Some(SlotError::LabelTooLong));
    for label in [String::new(), "x".repeat(255)] {
        let slot = parse(&world, seal(label.clone()).unwrap().as_bytes()).unwrap();
        assert_eq!(
            slot.open_with_recovery_key(&recovery_key())
                .ok()
                .unwrap()
                .label,
            label
        );
    }
}

#[test]
fn without_randomness_there_is_no_slot() {
    let world = World::new();
    let failed =
        Slot::seal_recovery_key(&content(), &world.repo, &recovery_key(), &BrokenRandom).err();
    assert_eq!(failed, Some(SlotError::Random(RandomFailed)));
}
