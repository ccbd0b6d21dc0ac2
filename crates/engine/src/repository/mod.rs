//! An unlocked repository: its keys, its roster, its logs, and nothing that does the work.
//!
//! What can be done with one is in the modules named after verbs.

mod found;
mod unlock;

use std::sync::Arc;

use ownkey_crypto::{DeviceId, LocalStateKey, ObjectHash, RepoId};
use ownkey_storage::{Location, Storage};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::format::entry::{EntryRef, LogPosition};
use crate::format::record::SnapshotRecord;
use crate::format::{header, layout};
use crate::io::Io;
use crate::keyring::{Holder, Keyring};
use crate::log::{Appender, Draft, LogReader, Logs};
use crate::monitor::Monitor;
use crate::roster::Roster;
use crate::state::{State, Tips, pin_location};

pub use found::{Founded, Founding, PasswordWay, init};
pub use unlock::Credential;

/// A repository whose keys are in memory.
pub struct Repository {
    pub(crate) environment: Environment,
    pub(crate) io: Io,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) roster: Roster,
    pub(crate) logs: Logs,
    pub(crate) state: State,
    pub(crate) state_key: Arc<LocalStateKey>,
    me: DeviceId,
}

/// The state of given sources at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Hash of its Backup entry; what users call it by.
    pub id: ObjectHash,
    /// Who made it.
    pub device: DeviceId,
    /// Its Backup entry.
    pub at: LogPosition,
    /// What it says of itself.
    pub record: SnapshotRecord,
}

/// Whether this machine has a key of the repository in `storage`.
pub fn is_enrolled(environment: &Environment, storage: &Arc<dyn Storage>) -> Result<bool> {
    let io = Io::new(Arc::clone(storage), environment.runtime.clone());
    let repo = read_header(&io)?;
    Ok(State::of(environment, &repo, io.location())
        .load_device_key()?
        .is_some())
}

/// Unlocks the repository in `storage` and compares it with what this machine has seen.
pub fn open(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    credential: Credential<'_>,
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let io = Io::new(Arc::clone(storage), environment.runtime.clone());
    let repo = read_header(&io)?;
    open_known(environment, io, repo, credential, monitor)
}

/// Unlocks repository `repo`, whatever its header says: a new one has none yet.
fn open_known(
    environment: &Environment,
    io: Io,
    repo: RepoId,
    credential: Credential<'_>,
    monitor: &dyn Monitor,
) -> Result<Repository> {
    let state = State::of(environment, &repo, io.location());
    let seed = unlock::seed(&io, &repo, &state, credential)?;
    let state_key = Arc::new(LocalStateKey::from_seed(&seed));
    let holder = Holder::new(&seed, Arc::clone(&environment.random));
    let (keys, roster) = unlock::keys(&io, repo, holder, monitor)?;
    let me = keys.me();
    let remembered = state.load_tips(&state_key, &me.to_string())?;
    if let Some(tips) = &remembered {
        must_extend(&roster, tips)?;
    }
    let logs = Logs::load(
        LogReader {
            io: &io,
            keys: &keys,
            roster: &roster,
        },
        remembered.as_ref(),
    )?;
    let has_written = logs.of(&me).is_some_and(|log| log.tip.is_some());
    if remembered.is_none() && has_written && matches!(credential, Credential::Device) {
        monitor.note(&format!(
            "this machine writes here and remembers nothing of {}: whether the storage was rolled back can only be \
             told by comparing with another device",
            io.location()
        ));
    }
    pin_location(environment, io.location(), &repo)?;
    let repository = Repository {
        environment: environment.clone(),
        io,
        keys: Arc::new(keys),
        roster,
        logs,
        state,
        state_key,
        me,
    };
    repository.remember(remembered.as_ref())?;
    Ok(repository)
}

fn must_extend(roster: &Roster, remembered: &Tips) -> Result<()> {
    use crate::error::Lie;
    if roster.contains(&remembered.roster) {
        Ok(())
    } else if roster.position().n < remembered.roster.n {
        Err(Lie::RosterRolledBack(remembered.roster.n).into())
    } else {
        Err(Lie::RosterForked(remembered.roster.n).into())
    }
}

