//! What is left in the memory of a process that opened a repository and closed it again.
//!
//! A machine founds a repository and writes down, masked, whatever its generator gave for keys. Another process opens
//! that repository in every way there is, uses it, closes it, and then looks for those bytes in all of its own memory. It has
//! only the masked ones, so that it does not find what it brought itself.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use ownkey_crypto::{KdfCost, Password, Random, RandomFailed, RecoveryKey};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repository::{self, Credential, Founding, Guard, PasswordWay};
use ownkey_storage::{LocalStorage, Storage};
use ownkey_testkit::SeededRandom;
use zeroize::Zeroizing;

use super::scene::{files, state, write};
use crate::world::{TestRandom, World};

const FOLDER: &str = "OWNKEY_TEST_MEMORY_OF";
const MASK: u8 = 0xa5;
const READ_AT_ONCE: usize = 1 << 20;

#[test]
fn no_key_and_no_password_is_left_in_memory_when_a_repository_was_closed() {
    match std::env::var_os(FOLDER) {
        None => be_the_parent(),
        Some(folder) => be_the_child(Path::new(&folder)),
    }
}

/// Writes down what it gave.
struct Recording {
    random: TestRandom,
    given: Mutex<Vec<Vec<u8>>>,
}

impl Random for Recording {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        self.random.fill(out)?;
        self.given.lock().expect("no panic").push(out.to_vec());
        Ok(())
    }
}

