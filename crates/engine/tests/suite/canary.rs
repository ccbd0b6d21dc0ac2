//! The storage learns nothing: not a word, a name, a hash, a length or an equality.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use ownkey_crypto::{KdfCost, Password};
use ownkey_engine::backup::{self, Labels, Sources};
use ownkey_engine::repository::{self, Founding, Guard, PasswordWay};
use ownkey_engine::source::{Excludes, Selection, WalkOptions};
use ownkey_storage::{MemoryStorage, Storage};
use ownkey_testkit::{Dump, SeededRandom, tree};

use crate::attacks::forger::ready;
use crate::attacks::scene::{fast_folder, write};
use crate::world::World;

/// Everything stored after two backups of `source` with `labels`.
fn stored(seed: u64, source: &Path, labels: &Labels, password: Option<&Password>) -> Dump {
    let world = World::in_memory(seed);
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let way = password.map(|password| PasswordWay {
        password,
        cost: KdfCost::FLOOR,
        kit: None,
    });
    let founding = Founding {
        device_label: "canary-device-label-9d1f".to_owned(),
        guard: Guard::Nothing,
        password: way,
    };
    let founded =
        repository::init(&world.environment, &storage, &founding, &world.monitor).unwrap();
    let mut repository = founded.repository;
    for _ in 0..2 {
        let sources = Sources {
            selection: Selection::new([source]).unwrap(),
            excludes: Excludes::builder(),
            walk: WalkOptions::default(),
        };
        backup::run(&mut repository, &sources, labels, &world.monitor).unwrap();
    }
    ready(Dump::take(storage.as_ref())).unwrap()
}

fn labels(suffix: &str) -> Labels {
    Labels {
        host: format!("canary-host-{suffix}"),
        user: format!("canary-user-{suffix}"),
        tags: vec![format!("canary-tag-{suffix}")],
        version: format!("canary-version-{suffix}"),
        profile: Some(format!("canary-profile-{suffix}").into_bytes()),
    }
}

/// Every text and every file's content that must not be seen; `suffix` is 16 bytes.
fn plant(source: &Path, suffix: &str) -> Vec<Vec<u8>> {
    let content = |what: &str| format!("canary-{what}-{suffix}").into_bytes();
    let small = content("content");
    // Compressible, incompressible, and large enough for several chunks.
    let repeated = content("repeated").repeat(4000);
    let mut random = SeededRandom::new(1);
    let mut large = random.bytes(3 << 20);
    large.splice(1_000_000..1_000_000, content("inside"));
    write(
        &source.join(format!("canary-folder-{suffix}/canary-name-{suffix}")),
        &small,
    );
    write(&source.join(format!("repeated-{suffix}")), &repeated);
    write(&source.join(format!("large-{suffix}")), &large);
    std::os::unix::fs::symlink(format!("canary-target-{suffix}"), source.join("a-link")).unwrap();
    let labelled = source.join(format!("repeated-{suffix}"));
    // Not every file system takes them; the fields are the same bytes of the same node.
    let _ = rustix::fs::setxattr(
        &labelled,
        format!("user.canary-xattr-{suffix}"),
        &content("value"),
        rustix::fs::XattrFlags::empty(),
    );
    let paths = [source.as_os_str().as_encoded_bytes().to_vec()];
    let mut seen: Vec<Vec<u8>> = [
        "folder", "name", "content", "repeated", "inside", "target", "xattr", "value", "host",
        "user", "tag", "version", "profile",
    ]
    .map(content)
    .into_iter()
    .chain(paths)
    .chain([
        suffix.as_bytes().to_vec(),
        b"canary-device-label-9d1f".to_vec(),
    ])
    .collect();
    seen.extend([small, repeated, large]);
    seen
}

/// A text, its hashes, and how people write hashes.
fn spellings(secret: &[u8], sha256: Vec<u8>) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into_bytes()
    };
    let blake3 = ownkey_crypto::object_hash(secret).as_bytes().to_vec();
    let upper = hex(&sha256).to_ascii_uppercase();
    // A window of 16 bytes in the middle stands for a long content.
    let text = match secret.len() {
        0..=64 => secret.to_vec(),
        long => secret[long / 2..long / 2 + 16].to_vec(),
    };
    vec![text, hex(&blake3), hex(&sha256), upper, blake3, sha256]
}

