//! Check: is everything there, and is it what it should be?
//!
//! Without a key, [`objects`] compares every object with its name. With a key, [`run`] follows
//! everything from the roster down to the chunks, believes no fold, and says which files of
//! which snapshots are concerned by what it finds. How much of the packs' contents it reads is
//! [`ReadData`]; what it does not read it only compares by name and length with the index.

mod concerned;
mod data;
mod judge;
mod logs;
mod objects;
mod report;
mod trees;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ownkey_crypto::{ChunkId, ChunkType, ObjectHash};
use ownkey_storage::{ObjectMeta, Prefix};

use crate::damage;
use crate::error::{Error, Result};
use crate::format::entry::PackName;
use crate::format::layout::{self, Object};
use crate::index::Place;
use crate::monitor::{Figure, Monitor};
use crate::repository::Repository;
use crate::roster::strangers::{Acquaintances, about_strangers};
use crate::tree::Browser;

pub(crate) use objects::wrong_with;
pub use objects::{ObjectsReport, objects};
pub use report::{CONCERNED_NAMED, CheckReport, Concerned, Finding};

/// Readings after which a check gives up telling what is wrong from what others have moved meanwhile.
const ROUNDS: u32 = 8;

/// Which packs are read and opened wholly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadData {
    /// None, unless a directory cannot be read.
    No,
    /// All.
    All,
    /// The `n`th of `of` parts, from 1; the parts together are all, and stay the same.
    Part {
        /// Which part, from 1.
        n: u32,
        /// How many parts.
        of: u32,
    },
    /// Randomly chosen ones, about so many in a hundred.
    Percent(f64),
    /// Randomly chosen ones, of about so many bytes together.
    Bytes(u64),
}

/// Checks a repository with its keys.
///
/// What is found is in the report and told to the monitor; packs found damaged are remembered, so
/// that the next backup stores their chunks anew.
///
/// # Errors
/// [`Error::NotAllowed`] for a device that may not read, [`Error::Cancelled`], [`Error::Unsettled`], and what concerns
/// the check as a whole: the storage cannot be reached, the state folder cannot be written.
pub fn run(repository: &Repository, read: ReadData, monitor: &dyn Monitor) -> Result<CheckReport> {
    if !repository.keys.may_read() {
        return Err(Error::NotAllowed("read, and so not check with its key"));
    }
    let mut now = repository.again();
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let (checked, later) = round(&now, read, monitor)?;
        // Others write, move and delete while this reads. What seems wrong is so if nobody has said anything since, or if it
        // still is when what they said is known.
        let findings = &checked.report.findings;
        let is_settled = findings.iter().all(|finding| before.contains(finding));
        match later {
            Some(later) if !is_settled => {
                before = checked.report.findings;
                now = later;
            }
            _ => return checked.tell(&now, monitor),
        }
    }
    Err(Error::Unsettled(before.len()))
}

/// The repository with what everybody has said since, if anybody has. A storage that lies by now says nothing.
fn as_of_now(repository: &Repository, monitor: &dyn Monitor) -> Result<Option<Repository>> {
    if repository.earlier().is_some() {
        return Ok(None);
    }
    let mut now = repository.again();
    let is_news = now.has_news(monitor);
    let is_news = is_news.or_else(|error| Finding::of(error).map(|_| false))?;
    Ok(is_news.then_some(now))
}

/// One reading of everything, and the repository as it is then, if anybody has said something meanwhile.
fn round(
    repository: &Repository,
    read: ReadData,
    monitor: &dyn Monitor,
) -> Result<(Checked, Option<Repository>)> {
    let browser = Browser::examining(repository)?;
    let listed = repository.io.list(&Prefix::all())?;
    let mut check = Check {
        repository,
        browser: &browser,
        monitor,
        report: CheckReport::default(),
        remembered: damage::known_damage(repository)?.packs,
        unusable: HashSet::new(),
        bad_frames: HashSet::new(),
        whole: HashSet::new(),
        listed_segments: BTreeSet::new(),
        pending: Vec::new(),
        lost: BTreeMap::new(),
    };
    check.compare_listing(&listed)?;
    check.logs(&listed)?;
    check.keys()?;
    let broken_trees = check.trees()?;
    check.data(read)?;
    if broken_trees {
        check.meta_packs()?;
    }
    let lost = !check.unusable.is_empty() || !check.bad_frames.is_empty();
    if broken_trees || lost || !check.report.damaged_segments.is_empty() {
        check.concerned()?;
    }
    let later = as_of_now(repository, monitor)?;
    later.iter().for_each(|later| check.excuse(later));
    check.judge()?;
    let checked = Checked {
        report: check.report,
        whole: check.whole,
    };
    Ok((checked, later))
}

/// What one reading came to.
struct Checked {
    report: CheckReport,
    /// Packs that were opened wholly and are right.
    whole: HashSet<PackName>,
}

impl Checked {
    fn tell(self, repository: &Repository, monitor: &dyn Monitor) -> Result<CheckReport> {
        damage::remember(repository, &self.report.damaged_packs, &self.whole)?;
        for finding in &self.report.findings {
            monitor.note(&finding.message);
        }
        for concerned in &self.report.concerned {
            monitor.problem(&concerned.as_problem());
        }
        Ok(self.report)
    }
}

