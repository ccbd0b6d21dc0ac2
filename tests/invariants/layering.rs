//! Who may depend on whom, and what may appear where (docs/design.md, "The house").

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::exceptions::LONG_FILES;
use crate::sources::{Source, everything, files, product, read, root};

/// Who may use which crates of the house: in the product, and in tests besides.
const HOUSE: &[(&str, &[&str], &[&str])] = &[
    (
        "ownkey",
        &["ownkey-engine", "ownkey-storage"],
        &["ownkey-testkit"],
    ),
    (
        "ownkey-engine",
        &["ownkey-crypto", "ownkey-storage"],
        &["ownkey-testkit"],
    ),
    ("ownkey-crypto", &[], &[]),
    ("ownkey-storage", &[], &["ownkey-testkit"]),
    ("ownkey-testkit", &["ownkey-storage"], &[]),
    ("ownkey-model", &[], &[]),
];

/// Everything the core is built of. A new name here is a new thing to audit.
const CORE: &[&str] = &[
    "aes",
    "argon2",
    "blake3",
    "chacha20poly1305",
    "ed25519-dalek",
    "hkdf",
    "hpke",
    "rand",
    "sha2",
    "subtle",
    "thiserror",
    "unicode-normalization",
    "x25519-dalek",
    "zeroize",
];

/// Crates that only the named packages of the house may use directly, tests included.
const RESERVED: &[(&str, &[&str])] = &[
    ("aes", &["ownkey-crypto"]),
    ("argon2", &["ownkey-crypto"]),
    ("chacha20poly1305", &["ownkey-crypto"]),
    ("ed25519-dalek", &["ownkey-crypto"]),
    ("hkdf", &["ownkey-crypto"]),
    ("hpke", &["ownkey-crypto"]),
    ("ml-kem", &["ownkey-crypto"]),
    ("rand", &["ownkey-crypto"]),
    ("subtle", &["ownkey-crypto"]),
    ("x25519-dalek", &["ownkey-crypto"]),
    ("reqwest", &["ownkey-storage"]),
    ("rustls", &["ownkey-storage"]),
    ("reqsign-aws-v4", &["ownkey-storage"]),
    ("walkdir", &["ownkey-storage"]),
    (
        "tokio",
        &[
            "ownkey",
            "ownkey-engine",
            "ownkey-storage",
            "ownkey-testkit",
        ],
    ),
    ("zstd", &["ownkey-engine"]),
    ("clap", &["ownkey"]),
    ("stateright", &["ownkey-model"]),
];

/// Hashes belong to the core; tests may use them to look for what must not be found. The storage has hashes of
/// what is sealed already: those that services ask for, and one that tells a damaged file of the cache.
const HASHES: &[(&str, &[&str])] = &[
    ("blake3", &["ownkey-crypto"]),
    ("sha2", &["ownkey-crypto", "ownkey-storage"]),
    ("md-5", &["ownkey-storage"]),
];

/// Names that only these files or folders may say.
const PLACES: &[(&str, &str, &[&str])] = &[
    // The bridge, and the handle that is passed through to it.
    (
        "tokio",
        "crates/engine/src",
        &[
            "crates/engine/src/io.rs",
            "crates/engine/src/environment.rs",
        ],
    ),
    ("tokio", "crates/crypto/src", &[]),
    ("reqwest", "crates", &["crates/storage/src/http/network.rs"]),
    ("reqsign_aws_v4", "crates", &["crates/storage/src/s3/"]),
    (
        "sha2",
        "crates/storage/src",
        &[
            "crates/storage/src/cache/shelf.rs",
            "crates/storage/src/rest/naming.rs",
            "crates/storage/src/s3/",
        ],
    ),
    ("md5", "crates/storage/src", &["crates/storage/src/s3/"]),
    ("hyper", "crates/storage/src", &["crates/storage/src/rest/"]),
    ("walkdir", "crates", &["crates/storage/src/local/list.rs"]),
    (
        "rand",
        "crates/crypto/src",
        &["crates/crypto/src/random.rs"],
    ),
    (
        "getrandom",
        "crates",
        &["crates/storage/src/unguessable.rs"],
    ),
    (
        "zstd",
        "crates",
        &[
            "crates/engine/src/compress.rs",
            "crates/engine/src/backup/parent/reader.rs",
            "crates/engine/src/backup/parent/writer.rs",
        ],
    ),
    (
        "chacha20poly1305",
        "crates",
        &["crates/crypto/src/aead.rs", "crates/crypto/src/slot.rs"],
    ),
    ("hpke", "crates", &["crates/crypto/src/kem.rs"]),
    (
        "ed25519_dalek",
        "crates",
        &["crates/crypto/src/identity.rs"],
    ),
    (
        "aes",
        "crates",
        &[
            "crates/crypto/src/boundaries.rs",
            "crates/crypto/src/boundaries_batch.rs",
        ],
    ),
    ("argon2", "crates", &["crates/crypto/src/password.rs"]),
    ("hkdf", "crates", &["crates/crypto/src/kdf.rs"]),
];

