//! Somebody who has everything of a machine that may only write: its keys, its state, its cache, and the whole bucket.

use std::path::{Path, PathBuf};

use ownkey_crypto::{
    Capabilities, Class, Epoch, Identity, IdentitySeed, LogKey, LogKeys, PackKind, PackOpener,
    Random, RandomFailed, ReadKey, ReaderKeys, RecoveryKey, RepoId, Slot, UncheckedGrant,
    object_hash, peek_epoch,
};
use ownkey_engine::format::layout::Object;
use ownkey_testkit::Dump;

use crate::access::Case;
use crate::attacks::forger::{Forger, ready};

/// Draws what somebody found: the way to make a key of bytes.
struct Found<'a>(&'a [u8]);

impl Random for Found<'_> {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        out.copy_from_slice(&self.0[..out.len()]);
        Ok(())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// What a set of keys opened.
#[derive(Debug, Default, PartialEq, Eq)]
struct Opened {
    packs: usize,
    segments: usize,
    /// Grants with a key that reads, and without one.
    grants: (usize, usize),
    envelopes: usize,
}

impl Opened {
    /// With some bytes as RK.
    fn read(&mut self, bucket: &Dump, repo: &RepoId, bytes: &[u8]) {
        let read = ReadKey::generate(&Found(bytes)).unwrap();
        let keys = ReaderKeys::new(&read, repo, Epoch::FIRST);
        for (name, object) in bucket.iter() {
            match Object::parse(name) {
                Some(Object::Pack(pack)) => {
                    self.packs += usize::from(PackOpener::new(&keys, pack.kind, object).is_ok());
                }
                Some(Object::Segment(_)) => {
                    self.segments += usize::from(keys.open_segment(object).is_ok());
                }
                _ => {}
            }
        }
    }

    /// With some bytes as a seed.
    fn seed(&mut self, bucket: &Dump, repo: &RepoId, bytes: &[u8; 32]) {
        let identity = Identity::from_seed(&IdentitySeed::from_file_bytes(bytes));
        for (name, object) in bucket.iter() {
            let Some(Object::Grant(_, epoch, _)) = Object::parse(name) else {
                continue;
            };
            let Ok(unchecked) = UncheckedGrant::open(object, repo, epoch, &identity) else {
                continue;
            };
            let admin = |_: &_| None;
            assert!(unchecked.check(admin).is_err(), "nobody vouches here");
            self.grants.1 += 1;
        }
    }

    /// With some bytes as LK.
    fn log(&mut self, bucket: &Dump, repo: &RepoId, bytes: &[u8]) {
        let log = LogKey::generate(&Found(bytes)).unwrap();
        let keys = LogKeys::new(&log, repo, Epoch::FIRST);
        for (name, object) in bucket.iter() {
            if matches!(peek_epoch(object), Ok((Class::Log, _))) {
                self.envelopes += usize::from(keys.open_log(name.as_str(), object).is_ok());
            }
        }
    }
}

#[test]
fn every_key_in_a_write_only_devices_home_opens_nothing_but_its_own_grant() {
    let case = Case::new(450);
    let (thief, _) = case.enrolled(451, Capabilities::WRITE);
    thief.backup(&mut thief.open(&case.storage).unwrap(), &case.source);
    thief.backup(&mut thief.open(&case.storage).unwrap(), &case.source);
    let bucket = ready(Dump::take(case.storage.as_ref())).unwrap();
    let repo = case.open().id();
    let slots = bucket
        .iter()
        .filter_map(|(name, bytes)| match Object::parse(name) {
            Some(Object::Slot(hash)) => Slot::parse(bytes, &hash, &repo).ok(),
            _ => None,
        });
    let slots: Vec<Slot> = slots.collect();
    assert!(!slots.is_empty());

    let mut opened = Opened::default();
    let mut tried = 0;
    for path in files(thief.folder.path()) {
        if path.starts_with(&case.source) {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        // A key may stand anywhere in a file.
        for window in bytes.windows(32).take(2_000) {
            tried += 1;
            opened.read(&bucket, &repo, window);
            opened.log(&bucket, &repo, window);
            opened.seed(&bucket, &repo, window.try_into().unwrap());
            let key = RecoveryKey::generate(&Found(window)).unwrap();
            assert!(
                slots
                    .iter()
                    .all(|slot| slot.open_with_recovery_key(&key).is_err())
            );
        }
    }
    println!(
        "{tried} possible keys tried on {} objects",
        bucket.iter().count()
    );
    assert!(tried > 1_000, "{tried}");
    let own_grant_only = Opened {
        grants: (0, 1),
        ..Opened::default()
    };
    assert_eq!(opened, own_grant_only);

    // And that grant has no key that reads: what it gives opens the log's envelopes and nothing in them.
    let owner = Forger::of_device(&case.desk, &case.storage);
    let folder = thief.environment.state.join("repositories");
    let key = std::fs::read(folder.join(repo.to_string()).join("device-key")).unwrap();
    let seed = key[16..].try_into().unwrap();
    let own = Forger::from_seed(seed, owner.identity.public(), &case.storage);
    assert!(own.grant.read.is_none());
    let own = bucket
        .iter()
        .find_map(|(name, bytes)| match Object::parse(name) {
            Some(Object::Pack(pack)) if pack.kind == PackKind::Data => Some(object_hash(bytes)),
            _ => None,
        });
    assert!(own.is_some(), "there is something to open");
}
