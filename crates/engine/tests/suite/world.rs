//! A machine to test on: folders, a clock, randomness that repeats, and a storage.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use ownkey_crypto::{Random, RandomFailed};
use ownkey_engine::Result;
use ownkey_engine::backup::{self, Labels, Report, Sources};
use ownkey_engine::environment::Environment;
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::monitor::{Monitor, Problem};
use ownkey_engine::repository::{self, Credential, Founded, Founding, Guard, Repository};
use ownkey_engine::source::{Excludes, Selection, WalkOptions};
use ownkey_storage::Storage;
use ownkey_testkit::SeededRandom;
use tempfile::TempDir;

/// A clock that tests move; it starts a minute from now, so that files made by the test are not
/// fresh and an unchanged one is known to be unchanged.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |elapsed| elapsed.as_secs());
        let now = i64::try_from(since_1970).unwrap_or(0) + 60 + self.0.load(Ordering::Relaxed);
        Timestamp::new(now, 0).expect("no nanoseconds")
    }
}

/// Randomness that is the same in every run.
pub(crate) struct TestRandom(Mutex<SeededRandom>);

impl TestRandom {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Mutex::new(SeededRandom::new(seed)))
    }
}

impl Random for TestRandom {
    fn fill(&self, out: &mut [u8]) -> std::result::Result<(), RandomFailed> {
        let bytes = self.0.lock().expect("no test panics here").bytes(out.len());
        out.copy_from_slice(&bytes);
        Ok(())
    }
}

/// Remembers what it hears.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) problems: Mutex<Vec<Problem>>,
    pub(crate) notes: Mutex<Vec<String>>,
}

impl Monitor for Heard {
    fn problem(&self, problem: &Problem) {
        self.problems
            .lock()
            .expect("no test panics here")
            .push(problem.clone());
    }

    fn note(&self, text: &str) {
        self.notes
            .lock()
            .expect("no test panics here")
            .push(text.to_owned());
    }
}

/// Memory, where there is such a folder: what is there needs no disk to be durable.
pub(crate) fn fast_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// One machine.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) environment: Environment,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) monitor: Heard,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::inside(&std::env::temp_dir(), seed)
    }

    /// A machine whose disk is memory, where there is such a folder: for tests that run thousands of
    /// times and do not care what the file system can hold.
    pub(crate) fn in_memory(seed: u64) -> Self {
        Self::inside(&fast_folder(), seed)
    }

    fn inside(parent: &Path, seed: u64) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .expect("a runtime");
        let clock = Arc::<TestClock>::default();
        let environment = Environment {
            clock: clock.clone(),
            random: Arc::new(TestRandom::of(seed)),
            state: folder.path().join("state"),
            machine: None,
            cache: folder.path().join("cache"),
            indexes: Some(folder.path().join("cache/indexes")),
            runtime: runtime.handle().clone(),
            stop: Arc::new(|| false),
            memory: ownkey_engine::memory::Memory::Usual,
        };
        Self {
            folder,
            environment,
            clock,
            monitor: Heard::default(),
            runtime,
        }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A folder for a tree to back up, or to restore into.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    pub(crate) fn init(&self, storage: &Arc<dyn Storage>) -> Founded {
        let founding = Founding {
            device_label: "test machine".to_owned(),
            guard: Guard::Nothing,
            password: None,
        };
        repository::init(&self.environment, storage, &founding, &self.monitor)
            .expect("a new repository")
    }

    pub(crate) fn open(&self, storage: &Arc<dyn Storage>) -> Result<Repository> {
        repository::open(
            &self.environment,
            storage,
            Credential::Device,
            &self.monitor,
        )
    }

    pub(crate) fn try_backup(&self, repository: &mut Repository, path: &Path) -> Result<Report> {
        let sources = Sources {
            selection: Selection::new([path]).expect("an absolute path"),
            excludes: Excludes::builder(),
            walk: WalkOptions::default(),
        };
        let labels = Labels {
            host: "test-host".into(),
            user: "tester".into(),
            version: "test".into(),
            ..Labels::default()
        };
        backup::run(repository, &sources, &labels, &self.monitor)
    }

    pub(crate) fn backup(&self, repository: &mut Repository, path: &Path) -> Report {
        self.try_backup(repository, path).expect("a backup")
    }
}
