//! An unlocked repository: its keys, its roster, its logs, and nothing that does the work.
//!
//! What can be done with one is in the modules named after verbs.

mod compare;
mod device;
mod doubt;
mod found;
mod open;
pub(crate) mod put;
pub(crate) mod unlock;
mod way;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ownkey_crypto::{Capabilities, DeviceId, LocalStateKey, ObjectHash, RepoId};
use ownkey_storage::{Location, Operation, RetentionSupport, StorageError, StorageErrorKind};

use crate::compress::Compression;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::format::cbor;
use crate::format::entry::{EntryRef, LogPosition, PackName};
use crate::format::record::SnapshotRecord;
use crate::io::Io;
use crate::keyring::Keyring;
use crate::log::{Appender, Draft, KnownLogs, LogReader, Logs, Next};
use crate::log_state::Condemned;
use crate::monitor::Monitor;
use crate::parity::Parity;
use crate::roster::Roster;
use crate::roster::load::{self, Shown};
use crate::state::{State, Tips, file};

pub use crate::guard::{Guard, GuardKind};
pub use crate::state::Enrolment;
pub use device::{DeviceKey, device_key, enrolment, keep_device_key};
pub use doubt::Lies;
pub use found::{Founded, Founding, init};
pub(crate) use open::read_header;
pub use open::{announced, open, open_as_shown, open_earlier};
pub use unlock::Credential;
pub use way::{PasswordWay, Way};

/// A repository whose keys are in memory.
pub struct Repository {
    pub(crate) environment: Environment,
    pub(crate) io: Io,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) roster: Roster,
    /// The roster's entries as they were listed.
    shown: Shown,
    pub(crate) logs: Logs,
    pub(crate) state: State,
    pub(crate) state_key: Arc<LocalStateKey>,
    /// The tips that this machine keeps.
    remembered: Option<Tips>,
    me: DeviceId,
    /// The moment that is shown, if it is not the present.
    earlier: Option<SystemTime>,
    /// Whether there is a newer epoch than our keys are of.
    newer_epoch: bool,
    /// How long the storage must keep what snapshots need.
    pub(crate) keep_locked: Option<Duration>,
    /// How what is new is compressed.
    pub(crate) compression: Compression,
    /// How much parity new packs get.
    pub(crate) parity: Parity,
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
    /// Which one it was first, if it was forgotten and had back; else its own entry.
    pub first: EntryRef,
    /// What it says of itself.
    pub record: SnapshotRecord,
}

