//! What this machine keeps for itself: its device key, what it has seen, what it backed up
//! last (docs/design.md, "Local state").
//!
//! One owner, one lock, one MAC, one place per repository. Nothing here is ever uploaded.

mod device_key;
pub(crate) mod file;
pub(crate) mod seed;
mod tips;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ownkey_crypto::{GrantName, IdentitySeed, LocalStateKey, Random, RepoId, object_hash};
use ownkey_storage::Location;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::error::{Error, Lie, Result};
use crate::guard::{Guard, GuardKind};
use device_key::Guarded;
pub(crate) use tips::Tips;

/// The state folder of one repository as seen at one location.
#[derive(Clone)]
pub(crate) struct State {
    repo: RepoId,
    folder: PathBuf,
    location: PathBuf,
    machine: Option<[u8; 32]>,
}

/// Whether this machine has a key of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// It has none.
    None,
    /// It has one of its own, kept behind this.
    Own(GuardKind),
    /// There is one that was made on another machine, and came here with a copied folder or disk.
    Copied,
}

const KEY_MAGIC: &seed::Magic = b"ownkey device 1\n";

impl State {
    /// Names the folder; nothing is touched.
    pub(crate) fn of(environment: &Environment, repo: &RepoId, location: &Location) -> Self {
        let folder = environment
            .state
            .join("repositories")
            .join(repo.to_string());
        let place = object_hash(location.to_string().as_bytes()).to_string();
        Self {
            repo: *repo,
            location: folder.join("locations").join(&place[..32]),
            folder,
            machine: environment.machine,
        }
    }

    /// Where a device key would be.
    pub(crate) fn key_path(&self) -> PathBuf {
        self.folder.join("device-key")
    }

    /// Where the record of the last backup of one set of sources is.
    pub(crate) fn parent_path(&self, sources: &str) -> PathBuf {
        self.location.join(format!("parent-{sources}"))
    }

    /// The folder for records of this location.
    pub(crate) fn location_folder(&self) -> &Path {
        &self.location
    }

    /// Whether this machine has a key.
    pub(crate) fn enrolment(&self) -> Result<Enrolment> {
        let path = self.key_path();
        let Some(key) = self.read_device_key()? else {
            return Ok(Enrolment::None);
        };
        let made_on = file::read_bounded(&self.machine_path(), 64)?;
        let copied = match (made_on, self.machine) {
            (Some(there), Some(here)) => there != here,
            // Nothing tells machines apart here, or did not where it was made.
            _ => false,
        };
        let guarded = Guarded::parse(&key, &path, &self.repo);
        Ok(match copied {
            true => Enrolment::Copied,
            false => Enrolment::Own(guarded?.map_or(GuardKind::Nothing, |key| key.kind())),
        })
    }

    /// This machine's identity in the repository, if it has one of its own.
    pub(crate) fn load_device_key(&self, guard: Guard<'_>) -> Result<Option<IdentitySeed>> {
        let path = self.key_path();
        match (self.enrolment()?, self.read_device_key()?) {
            (Enrolment::Own(GuardKind::Nothing), _) => seed::load(&path, KEY_MAGIC),
            (Enrolment::Own(_), Some(key)) => match Guarded::parse(&key, &path, &self.repo)? {
                Some(key) => key.open(guard, &path).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Keeps this machine's identity; never overwrites one.
    pub(crate) fn store_device_key(
        &self,
        seed: &IdentitySeed,
        guard: Guard<'_>,
        random: &dyn Random,
    ) -> Result<()> {
        if let Some(machine) = self.machine {
            file::write_private(&self.machine_path(), &machine)?;
        }
        self.write_device_key(&self.key_path(), seed, guard, random)
    }

    /// Keeps the same identity behind something else. A crash leaves the one file or the other.
    pub(crate) fn guard_device_key(
        &self,
        seed: &IdentitySeed,
        guard: Guard<'_>,
        random: &dyn Random,
    ) -> Result<()> {
        let (path, next) = (self.key_path(), self.folder.join("device-key.next"));
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::local("remove", &next)(error));
            }
            _ => {}
        }
        self.write_device_key(&next, seed, guard, random)?;
        std::fs::rename(&next, &path).map_err(Error::local("replace", &path))?;
        file::sync_parent(&path)
    }

    fn write_device_key(
        &self,
        path: &Path,
        seed: &IdentitySeed,
        guard: Guard<'_>,
        random: &dyn Random,
    ) -> Result<()> {
        match device_key::seal(seed, guard, &self.repo, random)? {
            Some(guarded) => file::create_private(path, &guarded),
            None => seed::store(path, KEY_MAGIC, seed),
        }
    }

