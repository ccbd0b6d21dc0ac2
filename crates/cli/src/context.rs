//! Everything a command needs around it: settings, folders, time, randomness, a mouth, a stop sign.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ownkey_engine::environment::Environment;
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::memory::Memory;
use ownkey_engine::source::OwnerNames;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::args::{self, Global};
use crate::failure::Failure;
use crate::folders::{self, Folders};
use crate::keys::{OsRandom, object_hash};
use crate::location::{RepositoryUrl, WHERE_HINT};
use crate::options::{Span, StorageOptions};
use crate::profile::{self, Profile};
use crate::prompt::Prompt;
use crate::remembered::Counted;
use crate::secrets::{self, Kind, Sources};
use crate::signals::Interrupt;
use crate::storage_key::StorageKey;
use crate::ui::Ui;

/// The surroundings of one run.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) profile: Profile,
    /// The way to the storage, as the command line, the environment and the profile say together.
    pub(crate) storage: StorageOptions,
    /// The key of the storage, where somebody gave one for this run alone.
    pub(crate) storage_key: OnceLock<StorageKey>,
    /// What was asked of storages so far.
    pub(crate) counted: Counted,
    pub(crate) ui: Arc<Ui>,
    pub(crate) interrupt: Interrupt,
}

impl Context {
    /// Reads the settings.
    pub(crate) fn new(global: Global, ui: Arc<Ui>, interrupt: Interrupt) -> Result<Self, Failure> {
        let file = folders::settings_file(args::environment())?;
        let profile = profile::load(&file, global.profile.as_deref())?;
        let storage = global.storage.clone().over(profile.storage.clone());
        Ok(Self {
            global,
            profile,
            storage,
            storage_key: OnceLock::new(),
            counted: Counted::default(),
            ui,
            interrupt,
        })
    }

    /// The same for a place beside the repository that is waited for so long and no longer, and asked once.
    pub(crate) fn within(&self, patience: Duration) -> Self {
        Self {
            global: self.global.clone(),
            profile: self.profile.clone(),
            storage: StorageOptions {
                retry_for: Some(Span(Duration::ZERO)),
                object_lock: None,
                ..self.storage.clone()
            },
            storage_key: OnceLock::new(),
            counted: Counted::default(),
            ui: Arc::clone(&self.ui),
            interrupt: self.interrupt.within(patience),
        }
    }

    /// Where the repository is: command line over environment over profile; else the usual place,
    /// if `setup` made one there.
    pub(crate) fn place(&self) -> Result<RepositoryUrl, Failure> {
        let usual = || folders::default_repository(args::environment()).ok();
        match self.place_if_told()? {
            Some(place) => Ok(place),
            None => usual()
                .filter(|folder| folder.is_dir())
                .map(RepositoryUrl::Folder)
                .ok_or_else(|| Failure::usage("which repository?").hint(WHERE_HINT)),
        }
    }

    /// The same, if anybody told.
    pub(crate) fn place_if_told(&self) -> Result<Option<RepositoryUrl>, Failure> {
        let told = self.global.repo.clone();
        let told = told.or_else(|| self.profile.repository.clone().map(OsString::from));
        let here = std::env::current_dir().ok();
        told.map(|written| self.read_place(&written, here.as_deref()))
            .transpose()
    }

    /// Reads a place; the environment may know the region of a bucket.
    pub(crate) fn read_place(
        &self,
        written: &OsStr,
        here: Option<&Path>,
    ) -> Result<RepositoryUrl, Failure> {
        let environment = args::environment();
        let region = environment("AWS_REGION").or_else(|| environment("AWS_DEFAULT_REGION"));
        let region = region.and_then(|region| region.into_string().ok());
        match (RepositoryUrl::parse(written, here)?, region) {
            (RepositoryUrl::S3(url), Some(region)) if !region.is_empty() => {
                Ok(RepositoryUrl::S3(url.unless_told_in(&region)?))
            }
            (place, _) => Ok(place),
        }
    }