fn be_the_parent() {
    let mut world = World::new(390);
    let given = Arc::new(Recording {
        random: TestRandom::of(39),
        given: Mutex::default(),
    });
    world.environment.random = given.clone();
    let source = world.path("source");
    write(&source.join("letter"), b"the content of a letter");
    let storage = storage(&world, &world.path("repository"));
    // Not written down anywhere in this program.
    let typed = format!("{:032x}", SeededRandom::new(40).next_u64());
    let password = Password::new(&typed);
    let founding = Founding {
        device_label: "test machine".to_owned(),
        guard: Guard::Nothing,
        password: Some(PasswordWay {
            password: &password,
            kit: None,
            cost: KdfCost::FLOOR,
        }),
    };
    let founded = repository::init(&world.environment, &storage, &founding, &world.monitor);
    let mut founded = founded.expect("a new repository");
    let given_for_keys = std::mem::take(&mut *given.given.lock().expect("no panic"));
    world.backup(&mut founded.repository, &source);
    drop(founded.repository);

    // The recovery key: 130 bits of 17 bytes.
    let typed_key = given_for_keys.iter().find(|bytes| bytes.len() == 17);
    let typed_key = typed_key.expect("a recovery key")[1..].to_vec();
    // What lies open in the storage, a salt, is no secret.
    let open = files(&world.path("repository"));
    let is_secret = |bytes: &Vec<u8>| bytes.len() == 32 && !open.values().any(|it| has(it, bytes));
    let mut secrets: Vec<Vec<u8>> = given_for_keys.into_iter().filter(is_secret).collect();
    assert!(secrets.len() >= 5, "two seeds, RK, LK and DK");
    secrets.push(typed_key);
    secrets.push(typed.into_bytes());
    let text = founded.recovery_key.to_groups();
    secrets.push(text.as_bytes().to_vec());
    let device_key = state(&world)
        .into_values()
        .find(|file| has(file, &secrets[0]));
    assert!(device_key.is_some(), "the first is this machine's seed");

    for (n, secret) in secrets.iter().enumerate() {
        write(
            &world.path("masked").join(format!("{n:02}")),
            &masked_of(secret),
        );
    }
    let this = std::env::current_exe().expect("this program");
    let child = Command::new(this)
        .args(["--exact", "--nocapture"])
        .arg("attacks::memory::no_key_and_no_password_is_left_in_memory_when_a_repository_was_closed")
        .env(FOLDER, world.folder.path())
        .output()
        .expect("a process");
    let told = [child.stdout, child.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(child.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

fn be_the_child(folder: &Path) {
    let mut world = World::new(391);
    world.environment.state = folder.join("state");
    world.environment.cache = folder.join("cache");
    world.environment.indexes = None;
    let masked: Vec<Vec<u8>> = files(&folder.join("masked")).into_values().collect();
    use_and_close(&world, folder, &masked);
    // Threads end, and what they held with them.
    drop(world);

    let left = places(&masked);
    assert!(left.is_empty(), "secrets are left: {left:#?}");
}

fn use_and_close(world: &World, folder: &Path, masked: &[Vec<u8>]) {
    let storage = storage(world, &folder.join("repository"));
    let source = folder.join("source");
    let mut repository = world.open(&storage).expect("it opens");
    world.backup(&mut repository, &source);
    let checked = check::run(&repository, ReadData::All, &world.monitor).expect("a check");
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    drop(repository);

    let [.., password, recovery_key] = masked else {
        panic!("no secrets")
    };
    {
        let typed = Zeroizing::new(masked_of(password));
        let password = Password::new(std::str::from_utf8(&typed).expect("text"));
        open(world, &storage, Credential::Password(&password, None));
        // What is there is found, or this would show nothing.
        let there = places(masked).into_iter().map(|(which, _)| which);
        assert_eq!(
            there.collect::<HashSet<_>>(),
            HashSet::from([masked.len() - 2])
        );
    }
    let typed = Zeroizing::new(masked_of(recovery_key));
    let key = RecoveryKey::parse(std::str::from_utf8(&typed).expect("text"));
    open(
        world,
        &storage,
        Credential::RecoveryKey(&key.expect("a key").key),
    );
}

fn open(world: &World, storage: &Arc<dyn Storage>, credential: Credential<'_>) {
    let opened = repository::open(&world.environment, storage, credential, &world.monitor);
    drop(opened.expect("it opens"));
}

fn storage(world: &World, path: &Path) -> Arc<dyn Storage> {
    let storage = world
        .block_on(LocalStorage::create_root(path))
        .expect("a folder");
    Arc::new(storage)
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fn masked_of(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ MASK).collect()
}

/// Where in this process's memory the bytes lie that are one of these when they are masked: which, and where.
fn places(masked: &[Vec<u8>]) -> Vec<(usize, String)> {
    let memory = File::open("/proc/self/mem").expect("this process's memory");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("what is mapped");
    let longest = masked
        .iter()
        .map(Vec::len)
        .max()
        .expect("something to look for");
    let mut places = Vec::new();
    let mut window = vec![0; READ_AT_ONCE];
    for line in maps.lines().filter(|line| is_readable(line)) {
        let (from, to) = bounds(line);
        // What lies across the end of a window is in the next one.
        for at in (from..to).step_by(READ_AT_ONCE - longest) {
            let length = READ_AT_ONCE.min(usize::try_from(to - at).expect("a mapping"));
            let window = &mut window[..length];
            if memory.read_exact_at(window, at).is_ok() {
                let found = in_window(window, masked);
                places.extend(
                    found.map(|(which, offset)| {
                        (which, format!("{offset:#x} behind {at:#x}: {line}"))
                    }),
                );
            }
            window.fill(0);
        }
    }
    places
}

fn in_window(window: &[u8], masked: &[Vec<u8>]) -> impl Iterator<Item = (usize, usize)> {
    // One byte of a secret gives nobody anything, and most places need no second look.
    let mut begins = [None; 256];
    for (which, masked) in masked.iter().enumerate() {
        let first = &mut begins[usize::from(masked[0] ^ MASK)];
        assert_eq!(*first, None, "two secrets begin alike");
        *first = Some(which);
    }
    window.iter().enumerate().filter_map(move |(offset, byte)| {
        let which = begins[usize::from(*byte)]?;
        let masked = &masked[which];
        let found = window.get(offset..offset + masked.len())?;
        is(found, masked).then_some((which, offset))
    })
}

fn is_readable(line: &str) -> bool {
    line.split(' ')
        .nth(1)
        .is_some_and(|mode| mode.starts_with('r'))
}

/// Where a line of `/proc/self/maps` says that a mapping begins and ends.
fn bounds(line: &str) -> (u64, u64) {
    let (from, rest) = line.split_once('-').expect("a range");
    let to = rest.split(' ').next().expect("a range");
    let number = |hex| u64::from_str_radix(hex, 16).expect("an address");
    (number(from), number(to))
}

fn is(bytes: &[u8], masked: &[u8]) -> bool {
    bytes
        .iter()
        .zip(masked)
        .all(|(byte, masked)| byte ^ MASK == *masked)
}
