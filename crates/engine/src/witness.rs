//! Witnesses: other places, which keep copies of the newest entries (docs/format.md §19).
//!
//! Promise: a witness can show that a storage hides something, and nothing else. What it holds was signed by the devices, so
//! it cannot forge; it opens none of it; and whatever it takes back, or makes up, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ownkey_crypto::{DeviceId, LogKeys, RepoId, object_hash, peek_epoch};
use ownkey_storage::{ObjectName, Storage};

use crate::environment::Environment;
use crate::error::{Error, Lie, Result};
use crate::format::entry::{EntryRef, LogEntry, RosterPosition};
use crate::format::layout;
use crate::io::{Io, Outgoing};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::roster::load;

/// Copies of one log that are looked at, the newest: where nothing can be deleted there is one of every run.
const EACH: usize = 4;

/// A place with what it says it holds.
pub struct Witness {
    io: Io,
    repo: RepoId,
    holds: Vec<EntryRef>,
    /// Copies of what an admin has given up.
    given_up: Vec<ObjectName>,
}

/// What a copy says that the storage does not show.
enum Proof {
    /// Its author signed it.
    Signed,
    /// Its author signed it, and an admin who knew has accepted that it is gone.
    GivenUp,
    /// Nothing.
    None,
}

impl Witness {
    /// Asks the witness in `storage` for what it has of a repository: one listing.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn ask(
        environment: &Environment,
        storage: &Arc<dyn Storage>,
        repo: &RepoId,
    ) -> Result<Self> {
        let io = Io::new(Arc::clone(storage), environment);
        let listed = io.list(&layout::witnessed(repo))?;
        let mut logs: BTreeMap<DeviceId, BTreeSet<EntryRef>> = BTreeMap::new();
        for entry in listed
            .iter()
            .filter_map(|object| layout::parse_witnessed(repo, &object.name))
        {
            let newest = logs.entry(entry.device).or_default();
            newest.insert(entry);
            if newest.len() > EACH {
                newest.pop_first();
            }
        }
        let holds = logs.into_values().flatten().collect();
        Ok(Self {
            io,
            repo: *repo,
            holds,
            given_up: Vec::new(),
        })
    }

    /// Compares what it holds with what the storage of `repository` shows. Says how many entries are in both.
    ///
    /// # Errors
    /// [`Lie::Witnessed`] if it has an entry that its author signed and the storage does not show; those of reading.
    pub fn compare(&mut self, repository: &mut Repository, monitor: &dyn Monitor) -> Result<usize> {
        let mut missing = self.missing(repository)?;
        if missing.is_empty() {
            return Ok(self.holds.len());
        }
        // Somebody may have written, and told the witness, after we read the logs: look once more.
        repository.reread_roster(monitor)?;
        repository.refresh_logs()?;
        missing = self.missing(repository)?;
        for entry in &missing {
            let name = layout::witnessed_entry(&self.repo, entry);
            let held = self.io.find(&name)?;
            let held = held.filter(|bytes| object_hash(bytes) == entry.at.hash);
            let proof = held.map(|bytes| (proven(repository, entry, &bytes), bytes));
            match proof {
                Some((Proof::Signed, bytes)) => {
                    let lie = Lie::Witnessed {
                        place: self.io.location().to_string(),
                        entry: *entry,
                    };
                    repository.keep_evidence(&lie, Some(&bytes), monitor);
                    return Err(lie.into());
                }
                Some((Proof::GivenUp, _)) => self.given_up.push(name),
                Some((Proof::None, _)) | None => monitor.note(&format!(
                    "the witness at {} holds {name}, which nobody signed whom the storage shows: it proves nothing",
                    self.io.location(),
                )),
            }
        }
        Ok(self.holds.len() - missing.len())
    }

    /// What it holds and the storage should show, and does not.
    fn missing(&self, repository: &Repository) -> Result<Vec<EntryRef>> {
        let mut missing = Vec::new();
        for entry in &self.holds {
            if !repository.shows(entry)? {
                missing.push(*entry);
            }
        }
        Ok(missing)
    }

    /// Gives it the newest entries that it lacks, and takes away those that they replace where that can be done. Says how
    /// many are new.
    ///
    /// # Errors
    /// Those of both storages.
    pub fn tell(&mut self, repository: &Repository) -> Result<u64> {
        if repository.must_be_current().is_err() || !repository.doubts().is_empty() {
            return Ok(0);
        }
        self.io.delete(&self.given_up);
        let logs = repository.logs.tips().into_iter();
        let logs = logs.map(|(device, at)| EntryRef { device, at });
        let newest = logs.chain([EntryRef::of_roster(repository.roster.position())]);
        let mut told = 0;
        for entry in newest
            .filter(|entry| !self.holds.contains(entry))
            .collect::<Vec<_>>()
        {
            let name = match entry.in_roster() {
                Some(RosterPosition { n, hash }) => layout::roster_entry(n, &hash),
                None => layout::log_entry(&entry.device, entry.at.seq),
            };
            let copy = repository.io.fetch(&name)?.ok_or_else(|| Error::Damage {
                what: name.to_string(),
            })?;
            if object_hash(copy.bytes()) != entry.at.hash {
                let (device, seq) = (entry.device, entry.at.seq);
                return Err(Lie::LogForked { device, seq }.into());
            }
            let at = layout::witnessed_entry(&self.repo, &entry);
            self.io.create(&at, Outgoing::Mirrored(copy))?;
            told += 1;
            self.replace(repository, &entry)?;
        }
        Ok(told)
    }

    /// An entry says what all before it said, so those are not needed any more. One that is not among them stays.
    fn replace(&mut self, repository: &Repository, newest: &EntryRef) -> Result<()> {
        let (older, mut kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.holds)
            .into_iter()
            .partition(|held| held.device == newest.device && held.at.seq < newest.at.seq);
        let mut names = Vec::new();
        for entry in older {
            match repository.shows(&entry)? {
                true => names.push(layout::witnessed_entry(&self.repo, &entry)),
                false => kept.push(entry),
            }
        }
        // What cannot be deleted is in nobody's way.
        self.io.delete(&names);
        kept.push(*newest);
        self.holds = kept;
        Ok(())
    }
}