pub(crate) fn read_header(io: &Io) -> Result<RepoId> {
    match io.find(&layout::header())? {
        Some(bytes) => Ok(header::parse(&bytes)?),
        None => Err(Error::NoRepository(io.location().to_string())),
    }
}

impl Repository {
    /// The repository's id, which is also the hash of its genesis.
    pub fn id(&self) -> RepoId {
        self.keys.repo
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        self.io.location()
    }

    /// Who may do what.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The identity that opened it.
    pub fn me(&self) -> DeviceId {
        self.me
    }

    /// The newest entry of the own log; what a kit pins.
    pub fn pin(&self) -> Option<EntryRef> {
        let at = self.logs.of(&self.me)?.tip?;
        Some(EntryRef {
            device: self.me,
            at,
        })
    }

    /// Confirmed snapshots that were not forgotten, oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let mut snapshots: Vec<Snapshot> = self
            .logs
            .snapshots(&self.roster)
            .into_iter()
            .map(|(device, snapshot)| Snapshot {
                id: snapshot.at.hash,
                device,
                at: snapshot.at,
                record: snapshot.record.clone(),
            })
            .collect();
        // By time for the eye; where clocks disagree, by place in the log.
        snapshots
            .sort_by_key(|snapshot| (snapshot.record.started, snapshot.device, snapshot.at.seq));
        snapshots
    }

    /// What an interrupted backup of this device left behind: browsable, not yet a snapshot.
    pub fn unfinished(&self) -> Option<Snapshot> {
        let left = self.logs.of(&self.me)?.state.checkpoint()?;
        Some(Snapshot {
            id: left.at.hash,
            device: self.me,
            at: left.at,
            record: left.record.clone(),
        })
    }

    /// The snapshot that `name` means: `latest`, `latest~N`, or the beginning of an id.
    pub fn find_snapshot(&self, name: &str) -> Result<Snapshot> {
        let mut snapshots = self.snapshots();
        let none = || Error::NoSnapshot(name.to_owned());
        if let Some(back) = name.strip_prefix("latest") {
            let back: usize = match back.strip_prefix('~') {
                Some(number) => number.parse().map_err(|_| none())?,
                None if back.is_empty() => 0,
                None => return Err(none()),
            };
            let index = snapshots
                .len()
                .checked_sub(back.saturating_add(1))
                .ok_or_else(none)?;
            return Ok(snapshots.swap_remove(index));
        }
        let prefix = name.to_ascii_lowercase();
        snapshots
            .retain(|snapshot| !prefix.is_empty() && snapshot.id.to_string().starts_with(&prefix));
        match snapshots.len() {
            0 => Err(none()),
            1 => Ok(snapshots.swap_remove(0)),
            count => Err(Error::AmbiguousSnapshot { prefix, count }),
        }
    }

    pub(crate) fn log_reader(&self) -> LogReader<'_> {
        LogReader {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        }
    }

    /// Puts an entry at the end of the own log and remembers it.
    pub(crate) fn append(&mut self, draft: &Draft) -> Result<LogPosition> {
        let appender = Appender {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        };
        let at = appender.append(&mut self.logs, draft)?;
        self.remember(None)?;
        Ok(at)
    }

    /// Reads the roster and every log once more: the look of docs/design.md.
    pub(crate) fn look(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let keys = &self.keys;
        let fresh = unlock::roster_again(&self.io, keys, monitor)?;
        let known = Tips {
            roster: self.roster.position(),
            logs: std::collections::BTreeMap::new(),
        };
        must_extend(&fresh, &known)?;
        // Who was removed writes nothing more: others are about to cut its log.
        if fresh.standing(&self.me).is_none() {
            return Err(Error::NoGrant);
        }
        self.roster = fresh;
        let reader = LogReader {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        };
        self.logs.refresh(reader)?;
        self.remember(None)
    }

    /// Keeps the newest entries seen, unless `known` says they are kept already.
    fn remember(&self, known: Option<&Tips>) -> Result<()> {
        let tips = Tips {
            roster: self.roster.position(),
            logs: self.logs.tips(),
        };
        if known == Some(&tips) {
            return Ok(());
        }
        self.state
            .store_tips(&self.state_key, &self.me.to_string(), &tips)
    }
}