/// From the system, because nothing in the engine may need it.
fn sha256_of_each(secrets: &[&[u8]]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir_in(fast_folder()).unwrap();
    let files: Vec<_> = (0..secrets.len())
        .map(|nth| folder.path().join(format!("{nth:04}")))
        .collect();
    for (file, secret) in files.iter().zip(secrets) {
        std::fs::write(file, secret).unwrap();
    }
    let output = std::process::Command::new("sha256sum")
        .args(&files)
        .output()
        .expect("sha256sum");
    let text = String::from_utf8(output.stdout).unwrap();
    let hashes: Vec<Vec<u8>> = text
        .lines()
        .map(|line| unhex(line.split(' ').next().unwrap()))
        .collect();
    assert_eq!(hashes.len(), secrets.len());
    hashes
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn no_stored_name_or_byte_tells_a_canary_or_its_hash() {
    let folder = tempfile::tempdir_in(fast_folder()).unwrap();
    let source = folder.path().join("canary-source-0f3a");
    let seen = plant(&source, "7b1e9c0d5a2f4e68");
    let dump = stored(
        600,
        &source,
        &labels("7b1e9c0d5a2f4e68"),
        Some(&Password::new("canary password 51f0")),
    );
    assert!(dump.total_bytes() > 3 << 20);
    let mut looked_for = 0;
    let mut secrets: Vec<&[u8]> = seen.iter().map(Vec::as_slice).collect();
    secrets.extend([&b"canary password 51f0"[..], b"canary"]);
    for (secret, sha256) in secrets.iter().zip(sha256_of_each(&secrets)) {
        for spelling in spellings(secret, sha256) {
            looked_for += 1;
            assert_eq!(
                dump.find(&spelling),
                None,
                "{:?}",
                String::from_utf8_lossy(&spelling)
            );
        }
    }
    assert!(looked_for > 100);
    // The search would find what is there.
    assert!(
        dump.find(b"This is an encrypted backup repository")
            .is_some()
    );
}

/// How many objects of each size, by kind of name.
fn sizes(dump: &Dump) -> BTreeMap<(String, usize), usize> {
    let mut sizes = BTreeMap::new();
    for (name, bytes) in dump.iter() {
        let kind = name.as_str().split('/').next().unwrap().to_owned();
        *sizes.entry((kind, bytes.len())).or_default() += 1;
    }
    sizes
}

#[test]
fn two_canaries_of_equal_length_make_objects_of_equal_sizes() {
    let run = |suffix: &str| {
        let folder = tempfile::tempdir_in(fast_folder()).unwrap();
        // Names of temporary folders have one length.
        let source = folder.path().join("source");
        plant(&source, suffix);
        for entry in [
            "a-link".to_owned(),
            format!("repeated-{suffix}"),
            format!("large-{suffix}"),
        ] {
            let path = source.join(entry);
            if !path.is_symlink() {
                let file = std::fs::File::options().write(true).open(path).unwrap();
                file.set_modified(
                    std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000),
                )
                .unwrap();
            }
        }
        sizes(&stored(601, &source, &labels(suffix), None))
    };
    let one = run("7b1e9c0d5a2f4e68");
    assert_eq!(one, run("5a2f4e687b1e9c0d"));
    assert_eq!(one, run("0000000000000000"));
}

#[test]
fn two_repositories_of_one_tree_and_password_share_no_name_and_no_block_but_what_is_public() {
    let folder = tempfile::tempdir_in(fast_folder()).unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    tree::generate(&source, 602, &tree::Spec::plain());
    write(&source.join("zeros"), &vec![0; 2 << 20]);
    let password = Password::new("one password for both");
    let [one, other] =
        [602, 603].map(|seed| stored(seed, &source, &labels("7b1e9c0d5a2f4e68"), Some(&password)));

    let names = |dump: &Dump| {
        dump.iter()
            .map(|(name, _)| name.to_string())
            .collect::<HashSet<_>>()
    };
    let common: Vec<String> = names(&one).intersection(&names(&other)).cloned().collect();
    assert_eq!(common, ["ownkey"]);

    // Every window of 16 bytes of one against every aligned block of the other.
    let mut windows: HashSet<[u8; 16]> = HashSet::new();
    for (_, bytes) in one.iter() {
        windows.extend(
            bytes
                .windows(16)
                .map(|window| <[u8; 16]>::try_from(window).unwrap()),
        );
    }
    let mut blocks = 0;
    for (name, bytes) in other.iter() {
        for (nth, block) in bytes.as_chunks::<16>().0.iter().enumerate() {
            blocks += 1;
            if !windows.contains(block) {
                continue;
            }
            let at = 16 * nth;
            let public = match name.as_str() {
                "ownkey" => true,
                // Version, kind, cost, and what is zero (docs/format.md §15).
                slot if slot.starts_with("keys/slot/") => {
                    at < 52 || (84..116).contains(&at) && *block == [0; 16]
                }
                // Magic, version, class, wrap, epoch.
                _ => at < 12,
            };
            assert!(public, "{name} at {at}: {block:02x?}");
        }
    }
    assert!(blocks > 50_000, "{blocks}");
}

#[test]
fn one_tree_backed_up_twice_into_one_repository_repeats_no_block() {
    let folder = tempfile::tempdir_in(fast_folder()).unwrap();
    let source = folder.path().join("source");
    // Equal contents under two names and two types, and zeros: one chunk, and nothing that repeats.
    write(&source.join("a"), &vec![0; 3 << 20]);
    write(&source.join("b"), &vec![0; 3 << 20]);
    let dump = stored(604, &source, &Labels::default(), None);
    let mut seen: HashSet<[u8; 16]> = HashSet::new();
    for (name, bytes) in dump
        .iter()
        .filter(|(name, _)| !name.as_str().starts_with("keys/slot") && name.as_str() != "ownkey")
    {
        // The public header is the same for all objects of a class.
        let sealed = bytes.get(112..).unwrap();
        for block in sealed.as_chunks::<16>().0 {
            assert!(seen.insert(*block), "{name} repeats {block:02x?}");
        }
    }
}