/// What the libraries never do: speak, read the environment, look at a clock, find the home folder.
const SILENCE: &[&str] = &[
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "std::env",
    "env::var",
    "SystemTime::now",
    "Instant",
    "home_dir",
];

/// Where one of these words is harmless.
const HARMLESS: &[(&str, &str)] = &[
    // How long something takes is asked in one place, and answered by the runtime's clock.
    ("crates/storage/src/stopwatch.rs", "Instant"),
    // A library's word for the folder that was passed in.
    ("crates/storage/src/s3/credentials.rs", "home_dir"),
];

const LIBRARIES: [&str; 3] = [
    "crates/crypto/src",
    "crates/storage/src",
    "crates/engine/src",
];

/// What an auditor has to read, in lines: the core without tests, comments and blank lines, and with them.
const CORE_CODE_LINES: usize = 4_100;
const CORE_ALL_LINES: usize = 5_600;

/// The longest file, unless it is an exception.
const FILE_LINES: usize = 500;

struct Package {
    name: String,
    manifest: String,
    /// Direct dependencies: of the product, and of tests.
    product: BTreeSet<String>,
    tests: BTreeSet<String>,
}

fn packages() -> Vec<Package> {
    let metadata = metadata(&["--no-deps"]);
    let list = metadata["packages"].as_array().expect("packages");
    list.iter().map(package).collect()
}

/// What cargo says of the workspace, without asking anybody else.
pub(crate) fn metadata(more: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn package(value: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependencies = value["dependencies"].as_array().expect("dependencies");
    let of = |tests: bool| {
        let wanted = dependencies
            .iter()
            .filter(|dependency| (dependency["kind"] == "dev") == tests);
        wanted.map(|dependency| text(&dependency["name"])).collect()
    };
    Package {
        name: text(&value["name"]),
        manifest: text(&value["manifest_path"]),
        product: of(false),
        tests: of(true),
    }
}

#[test]
fn nobody_knows_whom_they_must_not_know() {
    let packages = packages();
    assert_eq!(
        packages.len(),
        HOUSE.len(),
        "a package without a rule, or a rule without a package"
    );
    for package in &packages {
        let (_, product, tests) = HOUSE
            .iter()
            .find(|(name, ..)| *name == package.name)
            .unwrap_or_else(|| panic!("{} has no rule", package.name));
        let house = |name: &&String| name.starts_with("ownkey");
        for used in package.product.iter().filter(house) {
            assert!(
                product.contains(&used.as_str()),
                "{} must not know {used}",
                package.name
            );
        }
        for used in package.tests.iter().filter(house) {
            let allowed = product.contains(&used.as_str()) || tests.contains(&used.as_str());
            assert!(
                allowed,
                "the tests of {} must not know {used}",
                package.name
            );
        }
    }
}

#[test]
fn the_core_is_built_of_what_is_listed_and_nothing_else() {
    let core = packages()
        .into_iter()
        .find(|package| package.name == "ownkey-crypto");
    let used = core.expect("the core").product;
    let listed: BTreeSet<String> = CORE.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(used, listed);
}

#[test]
fn ciphers_randomness_network_and_runtime_have_one_home_each() {
    for package in packages() {
        let direct = || package.product.iter().chain(&package.tests);
        for (name, homes) in RESERVED {
            let uses = direct().any(|used| used == name);
            assert!(
                !uses || homes.contains(&package.name.as_str()),
                "{} uses {name}",
                package.name
            );
        }
        for (name, homes) in HASHES {
            let uses = package.product.contains(*name);
            assert!(
                !uses || homes.contains(&package.name.as_str()),
                "{} uses {name}",
                package.name
            );
        }
    }
}

#[test]
fn every_manifest_obeys_the_workspace_lints_and_they_forbid_unsafe() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest).expect("a manifest");
        assert!(
            manifest.contains("\n[lints]\nworkspace = true\n"),
            "{}",
            package.manifest
        );
    }
    let workspace = read("Cargo.toml");
    let lints = workspace
        .split("[workspace.lints.rust]")
        .nth(1)
        .expect("lints");
    let lints = lints.split("\n[").next().expect("a section");
    assert!(lints.contains("unsafe_code = \"forbid\""));
}

