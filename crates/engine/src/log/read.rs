//! Reading logs: from a fold or from the beginning, entry by entry, each verified.
//!
//! What they must show is in `judge`.

use ownkey_crypto::{
    Capabilities, DeviceId, ObjectHash, OpenError, Opened, ReaderKeys, log_name, object_hash,
    peek_epoch,
};
use ownkey_storage::ObjectName;

use super::{DeviceLog, KnownLogs, Logs};
use crate::error::{Error, Lie, Result};
use crate::format::cbor::{self, Record};
use crate::format::entry::{FOLD_INTERVAL, Fold, LogEntry, LogPosition};
use crate::format::layout::{self, Object};
use crate::format::record::SnapshotRecord;
use crate::io::Io;
use crate::keyring::Keyring;
use crate::log_state::LogState;
use crate::roster::{Member, Roster};
use crate::state::Tips;

/// What reading logs needs.
#[derive(Clone, Copy)]
pub(crate) struct LogReader<'a> {
    pub(crate) io: &'a Io,
    pub(crate) keys: &'a Keyring,
    pub(crate) roster: &'a Roster,
}

/// A verified entry and its place.
pub(crate) struct Entry {
    pub(crate) at: LogPosition,
    pub(crate) entry: LogEntry,
}

impl Logs {
    /// Reads every log of the roster for the first time in this run, from what is `known` on. Lies are the end, or where
    /// there are `doubts` join them.
    pub(crate) fn load(
        reader: LogReader<'_>,
        remembered: Option<&Tips>,
        mut known: KnownLogs,
        doubts: Option<Vec<Lie>>,
    ) -> Result<Self> {
        let mut logs = Self {
            doubts,
            ..Self::default()
        };
        for member in reader.roster.members() {
            let tip = remembered.and_then(|tips| tips.logs.get(&member.id));
            let log = known.take(&member.id, reader.roster, tip);
            let log = match log {
                Some(log) if reader.still_shows(member, &log)? => log,
                _ => reader.begin(member, tip.copied())?,
            };
            logs.logs.insert(member.id, log);
        }
        logs.refresh(reader)?;
        if let Some(tips) = remembered {
            logs.must_extend(reader.roster, tips)?;
        }
        Ok(logs)
    }

    /// Reads what every log has grown by.
    pub(crate) fn refresh(&mut self, reader: LogReader<'_>) -> Result<()> {
        self.follow(reader, reader.roster.members().collect())
    }

    /// Reads what the own log has grown by.
    pub(crate) fn refresh_own(&mut self, reader: LogReader<'_>) -> Result<()> {
        self.follow(
            reader,
            reader
                .roster
                .member(&reader.keys.me())
                .into_iter()
                .collect(),
        )
    }

    /// Reads what every log but the own one has grown by.
    pub(crate) fn refresh_others(&mut self, reader: LogReader<'_>) -> Result<()> {
        let me = reader.keys.me();
        let others = reader.roster.members().filter(|member| member.id != me);
        self.follow(reader, others.collect())
    }

    /// Adds an entry that this run has stored.
    pub(super) fn add_own(&mut self, reader: LogReader<'_>, entry: &Entry) -> Result<()> {
        let log = self.logs.entry(reader.keys.me()).or_default();
        reader.take(log, entry)
    }

