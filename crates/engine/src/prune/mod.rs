//! Prune: gives space back, while everybody else goes on.
//!
//! No lock, no clock, no grace period: the look rule (docs/design.md, docs/adr/0007-look-rule.md). What nobody needs is
//! condemned, then everybody's logs are read again, what turns out to be needed is spared, and only then is
//! the rest deleted. What is needed out of packs that hold too much else is moved first.
//!
//! It works in rounds, and each of them leaves a repository that is whole: packs of which nothing is needed; then
//! some packs at a time, moved and deleted, so that a prune never takes much more room than it finds; then the
//! segments that lead to what is gone. The first round stores nothing but what it says, so that it works in a storage
//! that is all but full. A prune that breaks off anywhere is gone on with by the next one, of any device.

mod epochs;
mod holdings;
mod mover;
mod needs;
mod plan;
mod sweep;
mod verdict;

use std::collections::HashSet;
use std::sync::Arc;

use ownkey_crypto::Capabilities;
use ownkey_storage::{ObjectName, ReadAfterWrite};

use crate::backup::session::Session;
use crate::damage::known_damage;
use crate::error::{Error, Result};
use crate::format::entry::{Listed, PackName, Recorded};
use crate::format::layout;
use crate::index::{Avoid, Index, PackEntry};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::tree::Browser;
use holdings::{Holding, Shelf, holdings};
use mover::Mover;
use needs::Needs;
use plan::Plan;

pub use plan::{FreshReads, Options, Renew, Unused};

/// Needed bytes that are moved before what they were moved out of is deleted.
const MOVED_AT_ONCE: u64 = 512 << 20;

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// Their lengths together.
    pub bytes: u64,
}

impl Report {
    /// Whether so many in a hundred of all bytes in packs would be given back.
    fn is_worth(&self, percent: u64) -> bool {
        let freed = self.dropped.bytes.saturating_add(self.emptied.bytes);
        let given_back = u128::from(freed.saturating_sub(self.moved));
        given_back * 100 >= u128::from(self.packs.bytes) * u128::from(percent)
    }
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// What a prune found, and what it did or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// All packs, as they were found.
    pub packs: Tally,
    /// Stored bytes in them that nobody needs, headers and padding left out.
    pub unused: u64,
    /// Packs of which nothing is needed.
    pub dropped: Tally,
    /// Packs whose needed chunks get new homes.
    pub emptied: Tally,
    /// Needed bytes in those.
    pub moved: u64,
    /// Bytes of what was stored anew.
    pub stored: u64,
    /// Packs and segments that were deleted.
    pub deleted: Tally,
    /// Objects that the storage is bound to keep for now; a later prune deletes them.
    pub kept_by_storage: u64,
    /// What was condemned and then spared, because somebody needs it.
    pub spared: u64,
    /// Unused bytes that stay in packs.
    pub left_unused: u64,
}

/// What [`run`] would do now. Stores and deletes nothing.
///
/// # Errors
/// Those of [`run`].
pub fn dry_run(
    repository: &mut Repository,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let prune = Prune::begin(repository, options, monitor)?;
    prune.plan(options).map(|(_, report)| report)
}

/// Deletes what nobody needs.
///
/// # Errors
/// [`Error::NotAllowed`] for a device that may not prune, [`Error::NeedsUnknown`] and [`Error::Damage`] where
/// nobody can tell what is needed, [`Error::RemovalUnfinished`], [`Error::StaleReads`], [`Error::Cancelled`], and those of
/// the storage. Whatever ends a prune, nothing that a snapshot needs is lost.
pub fn run(
    repository: &mut Repository,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut prune = Prune::begin(repository, options, monitor)?;
    let (plan, report) = prune.plan(options)?;
    prune.report = report;
    if !report.is_worth(options.worth_from) {
        return Ok(report);
    }
    let forsaken = prune
        .shelf
        .forsaken(&prune.index, prune.session.repository())?;
    prune.sweep(&Listed {
        packs: plan.drop.into_iter().chain(forsaken.packs).collect(),
        segments: forsaken.segments,
    })?;
    for batch in batches(&plan.empty) {
        prune.empty(&batch)?;
    }
    prune.renew_segments()?;
    prune.let_go()?;
    prune.report.stored = prune.session.stored_bytes();
    Ok(prune.report)
}