/// One check in progress.
struct Check<'a> {
    repository: &'a Repository,
    browser: &'a Browser,
    monitor: &'a dyn Monitor,
    report: CheckReport,
    /// Packs that an earlier check found damaged.
    remembered: HashSet<PackName>,
    /// Packs that are gone: missing ones, and condemned ones that somebody deleted.
    unusable: HashSet<PackName>,
    /// Frames of damaged packs that cannot be read, as pack of the index and number.
    bad_frames: HashSet<(u32, u32)>,
    /// Packs that were opened wholly and are right.
    whole: HashSet<PackName>,
    /// Index segments that are there.
    listed_segments: BTreeSet<ObjectHash>,
    /// What is wrong with damaged packs, until it is known whether anything in them is needed.
    pending: Vec<(PackName, String)>,
    /// How many entries of which snapshot cannot be restored.
    lost: BTreeMap<ObjectHash, u64>,
}

impl Check<'_> {
    fn go_on(&self) -> Result<()> {
        if self.monitor.cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    fn finding(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    /// Whether a chunk can be had from one of its places, as far as is known.
    fn is_usable(&self, place: Place) -> Result<bool> {
        if self.unusable.is_empty() && self.bad_frames.is_empty() {
            return Ok(true);
        }
        let pack = self.browser.chunks.index().pack(place.pack)?;
        let is_bad = self.bad_frames.contains(&(place.pack, place.frame));
        Ok(!is_bad && !self.unusable.contains(&pack.name))
    }

    /// What a chunk without any usable place is to be blamed on.
    fn blame(&self, id: &ChunkId, kind: ChunkType) -> Result<Option<String>> {
        let index = self.browser.chunks.index();
        let places = index.places(id, kind)?;
        for place in &places {
            if self.is_usable(*place)? {
                return Ok(None);
            }
        }
        let is_bad = |pack: &PackName| {
            self.unusable.contains(pack) || self.report.damaged_packs.contains(pack)
        };
        if self.browser.chunks.was_moved((id, kind), &is_bad)? {
            return Ok(None);
        }
        let what = match places.first() {
            Some(place) => format!("pack {}", layout::pack(&index.pack(place.pack)?.name)),
            None => format!("chunk {id}: no index segment names it, so it"),
        };
        Ok(Some(Error::Damage { what }.to_string()))
    }

    /// Slots and grants of nobody do no harm either, and somebody put them there.
    fn strangers(&mut self, listed: &[ObjectMeta]) {
        let known = Acquaintances::of(&self.repository.roster, &self.repository.id());
        let names = listed.iter().map(|object| &object.name);
        let strangers: Vec<_> = names.filter(|name| known.lack(name)).cloned().collect();
        if let Some(text) = about_strangers(&strangers) {
            self.monitor.note(&text);
        }
        self.report.foreign.extend(strangers);
    }

    fn damaged_pack(&mut self, pack: PackName, how: &str) {
        if self.report.damaged_packs.insert(pack) {
            self.pending.push((pack, how.to_owned()));
        }
    }

    /// Packs and segments that entries rely on must be there, with the right length.
    fn compare_listing(&mut self, listed: &[ObjectMeta]) -> Result<()> {
        let mut packs = HashMap::new();
        let mut segments = BTreeSet::new();
        for object in listed {
            match Object::parse(&object.name) {
                Some(Object::Pack(pack)) => {
                    packs.insert(pack, object.size);
                }
                Some(Object::Segment(hash)) => {
                    segments.insert(hash);
                }
                Some(_) => {}
                None => self.report.foreign.push(object.name.clone()),
            }
        }
        self.strangers(listed);
        self.monitor
            .count(Figure::ObjectsChecked, listed.len() as u64);
        let condemned = self.repository.logs.condemned();
        let index = self.browser.chunks.index();
        let mut known = HashSet::new();
        index.each_pack(|pack| {
            known.insert(pack.name);
            match packs.get(&pack.name) {
                Some(length) if *length == pack.length => {}
                Some(length) => {
                    let how = format!("has {length} bytes and should have {}", pack.length);
                    self.damaged_pack(pack.name, &how);
                }
                // Somebody may be deleting it right now.
                None if condemned.packs.contains(&pack.name) => {
                    self.unusable.insert(pack.name);
                }
                None => {
                    self.unusable.insert(pack.name);
                    self.damaged_pack(pack.name, "is missing");
                }
            }
            Ok(())
        })?;
        self.report.packs = known.len() as u64;
        let named: BTreeSet<ObjectHash> = self
            .repository
            .logs
            .segments()
            .map(|(_, hash)| hash)
            .collect();
        self.report.segments = named.len() as u64;
        let unnamed = segments
            .iter()
            .filter(|hash| !named.contains(*hash))
            .count();
        let unknown = packs.keys().filter(|pack| !known.contains(*pack)).count();
        self.report.unreferenced = (unnamed + unknown) as u64;
        self.report.damaged_segments = index
            .broken_segments()
            .iter()
            .filter(|hash| !condemned.segments.contains(*hash))
            .copied()
            .collect();
        self.listed_segments = segments;
        Ok(())
    }
}
