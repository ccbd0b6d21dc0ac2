//! Adding an entry to one's own log: the only commit point of the repository.

use ownkey_crypto::{ObjectHash, Sealed, log_name, object_hash};
use ownkey_storage::{ObjectName, Prefix};

use super::Logs;
use super::read::{Entry, LogReader};
use crate::error::{Error, Lie, Result};
use crate::format::cbor;
use crate::format::entry::{EntryRef, Event, FOLD_INTERVAL, LogEntry, LogPosition};
use crate::format::layout;
use crate::format::record::SnapshotRecord;
use crate::format::time::Timestamp;
use crate::io::{Created, Io, Outgoing};
use crate::keyring::Keyring;
use crate::roster::Roster;

/// What an entry is to say.
pub(crate) struct Draft {
    pub(crate) event: Event,
    /// For readers only.
    pub(crate) record: Option<SnapshotRecord>,
    pub(crate) time: Timestamp,
}

/// What is read next after an entry was stored, and is asked for together with it.
#[derive(Clone, Copy)]
pub(crate) enum Next<'a> {
    /// Nothing.
    Nothing,
    /// The roster.
    Roster,
    /// The roster, and the next entry of every log but the own one.
    Look(&'a Roster),
}

impl Next<'_> {
    fn names(self, logs: &Logs) -> Vec<ObjectName> {
        match self {
            Self::Look(roster) => logs.next_names(roster.members(), 1),
            Self::Roster | Self::Nothing => Vec::new(),
        }
    }

    fn prefixes(self) -> Option<Prefix> {
        match self {
            Self::Nothing => None,
            Self::Roster | Self::Look(_) => Some(layout::roster()),
        }
    }
}

/// Writes entries of this identity's log.
pub(crate) struct Appender<'a> {
    pub(crate) io: &'a Io,
    pub(crate) keys: &'a Keyring,
    pub(crate) roster: &'a Roster,
}

impl Appender<'_> {
    /// Puts `draft` at the end of the own log. When it returns, the entry is durable, and it is this
    /// one that is stored there. What is asked for `next` is on its way to the `Io` that is returned.
    pub(crate) fn append(
        &self,
        logs: &mut Logs,
        draft: &Draft,
        next: Next<'_>,
    ) -> Result<(LogPosition, Io)> {
        // Somebody who copied this identity may write too. Then nothing is overwritten: the
        // log is read again, and the entry goes behind theirs.
        const ATTEMPTS: usize = 4;
        for _ in 0..ATTEMPTS {
            let (at, entry, bytes) = self.seal(logs, draft)?;
            let me = self.keys.me();
            let name = layout::log_entry(&me, at.seq);
            let created = self.io.create(&name, Outgoing::Object(bytes));
            let reader = LogReader {
                io: self.io,
                keys: self.keys,
                roster: self.roster,
            };
            if matches!(created, Ok(Created::New)) {
                // Read back: a storage may swallow what it acknowledged, and where creation is not
                // atomic it may be somebody else's entry that stays.
                let names = std::iter::once(name.clone()).chain(next.names(logs));
                let io = self.io.ahead(names, next.prefixes());
                let stored = io.find(&name)?;
                if stored.is_some_and(|bytes| object_hash(&bytes) == at.hash) {
                    logs.add_own(reader, &Entry { at, entry })?;
                    return Ok((at, io));
                }
            }
            // After an error the entry may be there all the same: only its answer was lost.
            if let (Err(refresh), Ok(_)) = (logs.refresh_own(reader), &created) {
                return Err(refresh);
            }
            let stored = logs
                .of(&me)
                .and_then(|log| log.hashes.get(&at.seq))
                .copied();
            match (created, stored) {
                (_, Some(hash)) if hash == at.hash => return Ok((at, self.io.clone())),
                (Err(error), _) => return Err(error.into()),
                (Ok(Created::New), _) => {
                    return Err(Lie::LogRolledBack {
                        device: me,
                        seq: at.seq,
                    }
                    .into());
                }
                (Ok(Created::Existed), Some(_)) => {}
                (Ok(Created::Existed), None) => {
                    return Err(Lie::NotSigned {
                        device: me,
                        seq: at.seq,
                    }
                    .into());
                }
            }
        }
        Err(Lie::IdentityCopied.into())
    }

    fn seal(&self, logs: &Logs, draft: &Draft) -> Result<(LogPosition, LogEntry, Sealed)> {
        let me = self.keys.me();
        let own = logs.of(&me);
        let tip = own.and_then(|log| log.tip);
        let seq = tip
            .map_or(Some(0), |tip| tip.seq.checked_add(1))
            .ok_or(Error::NotAllowed("write any more"))?;
        let name = log_name(&me, seq);
        let seal_record = |record| {
            self.keys
                .writer()
                .seal_body(&name, &cbor::encode(record), &self.keys.holder.hedge)
        };
        let entry = LogEntry {
            device: me,
            seq,
            previous: tip.map_or(ObjectHash::from_bytes([0; 32]), |tip| tip.hash),
            roster: self.roster.position(),
            seen: logs
                .tips()
                .into_iter()
                .filter(|(id, _)| *id != me)
                .map(|(device, at)| EntryRef { device, at })
                .collect(),
            time: draft.time,
            event: draft.event.clone(),
            sealed_body: draft
                .record
                .as_ref()
                .map(seal_record)
                .transpose()?
                .map(Sealed::into_bytes),
            fold: self.seal_fold(logs, seq, &name)?,
        };
        let sealed = self.keys.current_log()?.seal_log(
            &name,
            &cbor::encode(&entry),
            &self.keys.holder.identity,
            &self.keys.holder.hedge,
        )?;
        let hash = object_hash(sealed.as_bytes());
        Ok((LogPosition { seq, hash }, entry, sealed))
    }

    /// Only who can read the records of its own log can fold them.
    fn seal_fold(&self, logs: &Logs, seq: u64, name: &str) -> Result<Option<Vec<u8>>> {
        if seq == 0 || !seq.is_multiple_of(FOLD_INTERVAL) || !self.keys.may_read() {
            return Ok(None);
        }
        let me = self.keys.me();
        let Some(log) = logs.of(&me) else {
            return Ok(None);
        };
        let Some(fold) = log.state.fold(me, log.last_fold).encoded() else {
            return Ok(None);
        };
        let sealed = self
            .keys
            .writer()
            .seal_fold(name, &fold, &self.keys.holder.hedge)?;
        Ok(Some(sealed.into_bytes()))
    }
}
