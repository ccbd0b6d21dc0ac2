//! Object Lock: what a snapshot needs stays in the storage for as long as was promised.
//!
//! The promise of a period P: what a run that began at T relies on cannot be deleted before T + P. Storages
//! opened with a lock period lock what they create; what a snapshot shares with earlier ones is
//! extended here. An object is extended once it would be free before T + P, and then by half a
//! period more than that, so each is extended at most once in half a period.
//!
//! *What it needs* is what somebody with nothing but a kit reads: the header, slots and grants of
//! all who stand, the roster, of every log the entries from the newest fold on, the index, and the packs
//! relied on. Log entries before the fold, and what only older snapshots need, run out by themselves.
//!
//! What is locked until when is kept in the state folder. It is disposable: what is not known to be
//! locked is extended.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ownkey_crypto::ObjectHash;
use ownkey_storage::{ObjectName, Retention, StorageError};

use crate::error::Result;
use crate::format::entry::PackName;
use crate::format::layout;
use crate::format::time::Timestamp;
use crate::monitor::{Monitor, Problem};
use crate::repository::Repository;
use crate::state::file;

/// What keeping a snapshot locked came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    /// What the snapshot needs is locked at least until then, but for the failures.
    pub until: Timestamp,
    /// Objects whose lock was extended.
    pub extended: u64,
    /// Objects whose lock could not be extended; told to the monitor.
    pub failed: u64,
}

/// For how long a storage should lock what it creates, so that what is kept for `period` is not
/// extended by the very next backup.
#[must_use]
pub fn lock_period(period: Duration) -> Duration {
    period.saturating_add(period / 2)
}

/// What one snapshot needs beside what every snapshot needs.
pub(crate) struct Needs<'a> {
    pub(crate) packs: &'a HashSet<PackName>,
    /// Segments that are not there.
    pub(crate) broken: &'a [ObjectHash],
    /// What this run has stored itself.
    pub(crate) fresh: &'a HashSet<ObjectName>,
    /// When the run began, and none of the fresh objects was there yet.
    pub(crate) since: Timestamp,
}

/// Extends what must be extended. The snapshot stands whatever happens here: what fails is told to
/// the monitor and counted. `None` if nothing was promised.
pub(crate) fn keep(
    repository: &Repository,
    needs: &Needs<'_>,
    monitor: &dyn Monitor,
) -> Option<Locked> {
    let period = repository.keep_locked?;
    let since = system_time(needs.since);
    let (until, target) = (since + period, since + lock_period(period));
    let mut known = Known::load(repository);
    if let Some(created) = locked_at_creation(repository, since) {
        for name in needs.fresh {
            known.raise(name, created);
        }
    }
    let mut due = names(repository, needs, monitor);
    due.retain(|name| known.until(name) < Some(until));
    let outcomes = repository.io.extend_retention(&due, target);
    let mut failures: Vec<(&ObjectName, StorageError)> = Vec::new();
    for (name, outcome) in due.iter().zip(outcomes) {
        match outcome {
            Ok(()) => known.raise(name, target),
            Err(error) => failures.push((name, error)),
        }
    }
    if let Some((name, first)) = failures.first() {
        let count = failures.len();
        monitor.problem(&Problem {
            path: PathBuf::from(name.as_str()),
            message: format!(
                "{count} objects that the snapshot needs could not be locked; the first: {first}"
            ),
        });
    }
    known.forget_before(system_time(repository.environment.clock.now()));
    if let Err(error) = known.store(repository) {
        monitor.note(&format!(
            "the next backup will lock everything again: {error}"
        ));
    }
    Some(Locked {
        until: timestamp(until),
        extended: (due.len() - failures.len()) as u64,
        failed: failures.len() as u64,
    })
}

/// Until when everything is locked that this run has created, if the storage locks at creation: the
/// newest entry tells for all, less the time since the run began.
fn locked_at_creation(repository: &Repository, since: SystemTime) -> Option<SystemTime> {
    let newest = repository.newest()?;
    let name = layout::log_entry(&newest.device, newest.at.seq);
    let Retention::Until(until) = repository.io.retention(&name).ok()? else {
        return None;
    };
    let now = system_time(repository.environment.clock.now());
    until.checked_sub(now.duration_since(since).unwrap_or_default())
}

