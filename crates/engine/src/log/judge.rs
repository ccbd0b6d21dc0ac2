//! What the logs must show: what this machine remembers, what the devices have seen of each other, where logs were cut and
//! what admins accepted.
//!
//! Every contradiction is a [`Lie`]. It ends the reading, unless somebody wants to see what is shown all the same: then it is
//! kept among the doubts.

use std::collections::BTreeMap;

use ownkey_crypto::{DeviceId, ObjectHash};

use super::Logs;
use super::read::LogReader;
use crate::error::{Error, Lie, Result};
use crate::format::entry::{EntryRef, LogEntry, LogPosition, ROSTER, RosterPosition};
use crate::roster::Roster;
use crate::state::Tips;

impl Logs {
    /// Puts a lie among the doubts where there are such.
    pub(super) fn judge<T: Default>(&mut self, judged: Result<T>) -> Result<T> {
        match (judged, &mut self.doubts) {
            (Err(Error::Lie(lie)), Some(doubts)) => {
                if !doubts.contains(&lie) {
                    doubts.push(lie);
                }
                Ok(T::default())
            }
            (judged, _) => judged,
        }
    }

    /// The log of a removed device ends with the entry that its cut names: who cut it had read
    /// that far, and nobody can make the entries before it others. And a log that an admin accepted has at least what was
    /// shown then.
    pub(super) fn must_reach_ends(&mut self, roster: &Roster) -> Result<()> {
        let cuts = roster.members().filter_map(|member| {
            let (next, last) = member.cut?;
            Some((member.id, next, last))
        });
        // Of one log the last counts: an admin may have accepted even less.
        let accepts = roster.accepts().iter();
        let accepts: BTreeMap<DeviceId, (u64, ObjectHash)> = accepts
            .filter(|accepted| accepted.device != ROSTER)
            .map(|accepted| (accepted.device, (accepted.next, accepted.last)))
            .collect();
        let accepts = accepts.into_iter();
        let accepts = accepts.map(|(device, (next, last))| (device, next, last));
        for (device, next, last) in cuts.chain(accepts) {
            let Some(seq) = next
                .checked_sub(1)
                .filter(|seq| !is_void(roster, &device, *seq))
            else {
                continue;
            };
            let judged = self.must_reach(device, LogPosition { seq, hash: last });
            self.judge(judged)?;
        }
        Ok(())
    }

    fn must_reach(&self, device: DeviceId, at: LogPosition) -> Result<()> {
        let (log, seq) = (self.logs.get(&device), at.seq);
        let Some(tip) = log.and_then(|log| log.tip).filter(|tip| tip.seq >= seq) else {
            return Err(Lie::LogRolledBack { device, seq }.into());
        };
        match self.hash(device, seq, tip) {
            Some(hash) if hash != at.hash => Err(Lie::LogForked { device, seq }.into()),
            _ => Ok(()),
        }
    }

    fn hash(&self, device: DeviceId, seq: u64, tip: LogPosition) -> Option<ObjectHash> {
        if tip.seq == seq {
            return Some(tip.hash);
        }
        self.logs.get(&device)?.hashes.get(&seq).copied()
    }

    /// What this device has seen must still be there, unless an admin has accepted meanwhile that it is not.
    pub(super) fn must_extend(&mut self, roster: &Roster, tips: &Tips) -> Result<()> {
        for (device, at) in &tips.logs {
            let (device, at) = (*device, *at);
            let judged = self.extends(roster, device, at);
            if !gave_up(roster, tips, &EntryRef { device, at }) {
                self.judge(judged)?;
            }
        }
        Ok(())
    }

    /// What this device had seen, and an admin has given up.
    pub(crate) fn given_up(&self, roster: &Roster, tips: &Tips) -> Vec<EntryRef> {
        let entries = tips.logs.iter().map(|(device, at)| EntryRef {
            device: *device,
            at: *at,
        });
        let entries = entries.filter(|entry| gave_up(roster, tips, entry));
        entries
            .filter(|entry| self.extends(roster, entry.device, entry.at).is_err())
            .collect()
    }

    fn extends(&self, roster: &Roster, device: DeviceId, at: LogPosition) -> Result<()> {
        let seq = at.seq;
        if is_void(roster, &device, seq) {
            return Ok(());
        }
        let log = self.logs.get(&device);
        let Some(tip) = log.and_then(|log| log.tip).filter(|tip| tip.seq >= seq) else {
            return Err(Lie::LogRolledBack { device, seq }.into());
        };
        // Reading begins at the last fold before the remembered entry, so its hash is known.
        match self.hash(device, seq, tip) {
            Some(hash) if hash == at.hash => Ok(()),
            _ => Err(Lie::LogForked { device, seq }.into()),
        }
    }

