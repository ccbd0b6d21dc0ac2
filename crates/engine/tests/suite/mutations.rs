//! Ten thousand random mutations: never a wrong byte, never a panic, always a named error, a problem that
//! was told, or a correct restore.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ownkey_crypto::{ObjectHash, object_hash};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repository::Repository;
use ownkey_engine::restore::{self, Outcome, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Dump, Lying, SeededRandom};

use crate::attacks::forger::ready;
use crate::attacks::scene::{assert_nothing_wrong, copy, fast_folder, write};
use crate::world::{Heard, World};

/// Two states of a small tree in one repository, the trees themselves, and two machines: one that
/// made it and remembers, one that comes with the recovery key and remembers nothing.
struct Field {
    world: World,
    newcomer: World,
    source: PathBuf,
    lying: Arc<Lying>,
    storage: Arc<dyn Storage>,
    recovery_key: ownkey_crypto::RecoveryKey,
    earlier: Dump,
    newest: Dump,
    /// What each snapshot holds.
    trees: BTreeMap<ObjectHash, tempfile::TempDir>,
    last: ObjectHash,
}

impl Field {
    fn new(seed: u64) -> Self {
        let world = World::in_memory(seed);
        let source = world.path("source");
        write(&source.join("docs/letter"), b"the content of a letter");
        write(&source.join("docs/report"), b"the content of a report");
        write(
            &source.join("notes"),
            &b"a note, again and again; ".repeat(40),
        );
        std::os::unix::fs::symlink("docs/letter", source.join("link")).unwrap();
        let lying = Arc::new(Lying::new(Arc::new(MemoryStorage::new())));
        let storage: Arc<dyn Storage> = lying.clone();
        let founded = world.init(&storage);
        let mut repository = founded.repository;
        let first = world.backup(&mut repository, &source).snapshot;
        let mut trees = BTreeMap::from([(first, copy(&source))]);
        let dump = || ready(Dump::take(lying.inner().as_ref())).unwrap();
        let earlier = dump();
        write(
            &source.join("docs/letter"),
            b"the content of a later letter",
        );
        write(&source.join("more"), b"one more file");
        let last = world.backup(&mut repository, &source).snapshot;
        trees.insert(last, copy(&source));
        let newest = dump();
        Self {
            newcomer: World::in_memory(seed + 50_000),
            recovery_key: founded.recovery_key,
            world,
            source,
            lying,
            storage,
            earlier,
            newest,
            trees,
            last,
        }
    }

    /// Opens as the newcomer, whose memory is lost each time.
    fn open_new(&self) -> Result<Repository, Error> {
        let _ = std::fs::remove_dir_all(&self.newcomer.environment.state);
        let credential = ownkey_engine::repository::Credential::RecoveryKey(&self.recovery_key);
        let world = &self.newcomer;
        ownkey_engine::repository::open(
            &world.environment,
            &self.storage,
            credential,
            &world.monitor,
        )
    }

    /// Shows `dump`, opens, and restores the newest snapshot that is shown. Tells how it ended.
    fn judge(&self, dump: &Dump, remembers: bool) -> Result<&'static str, String> {
        self.lying.switch_to(Arc::new(dump.to_memory()));
        let opened = if remembers {
            self.world.open(&self.storage)
        } else {
            self.open_new()
        };
        let restored = opened.and_then(|repository| self.restore(&repository, remembers));
        match restored {
            Ok(how) => Ok(how),
            Err(Error::WorkerLost) => Err("a worker was lost".to_owned()),
            Err(error) => named(&error).ok_or_else(|| format!("not a named error: {error:?}")),
        }
    }

    fn restore(&self, repository: &Repository, remembers: bool) -> Result<&'static str, Error> {
        let snapshot = repository.find_snapshot("latest")?;
        let expected = self
            .trees
            .get(&snapshot.id)
            .expect("a snapshot that was made");
        assert!(
            !remembers || snapshot.id == self.last,
            "an older snapshot as the latest to who remembers"
        );
        let browser = Browser::new(repository)?;
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        let options = RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let heard = Heard::default();
        let ended = restore::run(repository, &browser, &snapshot, &options, &heard);
        assert_nothing_wrong(expected.path(), target.path());
        match ended?.outcome() {
            Outcome::Complete => {
                let restored = ownkey_testkit::tree::compare(expected.path(), target.path());
                let real = restored
                    .iter()
                    .filter(|difference| difference.path != Path::new("."))
                    .count();
                assert_eq!(real, 0, "{restored:#?}");
                Ok(if snapshot.id == self.last {
                    "restored whole"
                } else {
                    "an older snapshot restored whole"
                })
            }
            Outcome::Incomplete | Outcome::Damaged => {
                assert!(!heard.problems.lock().unwrap().is_empty());
                Ok("restored but for what was named")
            }
        }
    }

    /// A check of what is shown ends, too, and panics at nothing.
    fn check(&self) {
        let Ok(repository) = self.open_new() else {
            return;
        };
        match check::run(&repository, ReadData::All, &Heard::default()) {
            Ok(_) => {}
            Err(error) => assert!(named(&error).is_some(), "{error:?}"),
        }
    }
}

/// The errors that a changed storage may end in.
pub(crate) fn named(error: &Error) -> Option<&'static str> {
    match error {
        Error::Lie(_) => Some("refused: a lie"),
        Error::Object { .. } => Some("refused: an object is damaged"),
        Error::Format { .. } => Some("refused: an object breaks the format"),
        Error::Slot { .. } => Some("refused: a slot is damaged"),
        Error::Header(_) => Some("refused: the header is damaged"),
        Error::NoRepository(_) => Some("refused: no repository"),
        Error::NoGrant => Some("refused: no grant"),
        Error::NotEnrolled(_) => Some("refused: not of this machine"),
        Error::WrongCredential { .. } => Some("refused: no slot opens"),
        // A newcomer cannot know of snapshots that nothing is left of.
        Error::NoSnapshot(_) => Some("refused: no snapshot"),
        Error::NoPath(_) => Some("refused: no such path"),
        error if error.class() == Class::Damage => Some("refused: damage"),
        _ => None,
    }
}