#[test]
fn nowhere_is_anything_unsafe_or_an_unexplained_allowance() {
    let mut found = Vec::new();
    for source in everything() {
        let whole = Source {
            code: crate::sources::without_comments(&source.text),
            ..source
        };
        for word in ["unsafe", "todo!", "unimplemented!"] {
            found.extend(
                whole
                    .places(word)
                    .into_iter()
                    .map(|place| format!("{place}: {word}")),
            );
        }
        for attribute in ["#[allow(", "#![allow(", "#[ignore"] {
            if whole.code.contains(attribute) {
                found.push(format!("{}: {attribute}", whole.path));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_are_said_only_where_they_belong() {
    let sources = product();
    let mut found = Vec::new();
    for (word, folder, places) in PLACES {
        let outside = |source: &&Source| {
            let allowed = |place: &&str| {
                source.path == **place || (place.ends_with('/') && source.is_in(place))
            };
            source.is_in(&format!("{folder}/")) && !places.iter().any(allowed)
        };
        let paths = |source: &Source| {
            // A crate is meant, not a module or a field of that name.
            let named = [format!("{word}::"), format!("use {word};")];
            named
                .iter()
                .flat_map(|name| source.places(name))
                .collect::<Vec<_>>()
        };
        found.extend(
            sources
                .iter()
                .filter(outside)
                .flat_map(paths)
                .map(|place| format!("{place}: {word}")),
        );
        for place in *places {
            let used = sources
                .iter()
                .filter(|source| source.is_in(place))
                .any(|source| source.has(word));
            assert!(used, "{place} does not say {word} any more; strike it out");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_libraries_never_speak_and_never_look_at_the_outside() {
    let mut found = Vec::new();
    for source in product() {
        if LIBRARIES.iter().any(|library| source.is_in(library)) {
            let allowed = |word: &&&str| HARMLESS.contains(&(source.path.as_str(), **word));
            let said = SILENCE.iter().filter(|word| !allowed(word));
            found.extend(said.flat_map(|word| source.places(word)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_core_can_be_read_in_an_afternoon_or_two() {
    let core: Vec<Source> = product()
        .into_iter()
        .filter(|source| source.is_in("crates/crypto/src/"))
        .collect();
    let filled = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
    let code: usize = core.iter().map(|source| filled(&source.code)).sum();
    let with_docs: usize = core.iter().map(|source| product_lines(&source.text)).sum();
    assert!(code <= CORE_CODE_LINES, "{code} lines of code in the core");
    assert!(with_docs <= CORE_ALL_LINES, "{with_docs} lines in the core");
}

/// Lines before the tests at the bottom.
fn product_lines(text: &str) -> usize {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().count()
}

#[test]
fn files_stay_short_enough_to_be_read() {
    for path in files(&["crates", "tests", "benches", "fuzz"], "rs") {
        let lines = read(&path).lines().count();
        let excused = LONG_FILES.iter().any(|(file, _)| *file == path);
        assert!(lines <= FILE_LINES || excused, "{path} has {lines} lines");
    }
    for (path, reason) in LONG_FILES {
        let lines = read(path).lines().count();
        assert!(lines > FILE_LINES, "{path} needs no exception any more");
        assert!(!reason.is_empty());
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in everything() {
        // A file of unit tests is said to be one by its name.
        let says = source.text.starts_with("//!") || source.path.ends_with("/tests.rs");
        assert!(says, "{} does not", source.path);
    }
}
