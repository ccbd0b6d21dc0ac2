//! Opening a repository: from its place and a credential to keys, roster and logs.
//!
//! Promise: what a machine does every day waits for the storage few times in a row. What it will
//! want to read, as far as it knows that, is asked for at once; the order in which answers are
//! believed stays that of docs/design.md.

use std::sync::Arc;
use std::time::SystemTime;

use ownkey_crypto::{DeviceId, LocalStateKey, RepoId};
use ownkey_storage::{AsOf, ObjectName, Storage};

use super::device::DeviceKey;
use super::unlock::{self, Credential};
use super::{Lies, Repository, compare};
use crate::compress::Compression;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::evidence::Scene;
use crate::format::cbor::{self, Record};
use crate::format::{header, layout};
use crate::io::Io;
use crate::keyring::Holder;
use crate::log::{KnownLogs, LogReader, Logs};
use crate::monitor::Monitor;
use crate::parity::Parity;
use crate::roster::Roster;
use crate::roster::strangers::{Acquaintances, about_strangers};
use crate::state::{State, file, pin_location, pinned};

/// Which repository the storage says it holds. Nothing vouches for it before it is opened.
pub fn announced(environment: &Environment, storage: &Arc<dyn Storage>) -> Result<RepoId> {
    read_header(&Io::new(Arc::clone(storage), environment))
}

/// Unlocks the repository in `storage` and compares it with what this machine has seen.
pub fn open(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    credential: Credential<'_>,
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let io = Io::new(Arc::clone(storage), environment);
    let (repo, header) = match (pinned(environment, io.location())?, credential) {
        // Asked for together with everything else, and compared before anything is believed.
        (Some(repo), credential) if credential.is_device() => (repo, Header::Expected),
        _ => (read_header(&io)?, Header::Settled),
    };
    let opening = Opening {
        environment,
        io,
        view: View::Present,
        monitor,
    };
    opening.run(repo, header, credential)
}

/// Unlocks the repository in `storage` whatever contradicts it: [`Repository::doubts`] says what. As long as there is
/// anything, nothing is remembered and nothing can be written.
pub fn open_as_shown(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    credential: Credential<'_>,
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let io = Io::new(Arc::clone(storage), environment);
    let repo = read_header(&io)?;
    let opening = Opening {
        environment,
        io,
        view: View::AsShown,
        monitor,
    };
    opening.run(repo, Header::Settled, credential)
}

/// Unlocks a repository as it was at the moment that `storage` shows. Everything is verified as usual
/// but for what this machine has seen since; nothing is remembered, and nothing can be written.
pub fn open_earlier(
    environment: &Environment,
    storage: &Arc<AsOf>,
    credential: Credential<'_>,
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let view = View::Earlier(storage.moment());
    let io = Io::new(Arc::<AsOf>::clone(storage), environment);
    let repo = read_header(&io)?;
    let opening = Opening {
        environment,
        io,
        view,
        monitor,
    };
    opening.run(repo, Header::Settled, credential)
}

/// Unlocks repository `repo`, whatever its header says: a new one has none yet.
pub(super) fn open_new(
    environment: &Environment,
    io: Io,
    (repo, key): (RepoId, &DeviceKey),
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let opening = Opening {
        environment,
        io,
        view: View::Present,
        monitor,
    };
    opening.run(repo, Header::Settled, Credential::DeviceKey(key))
}

/// Whether it is known what the header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Settled,
    /// It should say what it said before.
    Expected,
}

/// Where, and which state of it.
struct Opening<'a> {
    environment: &'a Environment,
    io: Io,
    view: View,
    monitor: &'a dyn Monitor,
}

/// Which state of a repository, and what becomes of a lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// The present one; a lie is the end.
    Present,
    /// The present one; lies are doubts.
    AsShown,
    /// One that is past.
    Earlier(SystemTime),
}

impl View {
    fn earlier(self) -> Option<SystemTime> {
        match self {
            Self::Earlier(moment) => Some(moment),
            Self::Present | Self::AsShown => None,
        }
    }
}

