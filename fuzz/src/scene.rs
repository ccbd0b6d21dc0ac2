//! A repository in memory, and a writer who holds the keys of its device.

use std::sync::Arc;

use bytes::Bytes;
use ownkey_crypto::{
    DeviceId, Epoch, Hedge, Identity, IdentitySeed, LogKeys, NameKeys, ObjectHash, UncheckedGrant,
    log_name, object_hash,
};
use ownkey_engine::environment::Environment;
use ownkey_engine::format::layout;
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::monitor::Silent;
use ownkey_engine::repository::{self, Credential, Founding, Guard, Repository};
use ownkey_storage::{DeleteOutcome, MemoryStorage, ObjectName, Storage, list_all};

use crate::Repeating;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// A new repository, opened again and again with one more object in it.
pub struct Scene {
    folder: tempfile::TempDir,
    environment: Environment,
    runtime: tokio::runtime::Runtime,
    storage: Arc<dyn Storage>,
    /// Who writes.
    pub identity: Identity,
    /// What seals entries.
    pub keys: LogKeys,
    /// The device's pseudonym, for names.
    pub names: NameKeys,
    /// Salts.
    pub hedge: Hedge,
    /// Number and hash of the newest roster entry.
    pub roster: (u32, ObjectHash),
    /// The body of the newest roster entry.
    pub roster_body: Vec<u8>,
}

impl Scene {
    /// Founds the repository.
    ///
    /// # Panics
    /// If the machine has no room for a temporary folder: there is nothing to fuzz then.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .expect("a runtime");
        let environment = Environment {
            clock: Arc::new(Noon),
            random: Arc::new(Repeating::new(1)),
            state: folder.path().join("state"),
            machine: None,
            cache: folder.path().join("cache"),
            indexes: None,
            runtime: runtime.handle().clone(),
            stop: Arc::new(|| false),
            memory: ownkey_engine::memory::Memory::Usual,
        };
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let founding = Founding {
            device_label: "fuzz".to_owned(),
            guard: Guard::Nothing,
            password: None,
        };
        let founded =
            repository::init(&environment, &storage, &founding, &Silent).expect("a repository");
        let repo = founded.repository.id();
        let path = environment
            .state
            .join("repositories")
            .join(repo.to_string())
            .join("device-key");
        let key_file = std::fs::read(path).expect("a device key");
        let seed = IdentitySeed::from_file_bytes(key_file.last_chunk().expect("a seed"));
        let identity = Identity::from_seed(&seed);
        let grants = layout::grants(&identity.public().grant_name(&repo));
        let listed = runtime.block_on(list_all(storage.as_ref(), &grants));
        let grant = &listed.expect("a list")[0].name;
        let grant = runtime.block_on(storage.get(grant)).expect("a grant");
        let grant =
            UncheckedGrant::open(&grant, &repo, Epoch::FIRST, &identity).expect("the own grant");
        let grant = grant
            .check(|_| Some(identity.public().clone()))
            .expect("signed by the founder");
        let entries = runtime
            .block_on(list_all(storage.as_ref(), &layout::roster()))
            .expect("a roster");
        let last = entries.last().expect("an entry");
        let bytes = runtime.block_on(storage.get(&last.name)).expect("an entry");
        let n = u32::try_from(entries.len() - 1).expect("few entries");
        let keys = LogKeys::new(&grant.log, &repo, Epoch::FIRST);
        let newest = keys.open_roster(n, &bytes).expect("an own entry");
        Self {
            roster_body: newest.peek().to_vec(),
            roster: (n, object_hash(&bytes)),
            keys,
            names: NameKeys::new(&grant.dedup, &repo),
            hedge: Hedge::new(&seed, Arc::new(Repeating::new(2))),
            identity,
            folder,
            environment,
            runtime,
            storage,
        }
    }

    /// Opens the repository with `object` in it; afterwards all is as it was before.
    ///
    /// # Panics
    /// If something else than opening fails.
    pub fn open_with(
        &self,
        name: &ObjectName,
        object: Vec<u8>,
    ) -> ownkey_engine::Result<Repository> {
        self.runtime
            .block_on(self.storage.create(name, Bytes::from(object)))
            .expect("a free name");
        let opened = repository::open(
            &self.environment,
            &self.storage,
            Credential::Device,
            &Silent,
        );
        let gone = self
            .runtime
            .block_on(self.storage.delete(std::slice::from_ref(name)));
        let is_done =
            |(_, outcome): &(ObjectName, DeleteOutcome)| matches!(outcome, DeleteOutcome::Done);
        assert!(gone.iter().all(is_done), "it is gone again");
        // What was seen is forgotten, or taking the object away would be a lie of the storage.
        for of in std::fs::read_dir(self.folder.path().join("state/repositories"))
            .expect("a folder")
            .flatten()
        {
            let _ = std::fs::remove_dir_all(of.path().join("locations"));
        }
        opened
    }
}

impl Scene {
    /// The number of the entry that a device's log does not have yet.
    ///
    /// # Panics
    /// If the storage in memory cannot be listed.
    pub fn next_seq(&self, device: &DeviceId) -> u64 {
        let entries = self
            .runtime
            .block_on(list_all(self.storage.as_ref(), &layout::log(device)));
        entries.expect("a log").len() as u64
    }
}

impl Scene {
    /// The body of the newest entry of a device's log, if it has one.
    ///
    /// # Panics
    /// If the storage in memory cannot be read.
    pub fn log_body(&self, device: &DeviceId) -> Option<Vec<u8>> {
        let seq = self.next_seq(device).checked_sub(1)?;
        let bytes = self
            .runtime
            .block_on(self.storage.get(&layout::log_entry(device, seq)));
        let opened = self
            .keys
            .open_log(&log_name(device, seq), &bytes.expect("an entry"));
        Some(opened.expect("an own entry").peek().to_vec())
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}
