//! Mirror: every object of a repository at a second place, under the same name, byte for byte.
//!
//! No key is needed and none would help: what is sealed stays sealed. Objects that are named by
//! their hash are compared with their names before they are written. The order is that of a
//! backup, so that a reader of the copy never finds an entry whose packs are not there; nothing
//! is overwritten, and where the two places tell different histories nothing is written at all.
//!
//! A mirror goes on where an interrupted one ended: what is there is not copied again.

mod condemned;
mod history;
mod listing;
mod verify;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ownkey_crypto::DeviceId;
use ownkey_storage::{ObjectName, Storage};

use crate::check::{Finding, wrong_with};
use crate::environment::Environment;
use crate::error::{Error, Lie, Result};
use crate::format::layout::Object;
use crate::io::{Created, Fetched, Io, Outgoing};
use crate::lock::lock;
use crate::monitor::{Figure, Monitor};
use crate::parallel::{WORKERS, each};
use listing::{Listed, Listing};

pub use condemned::delete_condemned;

/// What a mirror is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Copy what is missing.
    Copy,
    /// That, and read all of the copy and compare it.
    CopyAndVerify,
    /// Only tell what would be copied.
    DryRun,
}

/// What a mirror did; of a dry run, what it would have done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorReport {
    /// Objects copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Objects that were there already.
    pub present: u64,
    /// Objects of the copy that the repository does not have any more.
    pub gone: u64,
    /// Objects of the copy that were read and compared.
    pub verified: u64,
    /// Objects at the repository that are not ownkey's; they are not copied.
    pub foreign: u64,
    /// What is missing or damaged, at either place.
    pub findings: Vec<Finding>,
}

/// Log entries fetched at a time.
const ENTRIES: usize = 64;
/// More rounds than this find a repository that is written faster than it is copied.
const ROUNDS: usize = 16;

/// Copies the repository in `from` to `to`, object by object.
///
/// # Errors
/// [`Error::NoRepository`] if there is none in `from`, [`Lie::OtherHistory`] and
/// [`Lie::MirrorAhead`] if `to` holds another history than `from`, [`Error::KeepsChanging`],
/// [`Error::Cancelled`], and those of both storages. Damage is in the report.
pub fn run(
    environment: &Environment,
    from: &Arc<dyn Storage>,
    to: &Arc<dyn Storage>,
    mode: Mode,
    monitor: &dyn Monitor,
) -> Result<MirrorReport> {
    let from = Io::new(Arc::clone(from), environment);
    let to = Io::new(Arc::clone(to), environment);
    crate::repository::read_header(&from)?;
    let there = Listing::of(&to)?;
    let before: BTreeSet<ObjectName> = there.all().map(|listed| listed.name.clone()).collect();
    let mut mirror = Mirror {
        there,
        from: &from,
        to: &to,
        monitor,
        report: Mutex::default(),
        missing: Mutex::default(),
    };
    let source = mirror.data(mode)?;
    if mode != Mode::DryRun {
        mirror.commit(&source)?;
    }
    if mode == Mode::CopyAndVerify {
        mirror.verify()?;
    }
    let mut report = mirror
        .report
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let present = source.all().filter(|listed| before.contains(&listed.name));
    report.present = present.count() as u64;
    report.gone = mirror.there.not_in(&source);
    report.foreign = source.foreign;
    report.findings.sort_by(|a, b| a.message.cmp(&b.message));
    Ok(report)
}

/// A mirror in progress.
struct Mirror<'m> {
    from: &'m Io,
    to: &'m Io,
    monitor: &'m dyn Monitor,
    /// What the copy had when the run began.
    there: Listing,
    report: Mutex<MirrorReport>,
    /// Objects that were listed and then not there.
    missing: Mutex<BTreeSet<ObjectName>>,
}

