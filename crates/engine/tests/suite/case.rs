//! A backed-up folder behind a storage that can lie, and what tests say about it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_engine::repository::Repository;
use ownkey_engine::restore::{self, RestoreOptions, RestoreReport};
use ownkey_engine::tree::Browser;
use ownkey_storage::{MemoryStorage, ObjectName, Prefix, Storage, list_all};
use ownkey_testkit::{Lying, SeededRandom, tree};

use crate::world::{Heard, World};

/// A backed-up folder behind a storage that can lie.
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) source: PathBuf,
    pub(crate) lying: Arc<Lying>,
    pub(crate) storage: Arc<dyn Storage>,
}

impl Case {
    pub(crate) fn new(seed: u64, fill: impl FnOnce(&Path)) -> Self {
        let world = World::new(seed);
        let source = world.path("source");
        fill(&source);
        let lying = Arc::new(Lying::new(Arc::new(MemoryStorage::new())));
        let storage: Arc<dyn Storage> = lying.clone();
        let mut repository = world.init(&storage).repository;
        world.backup(&mut repository, &source);
        Self {
            world,
            source,
            lying,
            storage,
        }
    }

    pub(crate) fn tree(seed: u64, spec: &tree::Spec) -> Self {
        Self::new(seed, |source| {
            tree::generate(source, seed, spec);
        })
    }

    pub(crate) fn repository(&self) -> Repository {
        self.world
            .open(&self.storage)
            .expect("the repository opens")
    }

    /// Options that put the contents of the source directly into `target`.
    pub(crate) fn options(&self, target: &Path) -> RestoreOptions {
        RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target)
        }
    }

    pub(crate) fn restore(&self, options: &RestoreOptions) -> (RestoreReport, Heard) {
        let repository = self.repository();
        let snapshot = repository.find_snapshot("latest").expect("a snapshot");
        let browser = Browser::new(&repository).expect("an index");
        let heard = Heard::default();
        let report = restore::run(&repository, &browser, &snapshot, options, &heard)
            .expect("the restore ends");
        (report, heard)
    }

    pub(crate) fn packs(&self, folder: &str) -> Vec<ObjectName> {
        let prefix = Prefix::new(folder).expect("a prefix");
        let listed = self
            .world
            .block_on(list_all(self.storage.as_ref(), &prefix))
            .expect("a listing");
        listed.into_iter().map(|object| object.name).collect()
    }
}

pub(crate) fn assert_same(source: &Path, target: &Path) {
    let differences = tree::compare(source, target);
    assert!(differences.is_empty(), "{differences:#?}");
}

pub(crate) fn problems(heard: &Heard) -> Vec<String> {
    let problems = heard.problems.lock().unwrap();
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path.display(), problem.message))
        .collect()
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Writes incompressible files that fill several packs.
pub(crate) fn write_large(folder: &Path, seed: u64, count: usize) {
    let mut random = SeededRandom::new(seed);
    for number in 0..count {
        write(
            &folder.join(format!("large-{number}")),
            &random.bytes(9 << 20),
        );
    }
}
