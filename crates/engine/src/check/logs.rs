//! The logs from their first entries, and the keys of everybody who stands.

use std::collections::{BTreeMap, HashSet};

use ownkey_crypto::{DeviceId, object_hash};
use ownkey_storage::{ObjectMeta, ObjectName};

use super::Check;
use super::report::Finding;
use crate::error::{Class, Lie, Result};
use crate::format::entry::EntryRef;
use crate::format::layout::{self, Object};
use crate::log::Reread;
use crate::roster::Member;

impl Check<'_> {
    /// Every log, entry by entry: chained, signed, folded rightly, and as others have seen it.
    pub(super) fn logs(&mut self, listed: &[ObjectMeta]) -> Result<()> {
        let repository = self.repository;
        let mut logs = BTreeMap::new();
        let there: HashSet<&ObjectName> = listed.iter().map(|object| &object.name).collect();
        // A fold that was written since leaves out what was deleted since.
        let is_gone = |name: &ObjectName| {
            !there.contains(name) || repository.io.exists(name).is_ok_and(|exists| !exists)
        };
        for member in repository.roster.members() {
            self.go_on()?;
            match repository.log_reader().reread(member, &is_gone) {
                Ok(log) => drop(logs.insert(member.id, log)),
                Err(error) => self.finding(Finding::of(error)?),
            }
        }
        let seen = self.caught_up(&mut logs, &is_gone)?;
        for (device, log) in &logs {
            self.report.log_entries += log.tip().map_or(0, |tip| tip.seq + 1);
            for seq in &log.wrong_folds {
                let entry = layout::log_entry(device, *seq);
                let message =
                    format!("{entry} carries a state that its own log does not add up to");
                self.finding(Finding {
                    class: Class::StorageLied,
                    message,
                });
            }
            self.same_as_before(device, log);
            self.roster_as_seen(log);
        }
        for (witness, entry) in &seen {
            self.as_seen(&logs, *witness, entry);
        }
        self.nothing_behind(&logs, listed);
        Ok(())
    }

    /// The log as read when the repository was opened, perhaps from a fold.
    fn same_as_before(&mut self, device: &DeviceId, log: &Reread) {
        let Some(tip) = self.repository.logs.of(device).and_then(|log| log.tip) else {
            return;
        };
        let lie = match log.hash(tip.seq) {
            Some(hash) if hash == tip.hash => return,
            Some(_) => Lie::LogForked {
                device: *device,
                seq: tip.seq,
            },
            None => Lie::LogRolledBack {
                device: *device,
                seq: tip.seq,
            },
        };
        self.lie(&lie);
    }

    /// What each device says to have seen. Logs are read one after the other, and others write meanwhile: who is read late may
    /// have seen more of a log than was read of it early, so that one is read on.
    fn caught_up(
        &mut self,
        logs: &mut BTreeMap<DeviceId, Reread>,
        is_gone: &dyn Fn(&ObjectName) -> bool,
    ) -> Result<Vec<(DeviceId, EntryRef)>> {
        let of = |(witness, log): (&DeviceId, &Reread)| {
            let witness = *witness;
            let seen: Vec<_> = log.seen.iter().map(|entry| (witness, *entry)).collect();
            seen
        };
        let seen: Vec<_> = logs.iter().flat_map(of).collect();
        let repository = self.repository;
        for (_, entry) in &seen {
            let (Some(member), Some(log)) = (
                repository.roster.member(&entry.device),
                logs.get_mut(&entry.device),
            ) else {
                continue;
            };
            if log.tip().is_none_or(|tip| tip.seq < entry.at.seq)
                && let Err(error) = repository.log_reader().read_on(member, log, is_gone)
            {
                self.finding(Finding::of(error)?);
            }
        }
        Ok(seen)
    }

    /// What one device says to have seen is what the other's log shows.
    fn as_seen(&mut self, logs: &BTreeMap<DeviceId, Reread>, witness: DeviceId, entry: &EntryRef) {
        let (device, seq) = (entry.device, entry.at.seq);
        let member = self.repository.roster.member(&device);
        let is_void = member
            .and_then(|member| member.cut)
            .is_some_and(|(next, _)| seq >= next);
        match logs.get(&device).and_then(|log| log.hash(seq)) {
            _ if is_void => {}
            Some(hash) if hash == entry.at.hash => {}
            Some(_) => self.lie(&Lie::LogForked { device, seq }),
            None => self.lie(&Lie::SeenAhead {
                device,
                seq,
                witness,
            }),
        }
    }

    /// The roster that a device has seen is part of this one.
    fn roster_as_seen(&mut self, log: &Reread) {
        let roster = &self.repository.roster;
        for position in &log.rosters {
            if !roster.contains(position) {
                self.lie(&Lie::RosterForked(position.n));
            }
        }
    }

    /// No entry lies behind the end of its log, where only a hidden one can have led.
    fn nothing_behind(&mut self, logs: &BTreeMap<DeviceId, Reread>, listed: &[ObjectMeta]) {
        for object in listed {
            let Some(Object::LogEntry(device, seq)) = Object::parse(&object.name) else {
                continue;
            };
            let Some(member) = self.repository.roster.member(&device) else {
                self.report.foreign.push(object.name.clone());
                continue;
            };
            let is_void = member.cut.is_some_and(|(next, _)| seq >= next);
            let end = logs.get(&device).map(Reread::tip);
            // A log that could not be read was told already; one entry may have come since.
            let next = end.map(|tip| tip.map_or(0, |tip| tip.seq + 1));
            if !is_void && next.is_some_and(|next| seq > next) {
                let message = format!(
                    "{} lies behind an entry that the storage does not show",
                    object.name
                );
                self.finding(Finding {
                    class: Class::StorageLied,
                    message,
                });
            }
        }
    }

    fn lie(&mut self, lie: &Lie) {
        self.finding(Finding {
            class: Class::StorageLied,
            message: lie.to_string(),
        });
    }

    /// Everybody who stands has a grant, and every slot the roster names is whole.
    pub(super) fn keys(&mut self) -> Result<()> {
        let repository = self.repository;
        let standing = repository
            .roster
            .members()
            .filter(|member| member.removed.is_none());
        for member in standing {
            self.go_on()?;
            self.grant(member)?;
            for slot in &member.slots {
                let name = layout::slot(slot);
                let wrong = match repository.io.find(&name)? {
                    None => "is missing",
                    Some(bytes) if object_hash(&bytes) != *slot => "is damaged",
                    Some(_) => continue,
                };
                let message = format!("{name}, a way back in through {:?}, {wrong}", member.label);
                self.finding(Finding::damage(message));
            }
        }
        Ok(())
    }

    fn grant(&mut self, member: &Member) -> Result<()> {
        let folder = layout::grants(&member.public.grant_name(&self.repository.id()));
        let current = self.repository.roster.current_epoch();
        for listed in self.repository.io.list(&folder)? {
            if let Some(Object::Grant(_, epoch, hash)) = Object::parse(&listed.name)
                && epoch == current
                && self
                    .repository
                    .io
                    .find(&listed.name)?
                    .is_some_and(|bytes| object_hash(&bytes) == hash)
            {
                return Ok(());
            }
        }
        let message = format!(
            "the keys of {:?}, below {folder}, are missing",
            member.label
        );
        self.finding(Finding::damage(message));
        Ok(())
    }
}