impl Snapshot {
    /// Its Backup entry, as others name it.
    pub fn entry(&self) -> EntryRef {
        EntryRef {
            device: self.device,
            at: self.at,
        }
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

    /// Whether the identity that opened it may read; one that only writes sees no snapshots.
    pub fn may_read(&self) -> bool {
        self.keys.may_read()
    }

    /// The moment that is shown, if it is not the present: then nothing can be written.
    pub fn earlier(&self) -> Option<SystemTime> {
        self.earlier
    }

    /// From now on, whatever a new snapshot needs is locked in the storage for at least `period`,
    /// counted from the beginning of the run: extended if need be, after the snapshot is confirmed.
    ///
    /// # Errors
    /// `Unsupported` where the storage cannot lock objects.
    pub fn keep_locked(&mut self, period: Duration) -> Result<()> {
        if self.io.capabilities().retention == RetentionSupport::None {
            let kind = StorageErrorKind::Unsupported;
            let error = StorageError::new(kind, Operation::ExtendRetention, self.location());
            return Err(error
                .saying("it cannot lock objects against deletion")
                .into());
        }
        self.keep_locked = Some(period);
        Ok(())
    }

    /// From now on, what is new is compressed like this.
    pub fn compress(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// From now on, new packs end with parity, from which damage is healed.
    pub fn protect(&mut self, parity: Parity) {
        self.parity = parity;
    }

    /// Refuses to go on where nothing may be written: an earlier state is shown, or our keys are those
    /// of an earlier epoch, which others may have been removed from.
    pub(crate) fn must_be_writable(&self) -> Result<()> {
        match self.doubts() {
            [] => self.must_be_current(),
            [lie, ..] => Err(lie.clone().into()),
        }
    }

    /// The same for who knows of the doubts and is about to settle them.
    pub(crate) fn must_be_current(&self) -> Result<()> {
        match self.earlier {
            Some(_) => Err(Error::EarlierState),
            None if self.newer_epoch => Err(Error::NoGrant),
            None => Ok(()),
        }
    }

    /// The newest entry of the own log.
    pub fn newest(&self) -> Option<EntryRef> {
        let at = self.logs.of(&self.me)?.tip?;
        Some(EntryRef {
            device: self.me,
            at,
        })
    }

    /// An entry that every later state must extend, for a kit: the newest of the own log, or of the longest.
    pub fn pin(&self) -> Option<EntryRef> {
        let longest = || {
            let tips = self.logs.tips().into_iter();
            let (device, at) = tips.max_by_key(|(_, at)| at.seq)?;
            Some(EntryRef { device, at })
        };
        self.newest().or_else(longest)
    }

    /// Confirmed snapshots that were not forgotten, oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let mut snapshots: Vec<Snapshot> = self
            .logs
            .snapshots(&self.roster)
            .into_iter()
            .map(|(device, snapshot)| self.snapshot(device, snapshot.at, snapshot.record.clone()))
            .collect();
        // By time for the eye; where clocks disagree, by place in the log.
        snapshots
            .sort_by_key(|snapshot| (snapshot.record.started, snapshot.device, snapshot.at.seq));
        snapshots
    }

    /// A snapshot by its Backup. Only who may prune is believed that it is one that was forgotten.
    pub(crate) fn snapshot(
        &self,
        device: DeviceId,
        at: LogPosition,
        record: SnapshotRecord,
    ) -> Snapshot {
        let may_prune = self
            .roster
            .member(&device)
            .is_some_and(|m| m.capabilities.contain(Capabilities::PRUNE));
        let first = record.original.filter(|_| may_prune);
        Snapshot {
            id: at.hash,
            device,
            at,
            first: first.unwrap_or(EntryRef { device, at }),
            record,
        }
    }

    /// Snapshots that nobody is to forget.
    pub fn pinned(&self) -> BTreeSet<EntryRef> {
        let pins = self.logs.pins(&self.roster).into_iter();
        pins.flat_map(|(_, snapshots)| snapshots).copied().collect()
    }

    /// Everything that some standing Condemn names: nobody relies on it, and most of it is gone.
    pub fn condemned(&self) -> Condemned {
        self.logs.condemned()
    }

    /// What an interrupted backup of this device left behind: browsable, not yet a snapshot.
    pub fn unfinished(&self) -> Option<Snapshot> {
        let left = self.logs.of(&self.me)?.state.checkpoint()?;
        Some(self.snapshot(self.me, left.at, left.record.clone()))
    }

    /// The snapshot that `name` means: `latest`, `latest~N`, or the beginning of an id.
    pub fn find_snapshot(&self, name: &str) -> Result<Snapshot> {
        if !self.may_read() {
            return Err(Error::NotAllowed("read"));
        }
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
        self.put(draft, Next::Nothing).map(|(at, _)| at)
    }

    /// Puts an entry, and then reads the roster and every log but the own one once more: the look of
    /// docs/design.md. Whoever adds to the own log behind this entry has read it, so nothing there
    /// can contradict it unseen.
    pub(crate) fn append_and_look(
        &mut self,
        draft: &Draft,
        monitor: &dyn Monitor,
    ) -> Result<LogPosition> {
        let roster = self.roster.clone();
        let (at, io) = self.put(draft, Next::Look(&roster))?;
        self.look(&io, monitor)?;
        Ok(at)
    }

    /// Puts an entry, and then reads the roster once more, and the logs if it has changed: who was
    /// removed acknowledges nothing.
    pub(crate) fn append_unless_removed(
        &mut self,
        draft: &Draft,
        monitor: &dyn Monitor,
    ) -> Result<LogPosition> {
        let (at, io) = self.put(draft, Next::Roster)?;
        match self.look_at_roster(&io, monitor)? {
            Seen::Same => {}
            Seen::Changed => self.look(&self.io.clone(), monitor)?,
        }
        Ok(at)
    }

    fn put(&mut self, draft: &Draft, next: Next<'_>) -> Result<(LogPosition, Io)> {
        self.must_be_writable()?;
        let appender = Appender {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        };
        let put = appender.append(&mut self.logs, draft, next)?;
        self.remember()?;
        Ok(put)
    }

    /// Reads the roster and every log but the own one once more.
    pub(crate) fn look_around(&mut self, monitor: &dyn Monitor) -> Result<()> {
        self.look(&self.io.clone(), monitor)
    }

    /// `io` may have answers on their way that were asked for when the look began.
    fn look(&mut self, io: &Io, monitor: &dyn Monitor) -> Result<()> {
        // Logs must not be older than the roster that says which they are and where they end: what
        // was on its way counts only if the roster is the one we had.
        let io = match self.look_at_roster(io, monitor)? {
            Seen::Same => io.clone(),
            Seen::Changed => self.io.clone(),
        };
        self.logs.refresh_others(LogReader {
            io: &io,
            keys: &self.keys,
            roster: &self.roster,
        })?;
        self.must_show_roster(monitor)?;
        self.remember()
    }

    /// The same once more, to go on with what is known now while this one is used.
    pub(crate) fn again(&self) -> Self {
        Self {
            environment: self.environment.clone(),
            io: self.io.clone(),
            keys: Arc::clone(&self.keys),
            roster: self.roster.clone(),
            shown: self.shown.clone(),
            logs: self.logs.clone(),
            state: self.state.clone(),
            state_key: Arc::clone(&self.state_key),
            remembered: self.remembered.clone(),
            ..*self
        }
    }

    /// Reads what everybody has said since. Whether there is anything.
    pub(crate) fn has_news(&mut self, monitor: &dyn Monitor) -> Result<bool> {
        let before = self.tips();
        self.look_around(monitor)?;
        self.logs.refresh_own(LogReader {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        })?;
        self.remember()?;
        Ok(self.tips() != before)
    }

    /// Reads what another run on this machine has stored since this repository was opened, if one has.
    pub(crate) fn catch_up(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let remembered = self
            .state
            .load_tips(&self.state_key, &self.me.to_string())?;
        if remembered == Some(self.tips()) {
            return Ok(());
        }
        self.logs.refresh_own(LogReader {
            io: &self.io,
            keys: &self.keys,
            roster: &self.roster,
        })?;
        self.look_around(monitor)
    }

    /// Reads what every log has grown by.
    pub(crate) fn refresh_logs(&mut self) -> Result<()> {
        let (io, keys) = (self.io.clone(), Arc::clone(&self.keys));
        self.logs.refresh(LogReader {
            io: &io,
            keys: &keys,
            roster: &self.roster,
        })?;
        self.remember()
    }

    /// Reads the roster, as it is now.
    pub(crate) fn reread_roster(&mut self, monitor: &dyn Monitor) -> Result<()> {
        self.look_at_roster(&self.io.clone(), monitor)?;
        self.remember()
    }

    /// Lets the own log's next fold leave out what is gone, and what no segment that stands leads to.
    pub(crate) fn let_go(
        &mut self,
        is_pack_gone: &dyn Fn(&PackName) -> bool,
        is_segment_gone: &dyn Fn(&ObjectHash) -> bool,
    ) -> Result<()> {
        let me = self.me;
        self.logs.let_go(&me, is_pack_gone, is_segment_gone);
        self.keep_logs()
    }

    /// Notes that the packs were listed after the logs were read.
    pub(crate) fn packs_were_listed(&mut self) -> Result<()> {
        self.logs.now_listed();
        self.keep_logs()
    }

    fn look_at_roster(&mut self, io: &Io, monitor: &dyn Monitor) -> Result<Seen> {
        let shown = load::list(io, monitor)?;
        if shown == self.shown {
            return Ok(Seen::Same);
        }
        let (fresh, newer) = unlock::roster_again(&self.io, &self.keys, &shown, monitor)?;
        compare::must_extend(&fresh, &self.roster.position())?;
        // Who was removed writes nothing more: others are about to cut its log.
        if fresh.standing(&self.me).is_none() {
            return Err(Error::NoGrant);
        }
        if let Some(keys) = newer {
            self.keys = Arc::new(keys);
        }
        self.roster = fresh;
        self.shown = shown;
        Ok(Seen::Changed)
    }

    fn tips(&self) -> Tips {
        let accepts = self.roster.accepts().iter();
        let accepts = accepts.map(|accepted| accepted.by.hash);
        let followed = self.remembered.iter().flat_map(|tips| &tips.accepted);
        Tips {
            roster: self.roster.position(),
            logs: self.logs.tips(),
            accepted: followed.copied().chain(accepts).collect(),
        }
    }

    /// Keeps the newest entries seen, and what they add up to. What was seen of an earlier state is
    /// older than what is known, and what is in doubt must not take its place.
    fn remember(&mut self) -> Result<()> {
        let tips = self.tips();
        let shows_all = self.earlier.is_none() && self.doubts().is_empty();
        if !shows_all || self.remembered.as_ref() == Some(&tips) {
            return Ok(());
        }
        let who = self.me.to_string();
        self.state.store_tips(&self.state_key, &who, &tips)?;
        self.remembered = Some(tips);
        self.keep_logs()
    }

    /// Keeps what the logs add up to.
    fn keep_logs(&self) -> Result<()> {
        let known = KnownLogs::of(self.keys.granted(), &self.roster, &self.logs);
        let name = self
            .keys
            .holder
            .identity
            .public()
            .grant_name(&self.keys.repo);
        file::keep_authentic(
            &self.state.logs_path(&name),
            &self.state_key,
            &cbor::encode(&known),
        )
    }
}

/// What a second reading of the roster showed.
enum Seen {
    Same,
    Changed,
}
