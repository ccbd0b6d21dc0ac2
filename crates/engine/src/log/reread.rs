//! Reading a whole log again, for who wants to believe no fold.

use std::collections::BTreeSet;

use ownkey_crypto::{Capabilities, DeviceId, ObjectHash};
use ownkey_storage::ObjectName;

use super::DeviceLog;
use super::read::LogReader;
use crate::error::Result;
use crate::format::entry::{EntryRef, Event, LogPosition, Recorded, RosterPosition};
use crate::log_state::is_true_fold;
use crate::roster::Member;

/// A log as its entries from the first one say it is.
#[derive(Debug, Default)]
pub(crate) struct Reread {
    log: DeviceLog,
    /// Entries whose fold is not what the entries before them add up to.
    pub(crate) wrong_folds: Vec<u64>,
    /// Everything its author says to have seen of other logs.
    pub(crate) seen: BTreeSet<EntryRef>,
    /// And of the roster.
    pub(crate) rosters: BTreeSet<RosterPosition>,
}

impl Reread {
    /// The newest entry.
    pub(crate) fn tip(&self) -> Option<LogPosition> {
        self.log.tip
    }

    /// Every entry, of the log of `device`.
    pub(crate) fn entries(&self, device: DeviceId) -> impl Iterator<Item = EntryRef> {
        self.log.hashes.iter().map(move |(seq, hash)| EntryRef {
            device,
            at: LogPosition {
                seq: *seq,
                hash: *hash,
            },
        })
    }

    /// The hash of an entry.
    pub(crate) fn hash(&self, seq: u64) -> Option<ObjectHash> {
        self.log.hashes.get(&seq).copied()
    }
}

impl LogReader<'_> {
    /// A Backup as its own entry has it, if that was confirmed: folds keep no record of what their log forgot.
    pub(crate) fn confirmed_backup(
        self,
        member: &Member,
        at: LogPosition,
    ) -> Result<Option<Recorded>> {
        let counts = member.capabilities.contain(Capabilities::WRITE);
        let stands = |seq: u64| member.cut.is_none_or(|(next, _)| seq < next);
        let read = |seq| match counts && stands(seq) {
            true => self.entry(member, seq),
            false => Ok(None),
        };
        let Some((_, backup)) = read(at.seq)?.filter(|(hash, _)| *hash == at.hash) else {
            return Ok(None);
        };
        if !matches!(backup.event, Event::Backup { .. }) {
            return Ok(None);
        }
        for seq in at.seq.saturating_add(1).. {
            match read(seq)?.map(|(_, entry)| entry.event) {
                Some(Event::Confirm(which)) if which == at => break,
                // It ended with the next one, or with the log.
                None | Some(Event::Backup { .. }) => return Ok(None),
                Some(_) => {}
            }
        }
        let record = self.record(&backup, at.seq)?;
        Ok(record.map(|record| Recorded { at, record }))
    }

    /// Reads a log from entry 0 and recomputes every fold on the way. One may leave out what `is_gone`.
    pub(crate) fn reread(
        self,
        member: &Member,
        is_gone: &dyn Fn(&ObjectName) -> bool,
    ) -> Result<Reread> {
        let mut reread = Reread::default();
        self.read_on(member, &mut reread, is_gone)?;
        Ok(reread)
    }

    /// Reads what a log has grown by since.
    pub(crate) fn read_on(
        self,
        member: &Member,
        reread: &mut Reread,
        is_gone: &dyn Fn(&ObjectName) -> bool,
    ) -> Result<()> {
        // What a device without this right says has no effect, so its folds say nothing either.
        let folds = member.capabilities.contain(Capabilities::WRITE);
        while let Some(entry) = self.next(member, &reread.log)? {
            let seq = entry.at.seq;
            if folds && let Some(fold) = self.fold(&entry.entry, seq)? {
                let of_entries = reread.log.state.fold(member.id, reread.log.last_fold);
                if !is_true_fold(&fold, &of_entries, is_gone) {
                    reread.wrong_folds.push(seq);
                }
            }
            self.take(&mut reread.log, &entry)?;
            reread.seen.extend(entry.entry.seen.iter().copied());
            reread.rosters.insert(entry.entry.roster);
        }
        Ok(())
    }
}