    /// Names of the next `count` entries of some logs, as far as they can be valid.
    pub(crate) fn next_names<'m>(
        &self,
        members: impl IntoIterator<Item = &'m Member>,
        count: u64,
    ) -> Vec<ObjectName> {
        let next = |member: &Member| {
            let tip = self.logs.get(&member.id).and_then(|log| log.tip);
            let from = tip.map_or(0, |tip| tip.seq.saturating_add(1));
            let end = member.cut.map_or(u64::MAX, |(next, _)| next);
            let (device, to) = (member.id, from.saturating_add(count).min(end));
            (from..to).map(move |seq| layout::log_entry(&device, seq))
        };
        members.into_iter().flat_map(next).collect()
    }

    /// Reads logs to their ends, side by side. A log that has grown is likely to have grown by more,
    /// so ever more of its entries are asked for at once.
    fn follow(&mut self, reader: LogReader<'_>, mut growing: Vec<&Member>) -> Result<()> {
        const MOST: u64 = 16;
        let mut all = Vec::new();
        let mut step = 1;
        while !growing.is_empty() {
            let io = reader
                .io
                .ahead(self.next_names(growing.iter().copied(), step), []);
            let reader = LogReader { io: &io, ..reader };
            let mut left = Vec::new();
            for member in growing {
                let mut found = 0;
                while found < step
                    && let Some(entry) = self.grow(reader, member)?
                {
                    all.push(entry);
                    found += 1;
                }
                if found == step {
                    left.push(member);
                }
            }
            growing = left;
            step = (step * 2).min(MOST);
        }
        for Entry { entry, .. } in &all {
            self.must_show_what_was_seen(reader, entry)?;
        }
        self.must_reach_ends(reader.roster)
    }

    /// Adds the next entry of one log, if there is one.
    pub(super) fn grow(&mut self, reader: LogReader<'_>, member: &Member) -> Result<Option<Entry>> {
        let next = reader.next(member, self.logs.entry(member.id).or_default());
        let next = self.judge(next)?;
        if let Some(entry) = &next {
            reader.take(self.logs.entry(member.id).or_default(), entry)?;
        }
        Ok(next)
    }
}

