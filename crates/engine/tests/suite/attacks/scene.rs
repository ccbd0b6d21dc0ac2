//! A backed-up tree behind a storage that can lie, and what has to hold whatever it does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::RecoveryKey;
use ownkey_engine::repository::{self, Credential, Repository};
use ownkey_engine::restore::{self, RestoreOptions, RestoreReport};
use ownkey_engine::tree::Browser;
use ownkey_engine::{Class, Error, Lie as Caught, Result};
use ownkey_storage::{MemoryStorage, ObjectName, Storage};
use ownkey_testkit::{Dump, Lying};

use super::forger::{Forger, ready};
pub(crate) use crate::world::fast_folder;
use crate::world::{Heard, World};

/// One device, one storage, one snapshot.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) source: PathBuf,
    pub(crate) lying: Arc<Lying>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) recovery_key: RecoveryKey,
}

/// How opening the repository and restoring its newest snapshot went.
pub(crate) enum Attempt {
    /// It ended with an error.
    Refused(Error),
    /// It came to its end; problems were told.
    Restored(RestoreReport, Vec<String>),
}

impl Attempt {
    /// The error, if it has this class.
    #[track_caller]
    pub(crate) fn refused(self, class: Class) -> Error {
        match self {
            Self::Refused(error) if error.class() == class => error,
            Self::Refused(error) => panic!("of another class: {error:?}"),
            Self::Restored(report, told) => panic!("not refused: {report:?} {told:?}"),
        }
    }

    /// The lie that was caught.
    #[track_caller]
    pub(crate) fn caught(self) -> Caught {
        match self.refused(Class::StorageLied) {
            Error::Lie(lie) => lie,
            error => panic!("not a lie: {error:?}"),
        }
    }

    /// What was told, if something could not be restored, or nothing could.
    #[track_caller]
    pub(crate) fn damaged(self) -> Vec<String> {
        match self {
            Self::Refused(error) if error.class() == Class::Damage => vec![error.to_string()],
            Self::Restored(report, told) if report.outcome() == restore::Outcome::Damaged => told,
            Self::Restored(report, told) => panic!("not damaged: {report:?} {told:?}"),
            Self::Refused(error) => panic!("refused: {error:?}"),
        }
    }

    /// That everything came back.
    #[track_caller]
    pub(crate) fn complete(self) {
        match self {
            Self::Restored(report, told) => assert!(told.is_empty(), "{report:?} {told:?}"),
            Self::Refused(error) => panic!("refused: {error:?}"),
        }
    }
}