    /// Whether an entry is part of what is shown, or need not be because it lies behind a cut. One that was not read in this
    /// run is followed to one that was, by the hashes that name each other.
    pub(crate) fn show(&self, reader: LogReader<'_>, entry: &EntryRef) -> Result<bool> {
        if is_void(reader.roster, &entry.device, entry.at.seq) {
            return Ok(true);
        }
        let (Some(member), Some(log)) = (
            reader.roster.member(&entry.device),
            self.logs.get(&entry.device),
        ) else {
            return Ok(false);
        };
        let mut at = entry.at;
        loop {
            let tip = log.tip.filter(|tip| tip.seq > at.seq);
            match (log.hashes.get(&at.seq), tip) {
                (Some(hash), _) => return Ok(*hash == at.hash),
                (None, None) => return Ok(false),
                (None, Some(_)) => {}
            }
            let seq = at.seq.saturating_add(1);
            match reader.entry(member, seq)? {
                Some((hash, said)) if said.previous == at.hash => at = LogPosition { seq, hash },
                _ => return Ok(false),
            }
        }
    }

    /// What another device has seen must be shown to us too.
    pub(super) fn must_show_what_was_seen(
        &mut self,
        reader: LogReader<'_>,
        witness: &LogEntry,
    ) -> Result<()> {
        for seen in &witness.seen {
            let judged = self.must_show(reader, witness, seen);
            self.judge(judged)?;
        }
        let (roster, at) = (reader.roster, &witness.roster);
        let known = at.n <= roster.position().n;
        if known && !roster.contains(at) && !roster.gave_up(&EntryRef::of_roster(*at), |_| false) {
            self.judge::<()>(Err(Lie::RosterForked(at.n).into()))?;
        }
        if self.roster.is_none_or(|seen| seen.n < at.n) {
            self.roster = Some(*at);
        }
        Ok(())
    }

    /// What the entries that were read say to have seen of the roster, and it does not show: it was read too early, or is
    /// hidden.
    pub(crate) fn ahead_of(&self, roster: &Roster) -> Option<RosterPosition> {
        let missing = |at: &RosterPosition| {
            !roster.contains(at) && !roster.gave_up(&EntryRef::of_roster(*at), |_| false)
        };
        self.roster.filter(missing)
    }

    fn must_show(
        &mut self,
        reader: LogReader<'_>,
        witness: &LogEntry,
        seen: &EntryRef,
    ) -> Result<()> {
        let (roster, device, seq) = (reader.roster, seen.device, seen.at.seq);
        let knew = |accepted: &_| roster.knew(&witness.roster, accepted);
        if is_void(roster, &device, seq) || roster.gave_up(seen, knew) {
            return Ok(());
        }
        let ahead = |logs: &Self| {
            let tip = logs.logs.get(&device).and_then(|log| log.tip);
            tip.is_none_or(|tip| tip.seq < seq)
        };
        if ahead(self) {
            // It may have been written after we read that log: look once more.
            if let Some(member) = roster.member(&device) {
                while self.grow(reader, member)?.is_some() {}
            }
            if ahead(self) {
                return Err(Lie::SeenAhead {
                    device,
                    seq,
                    witness: witness.device,
                }
                .into());
            }
        }
        let known = self.logs.get(&device).and_then(|log| log.hashes.get(&seq));
        match known {
            Some(hash) if *hash != seen.at.hash => Err(Lie::LogForked { device, seq }.into()),
            _ => Ok(()),
        }
    }
}

/// Whether an admin has accepted, since these tips were kept, that the storage does not show an entry.
pub(crate) fn gave_up(roster: &Roster, tips: &Tips, entry: &EntryRef) -> bool {
    roster.gave_up(entry, |accepted| tips.accepted.contains(&accepted.by.hash))
}

/// Whether an entry lies behind its device's cut: who saw it before the cut was made did see it,
/// and nobody has to show it any more.
fn is_void(roster: &Roster, device: &DeviceId, seq: u64) -> bool {
    let cut = roster.member(device).and_then(|member| member.cut);
    cut.is_some_and(|(next, _)| seq >= next)
}