/// One prune in progress.
struct Prune<'r> {
    session: Session<'r>,
    monitor: &'r dyn Monitor,
    shelf: Shelf,
    index: Arc<Index>,
    needs: Needs,
    report: Report,
}

impl<'r> Prune<'r> {
    fn begin(
        repository: &'r mut Repository,
        options: &Options,
        monitor: &'r dyn Monitor,
    ) -> Result<Self> {
        must_be_able(repository, options.fresh_reads)?;
        let mut session = Session::begin(repository, monitor)?;
        must_be_decided(session.repository())?;
        let (shelf, index) = survey(&mut session, options.renew)?;
        let needs = Needs::none(index.len());
        let mut prune = Self {
            session,
            monitor,
            shelf,
            index: Arc::new(index),
            needs,
            report: Report::default(),
        };
        prune.learn_needs()?;
        Ok(prune)
    }

    fn plan(&self, options: &Options) -> Result<(Plan, Report)> {
        let condemned = self.session.repository().logs.condemned();
        let held = holdings(&self.index, &self.shelf, &self.needs, &condemned)?;
        let plan = Plan::of(&held, options);
        let report = outlook(&held, &plan, &self.shelf);
        Ok((plan, report))
    }

    /// Adds what the logs say by now that somebody needs, and takes the index as they have it.
    fn learn_needs(&mut self) -> Result<()> {
        // Snapshots may be forgotten, and another prune delete what they need, while they are read.
        const ATTEMPTS: usize = 4;
        for _ in 1..ATTEMPTS {
            match self.try_to_learn_needs() {
                Err(Error::NeedsUnknown { .. }) => self.session.look()?,
                learnt => return learnt,
            }
        }
        self.try_to_learn_needs()
    }

    fn try_to_learn_needs(&mut self) -> Result<()> {
        let repository = self.session.repository();
        let browser = Browser::new(repository)?;
        self.index = Arc::clone(browser.chunks.index());
        let snapshots = repository.logs.snapshots(repository.roster());
        let snapshots: Vec<&Recorded> = snapshots.into_iter().map(|(_, it)| it).collect();
        self.needs.add(&browser, &snapshots, self.monitor)?;
        let open = repository.logs.open(repository.roster());
        let open = (open.as_slice(), &repository.logs.condemned());
        self.needs.add_open(&browser, open, self.monitor)
    }

    /// Moves what is needed out of some packs, and deletes them.
    fn empty(&mut self, packs: &[PackEntry]) -> Result<()> {
        let names: Vec<PackName> = packs.iter().map(|pack| pack.name).collect();
        let repository = self.session.repository();
        // Nothing counts as stored that is only where it is to go from.
        let index = load(repository, &names)?;
        let browser = Browser::over(repository, load(repository, &[])?.into());
        let packs = numbered(browser.chunks.index(), &names)?;
        let mover = Mover {
            chunks: &browser.chunks,
            needs: &self.needs,
            monitor: self.monitor,
        };
        let emptied = self
            .session
            .store_with(&index, |store| mover.empty(&packs, store))?;
        let Some(stored) = self.session.repack()? else {
            // Somebody condemned what was just stored; where everything is now, the next prune sees.
            return Ok(());
        };
        self.shelf.add(stored);
        self.sweep(&Listed {
            packs: emptied.into_iter().collect(),
            segments: Vec::new(),
        })
    }
}

/// The packs of these names, by their numbers in this index.
fn numbered(index: &Index, names: &[PackName]) -> Result<Vec<PackEntry>> {
    let names: HashSet<&PackName> = names.iter().collect();
    let mut packs = std::collections::BTreeMap::new();
    index.each_pack(|pack| {
        if names.contains(&pack.name) {
            packs.insert(pack.name, pack);
        }
        Ok(())
    })?;
    let mut packs: Vec<PackEntry> = packs.into_values().collect();
    packs.sort_unstable_by_key(|pack| pack.number);
    Ok(packs)
}