impl Opening<'_> {
    /// A password may open slots of former days too: what leads to nobody who is let in is passed by.
    fn run(self, repo: RepoId, header: Header, credential: Credential<'_>) -> Result<Repository> {
        let mut passed = Vec::new();
        loop {
            let state = State::of(self.environment, &repo, self.io.location());
            let seed = match unlock::seed(&self.io, &repo, &state, (credential, &passed)) {
                // Perhaps what is there now is another repository, and this machine has a key of it.
                Err(Error::NotEnrolled(_)) if header == Header::Expected => {
                    return self.settled(credential);
                }
                Err(Error::WrongCredential { .. }) if !passed.is_empty() => {
                    return Err(Error::NoGrant);
                }
                seed => seed?,
            };
            let slot = seed.slot;
            match (self.run_with((repo, header), state, seed, credential), slot) {
                (Err(Error::NoGrant), Some(slot)) => passed.push(slot),
                (opened, _) => return opened,
            }
        }
    }

    fn run_with(
        &self,
        (repo, header): (RepoId, Header),
        state: State,
        unlock::Seed { seed, slots, .. }: unlock::Seed,
        credential: Credential<'_>,
    ) -> Result<Repository> {
        let (environment, monitor, earlier) = (self.environment, self.monitor, self.view.earlier());
        let now = earlier.is_none();
        let state_key = Arc::new(LocalStateKey::from_seed(&seed));
        let holder = Holder::new(&seed, Arc::clone(&environment.random));
        let grants = holder.identity.public().grant_name(&repo);
        let known = match self.view {
            View::Present => known_logs(&state.logs_path(&grants), &state_key),
            View::AsShown | View::Earlier(_) => KnownLogs::default(),
        };
        let grant = known
            .grant
            .map(|known| layout::grant(&grants, known.epoch, &known.hash));
        let head = (header == Header::Expected).then(layout::header);
        let first = head.into_iter().chain(grant).chain(known.names());
        let io = self.io.ahead(first, [layout::roster()]);
        if header == Header::Expected {
            pin_location(environment, io.location(), &read_header(&io)?)?;
        }
        let unlock::Unlocked {
            keys,
            roster,
            shown,
            newer_epoch,
        } = unlock::keys(&io, repo, holder, known.grant, monitor)?;
        tell_strangers(monitor, (&roster, &repo), slots);
        let me = keys.me();
        let remembered = match now {
            true => state.load_tips(&state_key, &me.to_string())?,
            false => None,
        };
        let scene = Scene {
            state: &state,
            io: &self.io,
            remembered: remembered.as_ref(),
            time: environment.clock.now(),
            monitor,
        };
        let reader = LogReader {
            io: &io,
            keys: &keys,
            roster: &roster,
        };
        let lies = match self.view {
            View::AsShown => Lies::AreDoubts,
            View::Present | View::Earlier(_) => Lies::AreTheEnd,
        };
        let logs = compare::logs(&scene, reader, known, lies)?;
        if now && remembered.is_none() && credential.is_device() {
            note_lost_memory(&scene, &logs, &me);
        }
        if now {
            pin_location(environment, io.location(), &repo)?;
        }
        let mut repository = Repository {
            environment: environment.clone(),
            io: self.io.clone(),
            keys: Arc::new(keys),
            roster,
            shown,
            logs,
            state,
            state_key,
            remembered,
            me,
            earlier,
            newer_epoch,
            keep_locked: None,
            compression: Compression::default(),
            parity: Parity::NONE,
        };
        repository.compare_roster(lies, monitor)?;
        repository.remember()?;
        Ok(repository)
    }

    fn settled(self, credential: Credential<'_>) -> Result<Repository> {
        let repo = read_header(&self.io)?;
        self.run(repo, Header::Settled, credential)
    }
}

/// A machine that has written has seen something.
fn note_lost_memory(scene: &Scene<'_>, logs: &Logs, me: &DeviceId) {
    if logs.of(me).is_some_and(|log| log.tip.is_some()) {
        scene.monitor.note(&format!(
            "this machine writes here and remembers nothing of {}: whether the storage was rolled back can only be \
             told by comparing with another device",
            scene.io.location()
        ));
    }
}

/// What was kept of the logs; nothing if that was lost, or is not ours.
fn known_logs(path: &std::path::Path, key: &LocalStateKey) -> KnownLogs {
    let read = file::read_authentic(path, key, KnownLogs::LIMIT as u64);
    let bytes = read.ok().flatten();
    let known = bytes.and_then(|bytes| cbor::decode_claim(&bytes).ok());
    known.unwrap_or_default()
}

pub(crate) fn read_header(io: &Io) -> Result<RepoId> {
    match io.find(&layout::header())? {
        Some(bytes) => Ok(header::parse(&bytes)?),
        None => Err(Error::NoRepository(io.location().to_string())),
    }
}

/// Says which of the slots that were looked through are of nobody who ever was in the roster.
fn tell_strangers(
    monitor: &dyn Monitor,
    (roster, repo): (&Roster, &RepoId),
    slots: Vec<ObjectName>,
) {
    let known = Acquaintances::of(roster, repo);
    let strangers: Vec<_> = slots.into_iter().filter(|name| known.lack(name)).collect();
    if let Some(text) = about_strangers(&strangers) {
        monitor.note(&text);
    }
}