impl Mirror<'_> {
    /// Copies packs and segments until nobody has written an entry meanwhile. Then what is copied
    /// is enough for the entries of the listing returned: an entry is put after what it relies on
    /// and after the entries it has seen, and nothing is deleted before an entry condemns it.
    fn data(&mut self, mode: Mode) -> Result<Listing> {
        for _ in 0..ROUNDS {
            // Entries first: what they rely on is there when it is listed after them.
            let mut source = Listing::of_entries(self.from)?;
            source.add_data(self.from)?;
            self.must_be_one_history(&source)?;
            if mode == Mode::DryRun {
                self.plan(&source);
                return Ok(source);
            }
            let lost = lock(&self.missing).len();
            let wanted = self.wanted(source.data());
            self.copy_all(&wanted, WORKERS)?;
            let settled = Listing::of_entries(self.from)?.same_entries(&source);
            if settled && lock(&self.missing).len() == lost {
                return Ok(source);
            }
            self.there = Listing::of(self.to)?;
        }
        Err(Error::KeepsChanging(self.from.location().to_string()))
    }

    /// Copies what makes packs and segments a repository, the header last.
    fn commit(&self, source: &Listing) -> Result<()> {
        for objects in [source.keys(), source.roster()] {
            let wanted = self.wanted(objects);
            self.copy_all(&wanted, 1)?;
        }
        self.logs(source)?;
        let header = source.header();
        let wanted = self.wanted(header);
        self.copy_all(&wanted, 1)
    }

    /// Copies log entries, each behind those it can have seen. An entry that is missing or damaged
    /// ends its log: nobody could read on behind it.
    fn logs(&self, source: &Listing) -> Result<()> {
        let mut ended: BTreeSet<DeviceId> = BTreeSet::new();
        let (entries, gaps) = source.entries_in_order();
        for (device, seq) in gaps {
            self.found(format!(
                "entry {seq} of the log of device {device} is missing at {}",
                self.from.location()
            ));
        }
        // Before there is a header nobody reads, and the order does not matter.
        let writers = if self.there.header().is_empty() {
            WORKERS
        } else {
            1
        };
        let wanted = self.wanted(&entries);
        for batch in wanted.chunks(ENTRIES) {
            let fetched: Vec<Mutex<Option<Fetched>>> =
                batch.iter().map(|_| Mutex::new(None)).collect();
            let places: Vec<_> = batch.iter().zip(&fetched).collect();
            each(&places, WORKERS, self.monitor, |(listed, place)| {
                *lock(place) = self.fetch(listed)?;
                Ok(())
            })?;
            let mut whole = Vec::new();
            for (listed, fetched) in places {
                let Object::LogEntry(device, _) = listed.object else {
                    continue;
                };
                match lock(fetched).take() {
                    Some(fetched) if !ended.contains(&device) => {
                        whole.push((*listed, Mutex::new(Some(fetched))));
                    }
                    _ => {
                        ended.insert(device);
                    }
                }
            }
            each(
                &whole,
                writers,
                self.monitor,
                |(listed, fetched)| match lock(fetched).take() {
                    Some(fetched) => self.store(listed, fetched),
                    None => Ok(()),
                },
            )?;
        }
        Ok(())
    }

    /// Objects that the copy does not have; those it has in another length are damaged there.
    fn wanted<'l>(&self, objects: &'l [Listed]) -> Vec<&'l Listed> {
        let mut wanted = Vec::new();
        for object in objects {
            match self.there.size_of(&object.name) {
                None => wanted.push(object),
                Some(size) if size != object.size => {
                    self.found(format!(
                        "object {} has {size} bytes at {} and {} at {}",
                        object.name,
                        self.to.location(),
                        object.size,
                        self.from.location()
                    ));
                }
                Some(_) => {}
            }
        }
        wanted
    }

    fn plan(&self, source: &Listing) {
        let all = [
            source.data(),
            source.keys(),
            source.roster(),
            source.header(),
        ];
        let (entries, _) = source.entries_in_order();
        for objects in all.into_iter().chain([entries.as_slice()]) {
            let wanted = self.wanted(objects);
            let mut report = lock(&self.report);
            report.copied += wanted.len() as u64;
            report.copied_bytes += wanted.iter().map(|object| object.size).sum::<u64>();
        }
    }

    fn copy_all(&self, objects: &[&Listed], workers: usize) -> Result<()> {
        each(objects, workers, self.monitor, |listed| {
            match self.fetch(listed)? {
                Some(fetched) => self.store(listed, fetched),
                None => Ok(()),
            }
        })
    }

    /// Reads an object and compares it with its name; `None` if there is nothing to copy.
    fn fetch(&self, listed: &Listed) -> Result<Option<Fetched>> {
        let Some(fetched) = self.from.fetch(&listed.name)? else {
            // Gone since it was listed is no damage: whoever deletes says so before in an entry.
            if !lock(&self.missing).insert(listed.name.clone()) {
                self.found(format!(
                    "object {} at {}: it is listed and cannot be read",
                    listed.name,
                    self.from.location()
                ));
            }
            return Ok(None);
        };
        self.monitor
            .count(Figure::BytesFetched, fetched.bytes().len() as u64);
        match wrong_with(&listed.object, fetched.bytes()) {
            None => Ok(Some(fetched)),
            Some(wrong) => {
                self.found(format!(
                    "object {} at {}: {wrong}",
                    listed.name,
                    self.from.location()
                ));
                Ok(None)
            }
        }
    }

    fn store(&self, listed: &Listed, fetched: Fetched) -> Result<()> {
        let length = fetched.bytes().len() as u64;
        let ours = fetched.clone();
        let created = self.to.create(&listed.name, Outgoing::Mirrored(fetched))?;
        if created == Created::Existed {
            // Somebody else mirrors too, or the answer of an earlier try was lost.
            let there = self.to.fetch(&listed.name)?;
            if there.is_none_or(|there| there.bytes() != ours.bytes()) {
                return Err(self.other_history(&listed.name));
            }
        }
        self.monitor.count(Figure::BytesUploaded, length);
        let mut report = lock(&self.report);
        report.copied += 1;
        report.copied_bytes += length;
        Ok(())
    }

    fn other_history(&self, name: &ObjectName) -> Error {
        Lie::OtherHistory {
            name: name.to_string(),
            here: self.from.location().to_string(),
            there: self.to.location().to_string(),
        }
        .into()
    }

    fn found(&self, message: String) {
        let finding = Finding::damage(message);
        let mut report = lock(&self.report);
        if !report.findings.contains(&finding) {
            report.findings.push(finding);
        }
    }
}
