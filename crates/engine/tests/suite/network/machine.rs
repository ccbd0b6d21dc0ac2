//! A machine that is put back, with its storage, to where it was before each fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::ObjectHash;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repository::Repository;
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Result};
use ownkey_storage::{CreateIfAbsent, Storage};
use ownkey_testkit::faults::opened;
use ownkey_testkit::{FaultyService, Keeping, SeededRandom, Service, tree};
use tempfile::TempDir;

use super::still::Still;
use crate::attacks::scene::{assert_nothing_wrong, copy, fast_folder, write};
use crate::world::{Heard, World};

/// What is done while the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// With something new, something changed and something gone.
    Backup,
    /// Of a tree that is as it was.
    Unchanged,
    Restore,
    Check,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ended {
    Well,
    /// It came to its end and told of damage.
    Told,
    Failed(&'static str),
}

impl Ended {
    fn failed(class: Class) -> Self {
        Self::Failed(match class {
            Class::Damage => "damage",
            Class::StorageLied => "the storage lied",
            Class::Unreachable => "unreachable",
            Class::Failure => "failure",
            Class::WrongCredential => "wrong credential",
            _ => "another class",
        })
    }
}

/// A machine with two snapshots of a tree, and all of it as it was behind each.
pub(crate) struct Machine {
    world: World,
    source: PathBuf,
    _still: Still,
    moments: Vec<Behind>,
}

/// Everything behind one snapshot.
struct Behind {
    snapshot: ObjectHash,
    tree: TempDir,
    service: Service,
    state: TempDir,
    cache: TempDir,
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let still = Still::start();
        let mut world = World::in_memory(seed);
        world.environment.runtime = still.handle.clone();
        let source = world.path("source");
        // Nothing may be cached yet, and the folder is copied all the same.
        world.path("cache");
        let mut machine = Self {
            world,
            source,
            _still: still,
            moments: Vec::new(),
        };
        let service = Arc::new(Service::new("bucket", Keeping::Newest));
        let storage = opened(
            &Arc::new(FaultyService::new(Arc::clone(&service))),
            CreateIfAbsent::Checked,
        );
        machine.world.init(&storage);
        machine.fill();
        machine.remember(&storage, &service);
        machine.change();
        machine.remember(&storage, &service);
        machine
    }

    fn fill(&self) {
        let source = &self.source;
        write(&source.join("docs/letter"), b"the content of a letter");
        write(
            &source.join("notes"),
            &b"a note, again and again; ".repeat(400),
        );
        let mut random = SeededRandom::new(7);
        write(&source.join("picture"), &random.bytes(60_000));
    }

    fn change(&self) {
        write(
            &self.source.join("docs/letter"),
            b"a longer letter than it was",
        );
        let mut random = SeededRandom::new(9);
        write(&self.source.join("more/film"), &random.bytes(120_000));
        std::fs::remove_file(self.source.join("notes")).expect("it was there");
    }

    fn remember(&mut self, storage: &Arc<dyn Storage>, service: &Arc<Service>) {
        let snapshot = self.backup(storage).expect("a backup");
        self.moments.push(Behind {
            snapshot,
            tree: copy(&self.source),
            service: service.fork(),
            state: copy(&self.world.environment.state),
            cache: copy(&self.world.environment.cache),
        });
    }

    /// Puts everything back to where it was behind a snapshot, and opens the service's twin.
    fn put_back(&self, behind: &Behind) -> (Arc<FaultyService>, Arc<dyn Storage>) {
        let environment = &self.world.environment;
        replace(&environment.state, behind.state.path());
        replace(&environment.cache, behind.cache.path());
        let service = Arc::new(behind.service.fork());
        let faulty = Arc::new(FaultyService::new(service));
        let storage = opened(&faulty, CreateIfAbsent::Checked);
        (faulty, storage)
    }

    /// Does it while `strike` arms the service, and checks all that must hold afterwards. `None` where the
    /// fault never came.
    pub(crate) fn under(
        &self,
        verb: Verb,
        arm: impl FnOnce(&FaultyService),
        what: &str,
    ) -> Option<Ended> {
        let before = match verb {
            Verb::Backup => &self.moments[..1],
            _ => &self.moments[..],
        };
        let (faulty, storage) = self.put_back(before.last()?);
        arm(&faulty);
        let mut acknowledged: Vec<_> = before
            .iter()
            .map(|behind| (behind.snapshot, behind.tree.path()))
            .collect();
        let now = self.moments.last()?.tree.path();
        let ended = match verb {
            Verb::Backup | Verb::Unchanged => match self.backup(&storage) {
                Ok(snapshot) => {
                    acknowledged.push((snapshot, now));
                    Ended::Well
                }
                Err(error) => Ended::failed(error.class()),
            },
            Verb::Restore => self.restore(&storage, "latest", now),
            Verb::Check => self.check(&storage),
        };
        if faulty.struck() == 0 {
            return None;
        }
        faulty.disarm();
        let next = self.backup(&storage);
        let next = next.unwrap_or_else(|error| panic!("{what}: the next backup: {error:?}"));
        acknowledged.push((next, now));
        for (snapshot, tree) in acknowledged {
            let restored = self.restore(&storage, &snapshot.to_string(), tree);
            assert_eq!(restored, Ended::Well, "{what}: {snapshot}");
        }
        if verb == Verb::Backup {
            assert_eq!(self.check(&storage), Ended::Well, "{what}");
        }
        Some(ended)
    }

    fn open(&self, storage: &Arc<dyn Storage>) -> Result<Repository> {
        self.world.open(storage)
    }

    fn backup(&self, storage: &Arc<dyn Storage>) -> Result<ObjectHash> {
        let mut repository = self.open(storage)?;
        let report = self.world.try_backup(&mut repository, &self.source)?;
        Ok(report.snapshot)
    }

    /// Restores a snapshot: no wrong byte whatever happens, and every right one where it ended well.
    fn restore(&self, storage: &Arc<dyn Storage>, snapshot: &str, expected: &Path) -> Ended {
        let target = tempfile::tempdir_in(fast_folder()).expect("a folder");
        let options = RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let restored = self.open(storage).and_then(|repository| {
            let snapshot = repository.find_snapshot(snapshot)?;
            let browser = Browser::new(&repository)?;
            restore::run(
                &repository,
                &browser,
                &snapshot,
                &options,
                &Heard::default(),
            )
        });
        assert_nothing_wrong(expected, target.path());
        match restored {
            Err(error) => Ended::failed(error.class()),
            Ok(report) if report.outcome() == restore::Outcome::Complete => {
                let differences = tree::compare(expected, target.path());
                let real = differences
                    .iter()
                    .filter(|difference| difference.path != Path::new("."));
                assert_eq!(real.count(), 0, "{differences:#?}");
                Ended::Well
            }
            Ok(_) => Ended::Told,
        }
    }

    fn check(&self, storage: &Arc<dyn Storage>) -> Ended {
        let checked = self
            .open(storage)
            .and_then(|repository| check::run(&repository, ReadData::All, &self.world.monitor));
        match checked {
            Err(error) => Ended::failed(error.class()),
            Ok(report) if report.findings.is_empty() => Ended::Well,
            Ok(_) => Ended::Told,
        }
    }
}

/// Makes a folder what another one is.
fn replace(folder: &Path, with: &Path) {
    std::fs::remove_dir_all(folder).expect("a folder");
    let fresh = copy(with).keep();
    std::fs::rename(fresh, folder).expect("one file system");
}