impl LogReader<'_> {
    /// Whether the storage shows the entry that a log, as we know it, ended with.
    fn still_shows(self, member: &Member, log: &DeviceLog) -> Result<bool> {
        let Some(tip) = log.tip else {
            return Ok(true);
        };
        if member.cut.is_some_and(|(next, _)| tip.seq >= next) {
            return Ok(false);
        }
        let name = layout::log_entry(&member.id, tip.seq);
        let shown = self.io.find(&name)?;
        Ok(shown.is_some_and(|bytes| object_hash(&bytes) == tip.hash))
    }

    /// A log up to the fold from which reading goes on.
    fn begin(self, member: &Member, known: Option<LogPosition>) -> Result<DeviceLog> {
        // A storage may list any number: only what it lists is tried, so that an invented entry
        // costs one look-up and not all numbers below it.
        let mut folds = match known {
            Some(at) => (1..=at.seq / FOLD_INTERVAL)
                .map(|nth| nth * FOLD_INTERVAL)
                .collect(),
            None => self.listed_folds(&member.id)?,
        };
        // What a removed device wrote behind its cut is void, folds above all.
        folds.retain(|seq| member.cut.is_none_or(|(next, _)| *seq < next));
        while let Some(fold_at) = folds.pop() {
            if let Some(log) = self.up_to_fold(member, fold_at)? {
                return Ok(log);
            }
        }
        Ok(DeviceLog::default())
    }

    /// Numbers of listed entries that carry a fold if they are what they say, ascending.
    fn listed_folds(self, device: &DeviceId) -> Result<Vec<u64>> {
        let mut folds = Vec::new();
        for object in self.io.list(&layout::log(device))? {
            if let Some(Object::LogEntry(_, seq)) = Object::parse(&object.name)
                && seq > 0
                && seq.is_multiple_of(FOLD_INTERVAL)
            {
                folds.push(seq);
            }
        }
        Ok(folds)
    }

    /// The log as of the fold in entry `seq`, that entry included; `None` if it carries none.
    fn up_to_fold(self, member: &Member, seq: u64) -> Result<Option<DeviceLog>> {
        let Some((hash, entry)) = self.entry(member, seq)? else {
            return Ok(None);
        };
        let Some(fold) = self.fold(&entry, seq)? else {
            return Ok(None);
        };
        let at = LogPosition { seq, hash };
        let before = seq.checked_sub(1).map(|seq| LogPosition {
            seq,
            hash: entry.previous,
        });
        let mut log = DeviceLog {
            tip: before,
            state: LogState::from(fold),
            unlisted: true,
            ..DeviceLog::default()
        };
        self.take(&mut log, &Entry { at, entry })?;
        Ok(Some(log))
    }

    pub(super) fn fold(self, entry: &LogEntry, seq: u64) -> Result<Option<Fold>> {
        self.inner(entry.fold.as_ref(), entry, seq, ReaderKeys::open_fold)
    }

    /// The entry after the tip of `log`, if there is one and it is not void.
    pub(super) fn next(self, member: &Member, log: &DeviceLog) -> Result<Option<Entry>> {
        let seq = log.tip.map_or(Some(0), |tip| tip.seq.checked_add(1));
        let Some(seq) = seq.filter(|seq| member.cut.is_none_or(|(next, _)| *seq < next)) else {
            return Ok(None);
        };
        let Some((hash, entry)) = self.entry(member, seq)? else {
            return Ok(None);
        };
        let previous = log
            .tip
            .map_or(ObjectHash::from_bytes([0; 32]), |tip| tip.hash);
        if entry.previous != previous {
            return Err(Lie::LogForked {
                device: member.id,
                seq,
            }
            .into());
        }
        Ok(Some(Entry {
            at: LogPosition { seq, hash },
            entry,
        }))
    }

    /// Entry `seq`, signed by its device.
    pub(crate) fn entry(self, member: &Member, seq: u64) -> Result<Option<(ObjectHash, LogEntry)>> {
        let name = layout::log_entry(&member.id, seq);
        let Some(bytes) = self.io.find(&name)? else {
            return Ok(None);
        };
        let entry = self.open(member, seq, &bytes)?;
        Ok(Some((object_hash(&bytes), entry)))
    }

    /// What is said to be entry `seq`, if its device signed it.
    pub(crate) fn open(self, member: &Member, seq: u64, bytes: &[u8]) -> Result<LogEntry> {
        let name = layout::log_entry(&member.id, seq);
        let lie = Lie::NotSigned {
            device: member.id,
            seq,
        };
        let (_, epoch) = peek_epoch(bytes).map_err(|_| lie.clone())?;
        let sealed = self
            .keys
            .log(epoch)?
            .open_log(&log_name(&member.id, seq), bytes)
            .map_err(|_| lie.clone())?;
        let opened = sealed
            .verified_by(&member.public)
            .map_err(|_| lie.clone())?;
        let entry: LogEntry =
            cbor::decode(&opened).map_err(|source| Error::Format { name, source })?;
        if entry.device != member.id || entry.seq != seq {
            return Err(lie.into());
        }
        Ok(entry)
    }

    /// Adds an entry to its log. What a device without `write` says has no effect.
    pub(super) fn take(self, log: &mut DeviceLog, Entry { at, entry }: &Entry) -> Result<()> {
        let member = self.roster.member(&entry.device);
        if member.is_some_and(|member| member.capabilities.contain(Capabilities::WRITE)) {
            let record = self.record(entry, at.seq)?;
            log.state.apply(*at, &entry.event, record);
        }
        if entry.fold.is_some() {
            log.last_fold = Some(*at);
        }
        log.hashes.insert(at.seq, at.hash);
        log.tip = Some(*at);
        Ok(())
    }

    pub(super) fn record(self, entry: &LogEntry, seq: u64) -> Result<Option<SnapshotRecord>> {
        self.inner(
            entry.sealed_body.as_ref(),
            entry,
            seq,
            ReaderKeys::open_body,
        )
    }

    /// What is sealed to readers inside an entry; `None` if there is nothing or we are no reader.
    fn inner<R: Record>(
        self,
        sealed: Option<&Vec<u8>>,
        entry: &LogEntry,
        seq: u64,
        open: fn(&ReaderKeys, &str, &[u8]) -> Result<Opened, OpenError>,
    ) -> Result<Option<R>> {
        let Some(sealed) = sealed.filter(|_| self.keys.may_read()) else {
            return Ok(None);
        };
        let name = layout::log_entry(&entry.device, seq);
        let damaged = |source| Error::Object {
            name: name.clone(),
            source,
        };
        let (_, epoch) = peek_epoch(sealed).map_err(damaged)?;
        let opened = open(self.keys.reader(epoch)?, name.as_str(), sealed).map_err(damaged)?;
        cbor::decode(&opened)
            .map(Some)
            .map_err(|source| Error::Format { name, source })
    }
}