/// The index as the logs have it now, in which these packs are not to be relied on.
fn load(repository: &Repository, but: &[PackName]) -> Result<Index> {
    let known = known_damage(repository)?;
    let packs = known.packs.into_iter().chain(but.iter().copied()).collect();
    Index::load(repository, &Avoid { packs })
}

fn must_be_able(repository: &Repository, fresh_reads: FreshReads) -> Result<()> {
    repository.must_be_writable()?;
    if !repository.keys.capabilities.contain(Capabilities::PRUNE) {
        return Err(Error::NotAllowed("prune"));
    }
    let capabilities = repository.io.capabilities();
    match (capabilities.read_after_write, fresh_reads) {
        (ReadAfterWrite::Always, _) | (_, FreshReads::Probed) => Ok(()),
        (ReadAfterWrite::Unknown, FreshReads::Claimed) => {
            Err(Error::StaleReads(repository.location().to_string()))
        }
    }
}

/// Whether everybody's entries either count or do not.
fn must_be_decided(repository: &Repository) -> Result<()> {
    let mut members = repository.roster().members();
    match members.any(|member| member.removed.is_some() && member.cut.is_none()) {
        true => Err(Error::RemovalUnfinished),
        false => Ok(()),
    }
}

/// What is stored, and what the logs say of it. In this order: the logs, then the listing.
fn survey(session: &mut Session<'_>, renew: Renew) -> Result<(Shelf, Index)> {
    // What somebody has condemned and deleted since the logs were read is missing, and is no damage.
    const ATTEMPTS: usize = 8;
    let mut attempt = 1;
    loop {
        let repository = session.repository();
        let mut shelf = Shelf::list(&repository.io)?;
        let index = load(repository, &[])?;
        let Some(missing) = missing(&index, &shelf)? else {
            if renew == Renew::EarlierEpochs {
                shelf.compare_epochs(repository.roster().current_epoch(), &repository.io)?;
            }
            return Ok((shelf, index));
        };
        if attempt == ATTEMPTS {
            let what = format!("{missing}, which may lead to what is needed,");
            return Err(Error::Damage { what });
        }
        attempt += 1;
        session.look()?;
    }
}

/// Something that is missing, although it should be there as far as is known: a listing that lacks what is there
/// would make everything look unneeded or gone.
fn missing(index: &Index, shelf: &Shelf) -> Result<Option<ObjectName>> {
    if let Some(broken) = index.broken_segments().first() {
        return Ok(Some(layout::segment(broken)));
    }
    let mut missing = None;
    index.each_pack(|pack| {
        if pack.reliable && !shelf.has(&pack.name) {
            missing = Some(layout::pack(&pack.name));
        }
        Ok(())
    })?;
    Ok(missing)
}

fn batches(empty: &[(PackEntry, u64)]) -> Vec<Vec<PackEntry>> {
    let mut batches: Vec<Vec<PackEntry>> = Vec::new();
    let mut bytes = u64::MAX;
    for (pack, live) in empty {
        bytes = bytes.saturating_add(*live);
        if bytes > MOVED_AT_ONCE {
            batches.push(Vec::new());
            bytes = *live;
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(*pack);
        }
    }
    batches
}

fn outlook(held: &[Holding], plan: &Plan, shelf: &Shelf) -> Report {
    let mut report = Report {
        left_unused: plan.left_unused,
        ..Report::default()
    };
    for listed in shelf.packs.values() {
        report.packs.add(listed.length);
    }
    let dropped: HashSet<&PackName> = plan.drop.iter().collect();
    for holding in held {
        report.unused = report.unused.saturating_add(holding.dead);
        if dropped.contains(&holding.pack.name) {
            report.dropped.add(holding.pack.length);
        }
    }
    for (pack, live) in &plan.empty {
        report.emptied.add(pack.length);
        report.moved = report.moved.saturating_add(*live);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prune_is_worth_what_it_gives_back_and_not_what_it_moves() {
        let bytes = |bytes| Tally { objects: 1, bytes };
        let report = Report {
            packs: bytes(1_000),
            dropped: bytes(60),
            emptied: bytes(100),
            moved: 60,
            ..Report::default()
        };
        assert!(report.is_worth(10));
        assert!(!report.is_worth(11));
        assert!(Report::default().is_worth(0));
    }
}