    /// A secret from wherever the user keeps it; only the password has flags and settings.
    pub(crate) fn secret(&self, kind: Kind) -> Result<Option<Zeroizing<String>>, Failure> {
        let of_environment = Sources::of_environment(args::environment(), kind.variable);
        if kind.variable != secrets::PASSWORD.variable {
            return secrets::find(kind, &[of_environment]);
        }
        let of_profile = Sources {
            value: None,
            file: self.profile.password_file.clone(),
            command: self.profile.password_command.clone().map(OsString::from),
        };
        secrets::find(
            kind,
            &[self.global.password_sources(), of_environment, of_profile],
        )
    }

    /// A secret of the other of two repositories; only its password has flags.
    pub(crate) fn secret_of_the_other(
        &self,
        kind: Kind,
        flags: &Sources,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let kind = kind.of_the_other();
        let of_environment = Sources::of_environment(args::environment(), kind.variable);
        if kind.variable == secrets::TO_PASSWORD.variable {
            return secrets::find(kind, &[flags.clone(), of_environment]);
        }
        secrets::find(kind, &[of_environment])
    }

    /// Somebody to ask, if there is anybody.
    pub(crate) fn prompt(&self) -> Option<Prompt<'_>> {
        Prompt::find(&self.interrupt)
    }

    /// What the engine is given, with the threads that its storage runs on.
    pub(crate) fn engine(&self) -> Result<EngineRoom, Failure> {
        let Folders { state, cache } = Folders::find(args::environment())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(STORAGE_THREADS)
            .enable_all()
            .build()
            .map_err(|error| Failure::other("cannot start threads").caused_by(&error))?;
        let interrupt = self.interrupt.clone();
        let environment = Environment {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            state,
            machine: machine(),
            indexes: (!self.storage.no_cache).then(|| cache.join("indexes")),
            cache,
            runtime: runtime.handle().clone(),
            stop: Arc::new(move || interrupt.is_raised()),
            memory: match self.global.low_memory || self.profile.low_memory {
                true => Memory::Low,
                false => Memory::Usual,
            },
        };
        Ok(EngineRoom {
            environment,
            runtime,
        })
    }
}

/// A name of this machine that no other one has: systemd's and D-Bus's, hashed as they ask for.
fn machine() -> Option<[u8; 32]> {
    let files = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
    let name = files
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok())?;
    let name = name.trim();
    let named = format!("ownkey/1 machine {name}");
    (!name.is_empty()).then(|| *object_hash(named.as_bytes()).as_bytes())
}

/// Storage futures wait more than they compute.
const STORAGE_THREADS: usize = 2;

/// The engine's surroundings; the runtime lives as long as they do.
pub(crate) struct EngineRoom {
    pub(crate) environment: Environment,
    pub(crate) runtime: Runtime,
}

/// How soon a wait hears that the user asked to stop.
const HEARS_WITHIN: Duration = Duration::from_millis(100);

impl EngineRoom {
    /// Waits for a storage, unless the user asks to stop.
    pub(crate) fn until_interrupted<T>(
        &self,
        interrupt: &Interrupt,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            tokio::pin!(work);
            loop {
                interrupt.check()?;
                if let Ok(done) = tokio::time::timeout(HEARS_WITHIN, &mut work).await {
                    return done;
                }
            }
        })
    }
}

/// The system's clock.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now(SystemTime::now())
    }
}

fn now(time: SystemTime) -> Timestamp {
    let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            // Rounded down: what is left over counts forward from the second before.
            let before = before.duration();
            let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanoseconds => (seconds.saturating_sub(1), 1_000_000_000 - nanoseconds),
            }
        }
    };
    Timestamp::new(seconds, nanoseconds).unwrap_or_default()
}

/// What this machine is called.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname();
    let text = name.nodename().to_string_lossy().into_owned();
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text
    }
}

/// Who runs this, by the system's own list of users.
pub(crate) fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw();
    OwnerNames::new()
        .user(uid)
        .unwrap_or_else(|| uid.to_string())
}

/// A path of the command line, made absolute without resolving links.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::usage(format!("{} leads nowhere", path.display())).caused_by(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_round_down() {
        let moment = now(UNIX_EPOCH - Duration::from_millis(1500));
        assert_eq!((moment.seconds, moment.nanoseconds), (-2, 500_000_000));
        let moment = now(UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!((moment.seconds, moment.nanoseconds), (1, 500_000_000));
    }
}