    fn read_device_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let bytes = file::read_bounded(&self.key_path(), device_key::LIMIT)?;
        Ok(bytes.map(Zeroizing::new))
    }

    /// On which machine the key was made.
    fn machine_path(&self) -> PathBuf {
        self.folder.join("machine")
    }

    /// Puts an identity aside that opens nothing any more, and makes room for another.
    pub(crate) fn set_aside_device_key(&self) -> Result<()> {
        let path = self.key_path();
        let aside = (0u32..)
            .map(|nth| self.folder.join(format!("device-key.old-{nth}")))
            .find(|aside| !aside.exists());
        let Some(aside) = aside else { return Ok(()) };
        std::fs::rename(&path, &aside).map_err(Error::local("put aside", &path))?;
        file::sync_parent(&path)
    }

    /// One run at a time writes to a repository from this machine.
    ///
    /// Waits a moment, not for another run: a program that starts a child holds its locks twice
    /// until the child has become another program.
    pub(crate) fn lock(&self) -> Result<Lock> {
        const TRIES: u32 = 50;
        const PAUSE: Duration = Duration::from_millis(10);
        file::make_folder(&self.folder)?;
        let path = self.folder.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::local("open the lock", &path))?;
        for _ in 0..TRIES {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(lock)),
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(errno) => {
                    return Err(Error::Local {
                        action: "lock",
                        path,
                        source: errno.into(),
                    });
                }
            }
        }
        Err(Error::Locked)
    }

    /// What this identity has seen at this location, if anything.
    pub(crate) fn load_tips(&self, key: &LocalStateKey, who: &str) -> Result<Option<Tips>> {
        let path = self.tips_path(who);
        let Some(bytes) = file::read_authentic(&path, key, Tips::LIMIT)? else {
            return Ok(None);
        };
        Tips::decode(&bytes)
            .map(Some)
            .ok_or(Error::StateTampered(path))
    }

    /// Remembers `tips`, durably.
    pub(crate) fn store_tips(&self, key: &LocalStateKey, who: &str, tips: &Tips) -> Result<()> {
        file::write_authentic(&self.tips_path(who), key, &tips.encode())
    }

    /// Where the witnesses of this repository are, a line each.
    pub(crate) fn load_witnesses(&self, key: &LocalStateKey, who: &str) -> Result<String> {
        const LIMIT: u64 = 64 << 10;
        let path = self.witnesses_path(who);
        let bytes = file::read_authentic(&path, key, LIMIT)?;
        String::from_utf8(bytes.unwrap_or_default()).map_err(|_| Error::StateTampered(path))
    }

    /// Keeps where they are.
    pub(crate) fn store_witnesses(
        &self,
        key: &LocalStateKey,
        who: &str,
        places: &str,
    ) -> Result<()> {
        file::write_authentic(&self.witnesses_path(who), key, places.as_bytes())
    }

    /// Of the repository, wherever it is: what was shown at one place must be shown at the others.
    fn witnesses_path(&self, who: &str) -> PathBuf {
        self.folder.join(format!("witnesses-{who}"))
    }

    /// Where the identity with the grants of this name keeps what it knows of the logs.
    pub(crate) fn logs_path(&self, who: &GrantName) -> PathBuf {
        self.location.join(format!("logs-{who}"))
    }

    fn tips_path(&self, who: &str) -> PathBuf {
        self.location.join(format!("tips-{who}"))
    }
}

/// Held while one run writes; freed with the process.
pub(crate) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Compares the repository at `location` with the one that was there before, and remembers it.
pub(crate) fn pin_location(
    environment: &Environment,
    location: &Location,
    repo: &RepoId,
) -> Result<()> {
    let path = location_pin(environment, location);
    let now = repo.to_string();
    match file::read_bounded(&path, 64)? {
        None => file::write_private(&path, now.as_bytes()),
        Some(before) if before == now.as_bytes() => Ok(()),
        Some(before) => Err(Lie::OtherRepository {
            location: location.to_string(),
            before: String::from_utf8_lossy(&before).into_owned(),
            now,
        }
        .into()),
    }
}

/// Forgets which repository was at `location`: for a new one made there on purpose.
pub(crate) fn unpin_location(environment: &Environment, location: &Location) -> Result<()> {
    let path = location_pin(environment, location);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::local("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

/// Which repository was at `location`, as far as this machine knows.
pub(crate) fn pinned(environment: &Environment, location: &Location) -> Result<Option<RepoId>> {
    let pin = file::read_bounded(&location_pin(environment, location), 64)?;
    let text = pin.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| RepoId::parse(&text).ok()))
}

fn location_pin(environment: &Environment, location: &Location) -> PathBuf {
    let hash = object_hash(location.to_string().as_bytes()).to_string();
    environment.state.join("locations").join(&hash[..32])
}
