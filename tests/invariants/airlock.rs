//! The airlock: bytes leave the machine only as `Sealed` and are parsed only as `Opened`, and only the core makes either.
//!
//! The compiler holds most of it, because the fields are private; these tests hold the rest.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{product, read};

#[test]
fn only_the_core_makes_sealed_and_opened_bytes() {
    let makers: BTreeMap<&str, &[&str]> = [
        ("Sealed::new", &["envelope.rs", "pack.rs", "slot.rs"][..]),
        (
            "Opened::new",
            &["envelope.rs", "local_state.rs", "pack_open.rs"],
        ),
    ]
    .into();
    for source in product() {
        let core = source.path.strip_prefix("crates/crypto/src/");
        for word in ["Sealed(", "Opened("] {
            let allowed = core == Some("sealed.rs");
            assert!(allowed || !source.has(word), "{} makes {word}", source.path);
        }
        for (maker, homes) in &makers {
            let allowed = core.is_some_and(|file| homes.contains(&file));
            assert!(
                allowed || !source.has(maker),
                "{} uses {maker}",
                source.path
            );
        }
    }
    let airlock = read("crates/crypto/src/sealed.rs");
    for private in ["pub struct Sealed(Vec<u8>);", "pub struct Opened(Vec<u8>);"] {
        assert!(airlock.contains(private), "{private}");
    }
}

#[test]
fn what_leaves_the_machine_is_listed_in_one_enum_and_leaves_through_one_file() {
    let io = product()
        .into_iter()
        .find(|source| source.path == "crates/engine/src/io.rs")
        .expect("the bridge");
    // However it is broken into lines.
    let one_line = |text: &str| {
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        joined
            .replace("( ", "(")
            .replace(", )", ")")
            .replace(" .", ".")
    };
    let code = one_line(&io.code);
    for signature in [
        "fn create(&self, name: &ObjectName, what: Outgoing)",
        "what: Outgoing, acknowledge:",
        "objects: impl IntoIterator<Item = (ObjectName, Outgoing)>",
    ] {
        assert!(code.contains(signature), "{signature}");
    }
    assert_eq!(code.matches(".create(").count(), 3);
    assert_eq!(code.matches("what.into_bytes()").count(), 3);
    let list = code
        .split("enum Outgoing {")
        .nth(1)
        .and_then(|rest| rest.split('}').next());
    let list = one_line(list.expect("the enum"));
    assert_eq!(
        list,
        "Header(Vec<u8>), Slot(Sealed), Object(Sealed), Pack(Sealed), Mirrored(Fetched),"
    );
    // What goes on as it is comes from a storage: only the bridge makes it, of what it read.
    assert!(code.contains("pub(crate) struct Fetched(Bytes);"));
    assert_eq!(code.matches("Fetched(").count(), 1);
    assert_eq!(code.matches(".map(Fetched)").count(), 1);
    for source in product()
        .iter()
        .filter(|source| source.is_in("crates/engine/src/"))
    {
        for call in [
            "storage.create(",
            "storage.delete(",
            "storage.extend_retention(",
        ] {
            let here = source.path == io.path;
            assert!(
                here || !source.code.contains(call),
                "{}: {call}",
                source.path
            );
        }
        let headers = source.code.contains("Outgoing::Header(");
        assert!(
            !headers || source.path == "crates/engine/src/repository/found.rs",
            "{}",
            source.path
        );
    }
}

#[test]
fn decoders_of_sealed_objects_take_opened_bytes_only() {
    // Public by nature (docs/format.md §3, §2), or the one door through which claims are read before they
    // are believed.
    let exceptions = ["header.rs", "layout.rs", "cbor.rs"];
    let mut decoders = 0;
    for source in product() {
        let Some(file) = source.path.strip_prefix("crates/engine/src/format/") else {
            continue;
        };
        for start in [
            "pub fn decode",
            "pub(crate) fn decode",
            "pub fn parse",
            "pub(crate) fn parse",
        ] {
            for (at, _) in source.code.match_indices(start) {
                let signature = source.code[at..].split('{').next().unwrap_or_default();
                let takes_opened = signature.contains("Opened");
                decoders += usize::from(takes_opened);
                assert!(
                    takes_opened || exceptions.contains(&file),
                    "{}: {signature}",
                    source.path
                );
            }
        }
    }
    assert!(decoders >= 2, "only {decoders} decoders were found");
    let claims: BTreeSet<String> = product()
        .into_iter()
        .filter(|source| source.has("decode_claim"))
        .map(|source| source.path)
        .collect();
    let allowed = [
        // Its definition.
        "crates/engine/src/format/cbor.rs",
        // The device's own record, authenticated by its seal.
        "crates/engine/src/backup/parent/record.rs",
        // What this device knows of the logs, authenticated by its tag.
        "crates/engine/src/repository/open.rs",
        // Who claims to have signed a roster entry, to look up the key that will tell.
        "crates/engine/src/roster/load.rs",
    ];
    for path in &claims {
        assert!(allowed.contains(&path.as_str()), "{path} reads claims");
    }
}

#[test]
fn authenticated_bytes_are_computed_from_in_one_file() {
    // Joining nothing and deriving from it would make any bytes `Opened`: who may call these is a short list.
    for source in product() {
        if !source.is_in("crates/crypto/src/") {
            let derives = source.code.contains(".derive(");
            assert!(
                !derives || source.path == "crates/engine/src/compress.rs",
                "{}",
                source.path
            );
            assert!(!source.code.contains("Opened::join("), "{}", source.path);
        }
    }
    let inflate = read("crates/engine/src/compress.rs");
    assert!(inflate.contains("stored.derive(|bytes| inflate(bytes, plain_len))"));
}