/// What an entry is that the storage does not show: whether it was made at that place by somebody who could make it.
fn proven(repository: &Repository, entry: &EntryRef, bytes: &[u8]) -> Proof {
    let roster = &repository.roster;
    let (signed, given_up) = match entry.in_roster() {
        Some(RosterPosition { n, .. }) => {
            let keys = peek_epoch(bytes).ok();
            let keys = keys.and_then(|(_, epoch)| repository.keys.log(epoch).ok());
            let keys = keys.map(LogKeys::roster_keys);
            let signed = keys.is_some_and(|keys| load::is_by_admin(roster, keys, n, bytes));
            (signed, roster.gave_up(entry, |_| false))
        }
        None => {
            let member = roster.member(&entry.device);
            let reader = repository.log_reader();
            let said = member.and_then(|member| reader.open(member, entry.at.seq, bytes).ok());
            let knew = |said: &LogEntry| {
                roster.gave_up(entry, |accepted| roster.knew(&said.roster, accepted))
            };
            (said.is_some(), said.as_ref().is_some_and(knew))
        }
    };
    match (signed, given_up) {
        (true, true) => Proof::GivenUp,
        (true, false) => Proof::Signed,
        (false, _) => Proof::None,
    }
}

/// Where this machine's witnesses of a repository are, in the words in which they were told.
///
/// # Errors
/// Those of the state folder.
pub fn places(repository: &Repository) -> Result<Vec<String>> {
    let state = &repository.state;
    let kept = state.load_witnesses(&repository.state_key, &repository.me().to_string())?;
    Ok(kept.lines().map(str::to_owned).collect())
}

/// Keeps where they are.
///
/// # Errors
/// Those of the state folder.
pub fn keep_places(repository: &Repository, places: &[String]) -> Result<()> {
    let who = repository.me().to_string();
    let text = places.join("\n");
    repository
        .state
        .store_witnesses(&repository.state_key, &who, &text)
}