impl Scene {
    /// A tree of two folders and a few files.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(seed, |source| {
            write(&source.join("docs/letter"), b"the content of a letter");
            write(&source.join("docs/report"), b"the content of a report");
            write(
                &source.join("notes"),
                &b"a note, again and again; ".repeat(400),
            );
            std::os::unix::fs::symlink("docs/letter", source.join("link")).expect("a link");
        })
    }

    pub(crate) fn of(seed: u64, fill: impl FnOnce(&Path)) -> Self {
        let world = World::in_memory(seed);
        let source = world.path("source");
        fill(&source);
        let lying = Arc::new(Lying::new(Arc::new(MemoryStorage::new())));
        let storage: Arc<dyn Storage> = lying.clone();
        let founded = world.init(&storage);
        let mut repository = founded.repository;
        world.backup(&mut repository, &source);
        Self {
            world,
            source,
            lying,
            storage,
            recovery_key: founded.recovery_key,
        }
    }

    pub(crate) fn open(&self) -> Result<Repository> {
        self.world.open(&self.storage)
    }

    pub(crate) fn backup(&self) {
        let mut repository = self.open().expect("the repository opens");
        self.world.backup(&mut repository, &self.source);
    }

    /// Takes away what saves this machine reading logs again; what it has seen it still remembers.
    pub(crate) fn forget_logs(&self) {
        for path in state(&self.world).into_keys() {
            if path.to_string_lossy().contains("/logs-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    pub(crate) fn forger(&self) -> Forger {
        Forger::of_device(&self.world, &self.storage)
    }

    /// The identity behind the recovery key, in the hands of a hostile writer.
    pub(crate) fn second_forger(&self) -> Forger {
        Forger::of_recovery_key(
            &self.recovery_key,
            self.forger().identity.public(),
            &self.storage,
        )
    }

    pub(crate) fn dump(&self) -> Dump {
        ready(Dump::take(self.lying.inner().as_ref())).expect("a dump")
    }

    /// From now on the storage has these objects and is honest about them.
    pub(crate) fn serve(&self, dump: &Dump) {
        self.lying.repent();
        self.lying.switch_to(Arc::new(dump.to_memory()));
    }

    pub(crate) fn only_name(&self, under: &str) -> ObjectName {
        let dump = self.dump();
        let mut names = dump.names_under(under);
        let name = names.next().expect("an object").clone();
        assert_eq!(names.next(), None, "more than one object under {under}");
        name
    }

    /// Another machine that knows the recovery key and has never been here.
    pub(crate) fn newcomer(&self, seed: u64) -> (World, Result<Repository>) {
        let world = World::in_memory(seed);
        let opened = self.open_elsewhere(&world);
        (world, opened)
    }

    pub(crate) fn open_elsewhere(&self, world: &World) -> Result<Repository> {
        let credential = Credential::RecoveryKey(&self.recovery_key);
        repository::open(
            &world.environment,
            &self.storage,
            credential,
            &world.monitor,
        )
    }

    /// Opens the repository and restores its newest snapshot. Whatever happens, no wrong byte is in the
    /// target, and when the storage is caught at a lie, the memory that caught it is what it was.
    pub(crate) fn attempt(&self) -> Attempt {
        let memory = state(&self.world);
        let target = tempfile::tempdir_in(fast_folder()).expect("a folder");
        let attempt = match self
            .open()
            .and_then(|repository| self.restore_newest(&repository, target.path()))
        {
            Ok((report, heard)) => Attempt::Restored(report, heard),
            Err(error) => Attempt::Refused(error),
        };
        assert_nothing_wrong(&self.source, target.path());
        assert_eq!(state(&self.world), memory, "the state folder changed");
        attempt
    }

    fn restore_newest(
        &self,
        repository: &Repository,
        target: &Path,
    ) -> Result<(RestoreReport, Vec<String>)> {
        let options = RestoreOptions {
            subpath: Some(self.source.clone()),
            ..RestoreOptions::into_folder(target)
        };
        restore(repository, &options)
    }
}

/// Restores the newest snapshot; with the report comes what was told.
pub(crate) fn restore(
    repository: &Repository,
    options: &RestoreOptions,
) -> Result<(RestoreReport, Vec<String>)> {
    let snapshot = repository.find_snapshot("latest")?;
    let browser = Browser::new(repository)?;
    let heard = Heard::default();
    let report = restore::run(repository, &browser, &snapshot, options, &heard)?;
    let told = heard.problems.lock().expect("no test panics here");
    let told = told
        .iter()
        .map(|problem| format!("{}: {}", problem.path.display(), problem.message))
        .collect();
    Ok((report, told))
}

/// Every file in the state folder of a machine.
pub(crate) fn state(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    files(&world.environment.state)
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // What is kept of a lie is not what this machine knows.
            if path.ends_with("evidence") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// Everything in the target is in the source, byte for byte; what is missing is not looked at.
#[track_caller]
pub(crate) fn assert_nothing_wrong(source: &Path, target: &Path) {
    for entry in std::fs::read_dir(target).expect("a target") {
        let restored = entry.expect("an entry").path();
        // An interrupted restore leaves word of itself, empty.
        if restored.ends_with(".ownkey-restore.marker") {
            assert_eq!(std::fs::read(&restored).expect("a marker"), b"");
            continue;
        }
        let original = source.join(restored.file_name().expect("a name"));
        let kind = std::fs::symlink_metadata(&restored)
            .expect("metadata")
            .file_type();
        let Ok(expected) = std::fs::symlink_metadata(&original) else {
            panic!("{} was never there", restored.display())
        };
        assert_eq!(kind, expected.file_type(), "{}", restored.display());
        if kind.is_dir() {
            assert_nothing_wrong(&original, &restored);
        } else if kind.is_symlink() {
            assert_eq!(
                std::fs::read_link(&restored).expect("a link"),
                std::fs::read_link(&original).expect("a link")
            );
        } else if kind.is_file() {
            let same = std::fs::read(&restored).expect("a file")
                == std::fs::read(&original).expect("a file");
            assert!(same, "{} has wrong bytes", restored.display());
        }
    }
}

/// A copy of a tree of files, folders and links as it is now, times and modes with it. Not by another
/// program: a child between fork and exec holds every lock that some other test is about to take again.
pub(crate) fn copy(source: &Path) -> tempfile::TempDir {
    let copied = tempfile::tempdir_in(fast_folder()).expect("a folder");
    copy_into(source, copied.path());
    copied
}

fn copy_into(source: &Path, target: &Path) {
    for entry in std::fs::read_dir(source).expect("a folder") {
        let from = entry.expect("an entry").path();
        let to = target.join(from.file_name().expect("a name"));
        let kind = std::fs::symlink_metadata(&from)
            .expect("metadata")
            .file_type();
        if kind.is_symlink() {
            let points = std::fs::read_link(&from).expect("a link");
            std::os::unix::fs::symlink(points, &to).expect("a link");
        } else if kind.is_dir() {
            std::fs::create_dir(&to).expect("a folder");
            copy_into(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a file");
        }
        copy_metadata(&from, &to);
    }
}

fn copy_metadata(from: &Path, to: &Path) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(from).expect("metadata");
    if !metadata.is_symlink() {
        std::fs::set_permissions(to, metadata.permissions()).expect("the mode");
    }
    let mtime = Timespec {
        tv_sec: metadata.mtime(),
        tv_nsec: metadata.mtime_nsec(),
    };
    let times = Timestamps {
        last_access: mtime,
        last_modification: mtime,
    };
    rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW).expect("the time");
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}
