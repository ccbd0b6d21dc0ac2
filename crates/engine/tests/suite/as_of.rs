//! Behind a vandal: a repository as it was, on a storage that keeps versions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::format::time::Clock;
use ownkey_engine::repository::{self, Credential, Repository};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error};
use ownkey_storage::{AsOf, MemoryStorage, Prefix, Storage, list_all, versions_all};
use ownkey_testkit::tree;

use crate::case::{assert_same, write};
use crate::world::{Heard, TestClock, World};

fn now(clock: &TestClock) -> SystemTime {
    let seconds = u64::try_from(clock.now().seconds).expect("after 1970");
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Restores what was `source` in the newest snapshot.
fn restored(world: &World, repository: &Repository, source: &Path, target: &Path) {
    let snapshot = repository.find_snapshot("latest").expect("a snapshot");
    let browser = Browser::new(repository).expect("an index");
    let options = RestoreOptions {
        subpath: Some(source.to_owned()),
        ..RestoreOptions::into_folder(target)
    };
    let report = restore::run(repository, &browser, &snapshot, &options, &world.monitor);
    assert_eq!(report.expect("a restore").problems, 0);
}

/// Every file in a folder and what is in it.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// Two backups, and between them the moment that is looked at later.
struct Past {
    world: World,
    storage: Arc<dyn Storage>,
    source: PathBuf,
    before: PathBuf,
    files: u64,
    moment: SystemTime,
}

impl Past {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let (source, before) = (world.path("source"), world.path("before"));
        let clock = Arc::clone(&world.clock);
        let memory = MemoryStorage::with_versions().with_clock(Arc::new(move || now(&clock)));
        let storage: Arc<dyn Storage> = Arc::new(memory);
        let mut repository = world.init(&storage).repository;
        tree::generate(&source, seed, &tree::Spec::plain());
        world.backup(&mut repository, &source);
        restored(&world, &repository, &source, &before);
        let files = repository.snapshots()[0].record.counts.files;
        world.clock.advance(1_000);
        let moment = now(&world.clock);
        world.clock.advance(1_000);
        write(&source.join("later"), b"written later");
        world.backup(&mut repository, &source);
        world.clock.advance(1_000);
        Self {
            world,
            storage,
            source,
            before,
            files,
            moment,
        }
    }

    /// Deletes everything, and puts something else in the place of half of it.
    fn vandalise(&self) {
        let all = self
            .world
            .block_on(list_all(self.storage.as_ref(), &Prefix::all()));
        let names: Vec<_> = all.unwrap().into_iter().map(|object| object.name).collect();
        let deleted = self.world.block_on(self.storage.delete(&names));
        assert!(deleted.iter().all(|(_, outcome)| outcome.is_done()));
        for name in names.iter().step_by(2) {
            let garbage = Bytes::from_static(b"all your files are mine");
            self.world
                .block_on(self.storage.create(name, garbage))
                .unwrap();
        }
    }

    fn view(&self, moment: SystemTime) -> Arc<AsOf> {
        Arc::new(AsOf::new(Arc::clone(&self.storage), moment).expect("versions"))
    }

    fn open(&self) -> Repository {
        repository::open_earlier(
            &self.world.environment,
            &self.view(self.moment),
            Credential::Device,
            &self.world.monitor,
        )
        .expect("the earlier state opens")
    }

    fn changes(&self) -> usize {
        let everything = Prefix::all();
        let all = versions_all(self.storage.as_ref(), &everything);
        self.world.block_on(all).unwrap().len()
    }
}

#[test]
fn what_a_vandal_deleted_and_overwrote_is_restored_as_it_was() {
    let past = Past::new(401);
    past.vandalise();
    let lost = past.world.open(&past.storage).map(drop);
    assert!(lost.is_err(), "the present is lost");
    let repository = past.open();
    assert_eq!(repository.earlier(), Some(past.moment));
    assert_eq!(
        repository.snapshots().len(),
        1,
        "the later one was not there"
    );
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_eq!(snapshot.record.counts.files, past.files);
    let target = past.world.path("target");
    restored(&past.world, &repository, &past.source, &target);
    assert_same(&past.before, &target);
    let heard = Heard::default();
    let checked = check::run(&repository, ReadData::All, &heard).unwrap();
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
}

#[test]
fn an_earlier_state_takes_no_changes_and_leaves_no_memory() {
    let past = Past::new(402);
    let state = || contents(&past.world.environment.state);
    let (before, changes) = (state(), past.changes());
    let mut repository = past.open();
    let refused = past.world.try_backup(&mut repository, &past.source);
    let error = refused.expect_err("nothing can be written");
    assert!(matches!(error, Error::EarlierState), "{error:?}");
    assert_eq!(error.class(), Class::Failure);
    let heard = Heard::default();
    check::run(&repository, ReadData::All, &heard).unwrap();
    drop(repository);
    assert_eq!(past.changes(), changes, "nothing was stored");
    assert_eq!(state(), before, "nothing was remembered");
    // The present is still compared with what this machine has seen of it.
    assert_eq!(past.world.open(&past.storage).unwrap().snapshots().len(), 2);
}

#[test]
fn before_there_was_a_repository_there_is_none() {
    let past = Past::new(403);
    let view = past.view(SystemTime::UNIX_EPOCH);
    let opened = repository::open_earlier(
        &past.world.environment,
        &view,
        Credential::Device,
        &past.world.monitor,
    );
    let error = opened.map(drop).expect_err("nothing was there");
    assert_eq!(error.class(), Class::NoRepository);
}
