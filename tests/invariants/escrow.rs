//! There is no way to hand over a key: a proof by search that no code writes a root key anywhere but into a
//! slot, a grant, a history, or the device's own key file.
//!
//! The types hold most of it (their bytes are private to the core); these tests name the files that are left to read.

use std::collections::BTreeSet;

use crate::sources::{Source, product, read};

/// Paths of the product's files whose code contains `text`.
fn files_with(text: &str) -> BTreeSet<String> {
    let has = |source: &Source| source.code.contains(text);
    product()
        .into_iter()
        .filter(has)
        .map(|source| source.path)
        .collect()
}

#[track_caller]
fn only_in(text: &str, files: &[&str]) {
    let expected: BTreeSet<String> = files.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(files_with(text), expected, "who says {text:?}");
}

#[test]
fn a_seed_is_written_to_the_device_key_file_and_into_slots_only() {
    only_in(
        "expose_for_file",
        &[
            // Derivations, whose results are secrets again.
            "crates/crypto/src/hedge.rs",
            "crates/crypto/src/identity.rs",
            "crates/crypto/src/local_state.rs",
            // The payload of a slot.
            "crates/crypto/src/slot.rs",
            // The device key and a contact's key, mode 0600.
            "crates/engine/src/state/seed.rs",
        ],
    );
    let files = product()
        .into_iter()
        .find(|source| source.path == "crates/engine/src/state/seed.rs")
        .expect("the files of seeds");
    let calls = files.code.matches("expose_for_file").count();
    assert_eq!(calls, 1, "seeds are written in one place");
    let writer = files.code.split("fn store").nth(1).expect("it");
    let writer = writer.split("\n}").next().expect("its body");
    assert!(writer.contains("expose_for_file") && writer.contains("create_private"));
}

#[test]
fn the_bytes_of_root_keys_are_touched_in_four_files_of_the_core() {
    let keys = read("crates/crypto/src/keys.rs");
    assert!(keys.contains("pub struct $name(pub(crate) Secret);"));
    assert_eq!(
        keys.matches("pub fn ").count(),
        1,
        "root keys can only be generated"
    );
    let holders = |source: &Source| {
        ["ReadKey", "LogKey", "DedupKey"]
            .iter()
            .any(|key| source.has(key))
            && [".0.as_bytes()", ".0.as_mut()", ".0.duplicate()"]
                .iter()
                .any(|access| source.code.contains(access))
    };
    let found: BTreeSet<String> = product()
        .into_iter()
        .filter(|source| source.is_in("crates/crypto/src/"))
        .filter(holders)
        .map(|source| source.path)
        .collect();
    let expected = [
        // RK: derivations, and the history that seals RK of the epoch before.
        "crates/crypto/src/epoch_keys.rs",
        // All three: the grant.
        "crates/crypto/src/grant.rs",
        // LK: derivations and its history.
        "crates/crypto/src/log_keys.rs",
        // DK: derivations.
        "crates/crypto/src/name_keys.rs",
    ];
    assert_eq!(
        found,
        expected.iter().map(|file| (*file).to_owned()).collect()
    );
}

#[test]
fn outside_the_core_root_keys_are_made_granted_and_unlocked_and_nothing_else() {
    for key in ["ReadKey", "LogKey", "DedupKey"] {
        let outside: BTreeSet<String> = files_with(key)
            .into_iter()
            .filter(|path| !path.starts_with("crates/crypto/"))
            .filter(|path| {
                product()
                    .iter()
                    .any(|source| source.path == *path && source.has(key))
            })
            .collect();
        // A new repository, and a new epoch, for which the dedup key stays.
        let mut makers = vec!["crates/engine/src/repository/found.rs".to_owned()];
        if key != "DedupKey" {
            makers.push("crates/engine/src/access/epoch.rs".to_owned());
        }
        assert_eq!(outside, makers.into_iter().collect(), "who handles a {key}");
    }
}

#[test]
fn the_words_of_a_recovery_key_are_shown_by_the_kit_only() {
    let shown: BTreeSet<String> = files_with(".to_groups()")
        .into_iter()
        .chain(files_with("KitSecret::to_groups"))
        .filter(|path| !path.starts_with("crates/crypto/"))
        .collect();
    let expected = [
        // The code of a request, which is made to be typed elsewhere.
        "crates/cli/src/commands/device/request.rs",
        // Into this user's keychain, through a pipe: it opens a device key's file and nothing that is stored.
        "crates/cli/src/keychain.rs",
        // Kits.
        "crates/cli/src/commands/recovery/key.rs",
        "crates/cli/src/commands/recovery/kit.rs",
        "crates/cli/src/founding.rs",
        "crates/cli/src/kit/handing.rs",
    ];
    assert_eq!(
        shown,
        expected.iter().map(|file| (*file).to_owned()).collect()
    );
}

#[test]
fn what_contacts_hold_together_leaves_the_core_in_sealed_shares_only() {
    let contacts = read("crates/crypto/src/contacts.rs");
    assert!(contacts.contains("pub struct ContactsSecret(Secret);"));
    let public: Vec<&str> = contacts
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("pub fn "))
        .map(|line| line.split('(').next().unwrap_or_default())
        .collect();
    let expected = [
        "generate",
        "share_out",
        "join",
        "owner",
        "numbers",
        "seal",
        "open",
    ];
    assert_eq!(public, expected);
}

#[test]
fn secrets_of_the_core_cannot_be_cloned_printed_or_serialised() {
    for source in product()
        .iter()
        .filter(|source| source.is_in("crates/crypto/src/"))
    {
        assert!(!source.has("serde"), "{}", source.path);
        for secret in [
            "Secret",
            "ReadKey",
            "LogKey",
            "DedupKey",
            "IdentitySeed",
            "Identity",
            "Password",
            "RecoveryKey",
            "KitSecret",
            "ContactsSecret",
            "Share",
            "EnrolmentCode",
            "Hedge",
            "ReaderKeys",
            "LogKeys",
            "NameKeys",
            "LocalStateKey",
            "Grant",
        ] {
            for leak in ["Clone", "fmt::Debug", "Debug", "Display", "PartialEq"] {
                let by_hand = format!("impl {leak} for {secret} ");
                assert!(
                    !source.code.contains(&by_hand),
                    "{}: {by_hand}",
                    source.path
                );
            }
            for (at, start) in source.code.match_indices(&format!("pub struct {secret}")) {
                let name_ends =
                    source.code[at + start.len()..].starts_with(['(', ' ', '<', '{', ';']);
                let derived = attributes_before(&source.code[..at]).iter().any(|line| {
                    line.contains("derive(")
                        && ["Clone", "Debug", "PartialEq"]
                            .iter()
                            .any(|leak| line.contains(leak))
                });
                assert!(
                    !name_ends || !derived,
                    "{}: {secret} derives what it must not",
                    source.path
                );
            }
        }
    }
}

/// The attributes of the item that `code` ends before.
fn attributes_before(code: &str) -> Vec<&str> {
    code.lines()
        .rev()
        .take_while(|line| line.trim().is_empty() || line.trim().starts_with("#["))
        .collect()
}

#[test]
fn the_core_has_no_files_no_network_and_no_environment() {
    for source in product()
        .iter()
        .filter(|source| source.is_in("crates/crypto/src/"))
    {
        for world in [
            "std::fs",
            "std::net",
            "std::io",
            "std::process",
            "std::env",
            "std::thread",
            "std::time",
            "async",
        ] {
            assert!(!source.has(world), "{} knows {world}", source.path);
        }
    }
}
