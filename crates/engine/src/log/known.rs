//! What a machine knows of the logs already, so that it reads only what is new.
//!
//! Believed in one case only: the roster is the same, the tips this machine remembers do not lie
//! behind it, and the storage still shows the entry that each log ended with, by its hash. That entry
//! names the one before it by hash, and so on to the first: no storage can show it and have another
//! history. In all other cases the logs are read as on a new machine. Losing this costs time only.

use std::collections::BTreeMap;

use ownkey_crypto::{DeviceId, Epoch, ObjectHash};
use ownkey_storage::ObjectName;

use super::{DeviceLog, Logs};
use crate::format::FormatError;
use crate::format::cbor::{Reader, Record, Writer};
use crate::format::entry::{Fold, LogPosition, RosterPosition};
use crate::format::layout;
use crate::keyring::GrantVersion;
use crate::log_state::LogState;
use crate::roster::Roster;

/// The logs as of one roster, and under which grant they were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownLogs {
    pub(crate) grant: Option<GrantVersion>,
    pub(crate) roster: Option<RosterPosition>,
    logs: BTreeMap<DeviceId, DeviceLog>,
}

/// More identities than any roster has.
const DEVICES: usize = 1 << 16;

impl KnownLogs {
    pub(crate) fn of(grant: GrantVersion, roster: &Roster, logs: &Logs) -> Self {
        Self {
            grant: Some(grant),
            roster: Some(roster.position()),
            logs: logs.logs.clone(),
        }
    }

    /// What is read first: the end of every log, and what may have come after it.
    pub(crate) fn names(&self) -> impl Iterator<Item = ObjectName> {
        self.logs.iter().flat_map(|(device, log)| {
            let tip = log.tip.map(|tip| tip.seq);
            let next = tip.map_or(Some(0), |seq| seq.checked_add(1));
            let both = tip.into_iter().chain(next);
            both.map(|seq| layout::log_entry(device, seq))
        })
    }

    /// What is known of one log, if it was the same roster and is not ahead of `remembered`.
    pub(crate) fn take(
        &mut self,
        device: &DeviceId,
        roster: &Roster,
        remembered: Option<&LogPosition>,
    ) -> Option<DeviceLog> {
        if self.roster != Some(roster.position()) {
            return None;
        }
        let log = self.logs.remove(device)?;
        let is_behind = match (log.tip, remembered) {
            (None, _) => true,
            (Some(tip), Some(at)) => tip.seq < at.seq || tip == *at,
            (Some(_), None) => false,
        };
        is_behind.then_some(log)
    }
}

impl Record for KnownLogs {
    const WHAT: &'static str = "record of known logs";
    const LIMIT: usize = 256 << 20;

    fn write(&self, to: &mut Writer) {
        let logs: Vec<(&DeviceId, &DeviceLog)> = self.logs.iter().collect();
        to.map(|f| {
            f.put_some(0, self.grant.as_ref(), |w, grant| {
                w.tuple(2);
                w.unsigned(u64::from(grant.epoch.get()));
                w.bytes(grant.hash.as_bytes());
            });
            f.put_some(1, self.roster.as_ref(), |w, roster| {
                w.tuple(2);
                w.unsigned(u64::from(roster.n));
                w.bytes(roster.hash.as_bytes());
            });
            f.put(2, |w| {
                w.array(&logs, |w, (device, log)| {
                    w.map(|f| {
                        f.put(0, |w| w.bytes(device.as_bytes()));
                        f.put_some(1, log.tip.as_ref(), Writer::record);
                        f.put_some(2, log.last_fold.as_ref(), Writer::record);
                        f.put(3, |w| w.record(log.state.as_fold()));
                        f.put(4, |w| w.unsigned(u64::from(log.unlisted)));
                    });
                });
            });
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            let logs = |r: &mut Reader<'_>| r.array(DEVICES, read_log);
            Ok(Self {
                grant: m.optional(0, |r| {
                    r.tuple(2)?;
                    Ok(GrantVersion {
                        epoch: Epoch::new(r.narrow()?).ok_or_else(|| r.malformed())?,
                        hash: ObjectHash::from_bytes(r.array_of_bytes()?),
                    })
                })?,
                roster: m.optional(1, |r| {
                    r.tuple(2)?;
                    Ok(RosterPosition {
                        n: r.narrow()?,
                        hash: ObjectHash::from_bytes(r.array_of_bytes()?),
                    })
                })?,
                logs: m.required(2, logs)?.into_iter().collect(),
            })
        })
    }
}

fn read_log(from: &mut Reader<'_>) -> Result<(DeviceId, DeviceLog), FormatError> {
    from.map(|m| {
        let device = DeviceId::from_bytes(m.required(0, Reader::array_of_bytes)?);
        let tip: Option<LogPosition> = m.optional(1, Reader::record)?;
        let last_fold = m.optional(2, Reader::record)?;
        let fold: Fold = m.required(3, Reader::record)?;
        let unlisted = m.required(4, Reader::flag)?;
        let log = DeviceLog {
            tip,
            state: LogState::from(fold),
            hashes: tip.into_iter().map(|tip| (tip.seq, tip.hash)).collect(),
            last_fold,
            unlisted,
        };
        Ok((device, log))
    })
}
