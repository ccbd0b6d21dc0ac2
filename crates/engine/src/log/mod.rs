//! The logs of all devices, as far as this identity has read and verified them.
//!
//! A [`Logs`] only grows: [`Logs::refresh`] reads every log from where it ended and compares
//! with what was remembered and with what the devices say they have seen of each other. A
//! storage that takes back, forks or replaces an entry is a [`Lie`](crate::error::Lie).

mod append;
mod judge;
mod known;
mod read;
mod reread;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use ownkey_crypto::{Capabilities, DeviceId, ObjectHash};

use crate::error::Lie;
use crate::format::entry::{EntryRef, LogPosition, PackName, Recorded, RosterPosition};
use crate::log_state::{Condemned, LogState};
use crate::roster::Roster;

pub(crate) use append::{Appender, Draft, Next};
pub(crate) use judge::gave_up;
pub(crate) use known::KnownLogs;
pub(crate) use read::LogReader;
pub(crate) use reread::Reread;

/// One device's log.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceLog {
    /// The newest entry.
    pub(crate) tip: Option<LogPosition>,
    /// What its entries add up to.
    pub(crate) state: LogState,
    /// Hashes of the entries read, to compare with what others saw.
    hashes: BTreeMap<u64, ObjectHash>,
    /// The newest entry that carried a fold.
    last_fold: Option<LogPosition>,
    /// Whether it was begun at a fold, which leaves out Condemns of what is gone, and the packs were not listed since.
    unlisted: bool,
}

/// All logs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    logs: BTreeMap<DeviceId, DeviceLog>,
    /// What contradicts what is shown, where that is no reason to stop.
    pub(crate) doubts: Option<Vec<Lie>>,
    /// The furthest that an entry which was read says to have seen of the roster.
    roster: Option<RosterPosition>,
}

impl Logs {
    /// The newest entry of every log that has one.
    pub(crate) fn tips(&self) -> BTreeMap<DeviceId, LogPosition> {
        self.logs
            .iter()
            .filter_map(|(device, log)| Some((*device, log.tip?)))
            .collect()
    }

    /// One device's log.
    pub(crate) fn of(&self, device: &DeviceId) -> Option<&DeviceLog> {
        self.logs.get(device)
    }

    /// Whether what is gone is known to be condemned, or was found missing by a listing.
    pub(crate) fn are_listed(&self) -> bool {
        self.logs.values().all(|log| !log.unlisted)
    }

    /// The packs were listed after all this was read.
    pub(crate) fn now_listed(&mut self) {
        self.logs.values_mut().for_each(|log| log.unlisted = false);
    }

    /// Every entry that was read in this run.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryRef> {
        self.logs.iter().flat_map(|(device, log)| {
            let at = log.hashes.iter().rev();
            at.map(|(seq, hash)| EntryRef {
                device: *device,
                at: LogPosition {
                    seq: *seq,
                    hash: *hash,
                },
            })
        })
    }

    /// For every log the entries that a new machine reads: from the newest fold on.
    pub(crate) fn tails(&self) -> impl Iterator<Item = (DeviceId, RangeInclusive<u64>)> {
        self.logs.iter().filter_map(|(device, log)| {
            let from = log.last_fold.map_or(0, |fold| fold.seq);
            Some((*device, from..=log.tip?.seq))
        })
    }

    /// Confirmed snapshots that nobody who may has forgotten, in the order of devices.
    pub(crate) fn snapshots(&self, roster: &Roster) -> Vec<(DeviceId, &Recorded)> {
        let forgotten = self.forgotten(roster);
        let stands = |device: DeviceId, at| !forgotten.contains(&EntryRef { device, at });
        self.logs
            .iter()
            .flat_map(|(device, log)| {
                log.state
                    .confirmed()
                    .iter()
                    .map(move |snapshot| (*device, snapshot))
            })
            .filter(|(device, snapshot)| stands(*device, snapshot.at))
            .collect()
    }

    /// Backups that may yet be confirmed, and backups in progress, of everybody.
    ///
    /// Of a device whose log was cut, and read up to there, nothing can be confirmed any more.
    pub(crate) fn open(&self, roster: &Roster) -> Vec<&Recorded> {
        let is_cut = |device| {
            roster
                .member(device)
                .is_some_and(|member| member.cut.is_some())
        };
        let logs = self.logs.iter().filter(|(device, _)| !is_cut(device));
        logs.flat_map(|(_, log)| {
            log.state
                .provisional()
                .into_iter()
                .chain(log.state.checkpoint())
        })
        .collect()
    }

    /// Everything that was forgotten, whether it is had back or not.
    pub(crate) fn forgotten(&self, roster: &Roster) -> BTreeSet<EntryRef> {
        self.of_pruners(roster)
            .flat_map(|(_, log)| log.state.forgotten())
            .copied()
            .collect()
    }

    /// The logs of those who may say which snapshots stay.
    fn of_pruners(&self, roster: &Roster) -> impl Iterator<Item = (&DeviceId, &DeviceLog)> {
        self.logs.iter().filter(|(device, _)| {
            roster
                .member(device)
                .is_some_and(|m| m.capabilities.contain(Capabilities::PRUNE))
        })
    }

    /// Pins that nobody has ended, with the snapshots they pin.
    pub(crate) fn pins(&self, roster: &Roster) -> Vec<(EntryRef, &[EntryRef])> {
        let pruners = || self.of_pruners(roster);
        let ended: BTreeSet<&EntryRef> = pruners()
            .flat_map(|(_, log)| log.state.ended_pins())
            .collect();
        pruners()
            .flat_map(|(device, log)| {
                let pins = log.state.pins().iter();
                pins.map(|(at, snapshots)| {
                    let pin = EntryRef {
                        device: *device,
                        at: *at,
                    };
                    (pin, snapshots.as_slice())
                })
            })
            .filter(|(pin, _)| !ended.contains(pin))
            .collect()
    }

    /// Every index segment that an entry names, with its author.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (DeviceId, ObjectHash)> {
        self.logs.iter().flat_map(|(device, log)| {
            log.state
                .segments()
                .iter()
                .map(move |hash| (*device, *hash))
        })
    }

    /// Leaves out of what one log adds up to what is condemned and gone; the Condemn of a segment only when no log
    /// names that any more.
    pub(crate) fn let_go(
        &mut self,
        device: &DeviceId,
        is_pack_gone: &dyn Fn(&PackName) -> bool,
        is_segment_gone: &dyn Fn(&ObjectHash) -> bool,
    ) {
        // What somebody is about to confirm may lead to what is gone, if it was condemned after that look.
        if self.logs.values().any(|log| log.state.is_repacking()) {
            return;
        }
        let condemned = self.condemned().segments;
        let is_over =
            |segment: &ObjectHash| condemned.contains(segment) && is_segment_gone(segment);
        if let Some(log) = self.logs.get_mut(device) {
            log.state.let_go_of_segments(&is_over);
        }
        let named: BTreeSet<ObjectHash> = self.segments().map(|(_, segment)| segment).collect();
        let is_over = |segment: &ObjectHash| !named.contains(segment) && is_segment_gone(segment);
        if let Some(log) = self.logs.get_mut(device) {
            log.state.let_go_of_condemned(is_pack_gone, &is_over);
        }
    }

    /// Everything that some standing Condemn names.
    pub(crate) fn condemned(&self) -> Condemned {
        let mut condemned = Condemned::default();
        for listed in self.logs.values().flat_map(|log| log.state.condemned()) {
            condemned.add(listed);
        }
        condemned
    }
}