/// Everything a reader of the newest snapshot opens.
fn names(repository: &Repository, needs: &Needs<'_>, monitor: &dyn Monitor) -> Vec<ObjectName> {
    let roster = &repository.roster;
    let mut names = vec![layout::header()];
    for member in roster.members().filter(|member| member.removed.is_none()) {
        let grants = layout::grants(&member.public.grant_name(&repository.id()));
        match repository.io.list(&grants) {
            Ok(listed) => names.extend(listed.into_iter().map(|grant| grant.name)),
            Err(error) => monitor.problem(&Problem {
                path: PathBuf::from(grants.as_str()),
                message: format!(
                    "the keys of {:?} could not be locked: {error}",
                    member.label
                ),
            }),
        }
        names.extend(member.slots.iter().map(layout::slot));
    }
    names.extend(
        roster
            .entries()
            .map(|(n, hash)| layout::roster_entry(n, &hash)),
    );
    for (device, entries) in repository.logs.tails() {
        names.extend(entries.map(|seq| layout::log_entry(&device, seq)));
    }
    let condemned = repository.logs.condemned();
    let gone = |hash: &ObjectHash| condemned.segments.contains(hash) || needs.broken.contains(hash);
    let segments: HashSet<ObjectHash> = repository.logs.segments().map(|(_, hash)| hash).collect();
    names.extend(
        segments
            .iter()
            .filter(|hash| !gone(hash))
            .map(layout::segment),
    );
    names.extend(needs.packs.iter().map(layout::pack));
    names
}

fn system_time(time: Timestamp) -> SystemTime {
    let since_1970 = Duration::new(u64::try_from(time.seconds).unwrap_or(0), time.nanoseconds);
    SystemTime::UNIX_EPOCH + since_1970
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since_1970 = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since_1970.subsec_nanos(),
    }
}

/// What is locked at this location, as far as is known.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known(BTreeMap<ObjectName, SystemTime>);

/// Most bytes of the record: two million objects.
const LIMIT: u64 = 256 << 20;

impl Known {
    fn load(repository: &Repository) -> Self {
        let read = file::read_authentic(&path(repository), &repository.state_key, LIMIT);
        let bytes = read.ok().flatten().unwrap_or_default();
        Self::decode(&bytes).unwrap_or_default()
    }

    fn store(&self, repository: &Repository) -> Result<()> {
        file::write_authentic(&path(repository), &repository.state_key, &self.encode())
    }

    fn until(&self, name: &ObjectName) -> Option<SystemTime> {
        self.0.get(name).copied()
    }

    fn raise(&mut self, name: &ObjectName, until: SystemTime) {
        let entry = self.0.entry(name.clone()).or_insert(until);
        *entry = until.max(*entry);
    }

    fn forget_before(&mut self, now: SystemTime) {
        self.0.retain(|_, until| *until > now);
    }

    /// For each object `u64 seconds since 1970 ‖ u16 length ‖ name`, by name.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, until) in &self.0 {
            let name = name.as_str().as_bytes();
            // Names are shorter by the rule of names.
            let Ok(length) = u16::try_from(name.len()) else {
                continue;
            };
            let since_1970 = until
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            bytes.extend_from_slice(&since_1970.as_secs().to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(name);
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut known = BTreeMap::new();
        while let Some((seconds, rest)) = bytes.split_first_chunk::<8>() {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let name = ObjectName::new(std::str::from_utf8(name).ok()?).ok()?;
            let until = Duration::from_secs(u64::from_le_bytes(*seconds));
            known.insert(name, SystemTime::UNIX_EPOCH.checked_add(until)?);
            bytes = rest;
        }
        bytes.is_empty().then_some(Self(known))
    }
}

/// Beside the tips, and like them of one identity.
fn path(repository: &Repository) -> PathBuf {
    let folder = repository.state.location_folder();
    folder.join(format!("locked-{}", repository.me()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_is_read_back_and_only_grows() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let name = |text: &str| ObjectName::new(text).unwrap();
        let mut known = Known::default();
        known.raise(&name("data/a"), at(70));
        known.raise(&name("data/a"), at(50));
        known.raise(&name("index/b"), at(20));
        assert_eq!(known.until(&name("data/a")), Some(at(70)));
        let bytes = known.encode();
        assert_eq!(Known::decode(&bytes).as_ref(), Some(&known));
        assert_eq!(Known::decode(&bytes[..bytes.len() - 1]), None);
        known.forget_before(at(20));
        assert_eq!(known.until(&name("index/b")), None);
    }
}