/// The new name of an object that is named after its bytes, or its old one.
fn renamed(name: &ObjectName, bytes: &[u8]) -> ObjectName {
    let hash = object_hash(bytes).to_string();
    let text = name.as_str();
    let new = match text.split('/').next() {
        Some("data" | "meta") => format!("{}{}/{hash}", &text[..5], &hash[..2]),
        Some("index") => format!("index/{hash}"),
        Some("roster") => format!("{}{hash}", &text[.."roster/00000000-".len()]),
        Some("keys") => match text.rsplit_once('-') {
            Some((grant, _)) => format!("{grant}-{hash}"),
            None => format!("keys/slot/{hash}"),
        },
        _ => text.to_owned(),
    };
    ObjectName::new(new).unwrap()
}

/// A part of an object in which a change is likely to matter: its header, its ends, or anywhere.
fn place(random: &mut SeededRandom, length: usize) -> usize {
    match random.below(4) {
        0 => random.index(length.min(120)),
        1 => length - 1 - random.index(length.min(200)),
        _ => random.index(length),
    }
}

/// Other bytes in place of `bytes`.
pub(crate) fn spoil(random: &mut SeededRandom, bytes: &Bytes, other: &Bytes) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    match random.below(7) {
        0 | 1 if !changed.is_empty() => {
            for _ in 0..=random.below(3) {
                let at = place(random, changed.len());
                changed[at] ^= 1 << random.below(8);
            }
        }
        2 if !changed.is_empty() => changed.truncate(place(random, bytes.len())),
        3 => {
            let more = 1 + random.index(300);
            changed.extend(random.bytes(more));
        }
        4 if changed.len() > 8 => {
            let at = place(random, changed.len() - 8);
            changed[at..at + 8].copy_from_slice(&random.bytes(8));
        }
        5 => {
            // The beginning of one object and the end of another.
            let at = place(random, changed.len().min(other.len()).max(1));
            changed.truncate(at);
            changed.extend_from_slice(other.get(at..).unwrap_or_default());
        }
        _ => changed = other.to_vec(),
    }
    changed
}

/// One to three changes of what a storage shows.
fn mutate(field: &Field, random: &mut SeededRandom) -> (Dump, String) {
    let mut dump = field.newest.clone();
    let mut said = String::new();
    for _ in 0..=random.below(8) / 6 {
        let names: Vec<ObjectName> = dump.iter().map(|(name, _)| name.clone()).collect();
        let name = names[random.index(names.len())].clone();
        let other = names[random.index(names.len())].clone();
        let bytes = dump.get(&name).unwrap().clone();
        let kind = random.below(10);
        said.push_str(&format!("{kind} of {name} with {other}; "));
        match kind {
            0 => drop(dump.remove(&name)),
            1 if name != other => dump.swap(&name, &other),
            2 => {
                // As it was yesterday: gone, if it is new.
                for newer in dump.since(&field.earlier).added {
                    if random.one_in(2) {
                        dump.remove(&newer);
                    }
                }
            }
            3 | 4 => {
                // Under the name of its new hash, beside the old one or in its place.
                let other = dump.get(&other).unwrap().clone();
                let changed = spoil(random, &bytes, &other);
                if random.one_in(2) {
                    dump.remove(&name);
                }
                dump.insert(renamed(&name, &changed), changed);
            }
            5 => {
                // Shown a second time, under a name that nothing has.
                let text = name.as_str();
                let last = text.len() - 1;
                let digit = char::from_digit(random.below(16) as u32, 16).unwrap();
                if let Ok(free) = ObjectName::new(format!("{}{digit}", &text[..last]))
                    && dump.get(&free).is_none()
                {
                    dump.insert(free, bytes);
                }
            }
            _ => {
                let other = dump.get(&other).unwrap().clone();
                dump.insert(name, spoil(random, &bytes, &other));
            }
        }
    }
    (dump, said)
}

fn run(seed: u64, count: u64) {
    let field = Field::new(seed);
    let mut outcomes: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut random = SeededRandom::new(seed);
    for number in 0..count {
        let (dump, said) = mutate(&field, &mut random);
        let remembers = number % 2 == 0;
        match field.judge(&dump, remembers) {
            Ok(how) => *outcomes.entry(how).or_default() += 1,
            Err(why) => panic!("seed {seed}, mutation {number} ({said}): {why}"),
        }
        if number % 8 == 1 {
            field.check();
        }
    }
    // What was never harmed is never refused.
    assert_eq!(
        field.judge(&field.newest.clone(), true).unwrap(),
        "restored whole"
    );
    println!("{count} mutations of seed {seed}: {outcomes:#?}");
    assert!(outcomes.len() >= 6, "{outcomes:?}");
}

#[test]
fn no_mutation_gives_a_wrong_byte_first_quarter() {
    run(1000, 2500);
}

#[test]
fn no_mutation_gives_a_wrong_byte_second_quarter() {
    run(1001, 2500);
}

#[test]
fn no_mutation_gives_a_wrong_byte_third_quarter() {
    run(1002, 2500);
}

#[test]
fn no_mutation_gives_a_wrong_byte_fourth_quarter() {
    run(1003, 2500);
}
