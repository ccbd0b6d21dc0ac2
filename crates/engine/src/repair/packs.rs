//! What damaged packs held, stored anew: healed by their parity, as a mirror has it, or as much of it as is good.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use ownkey_crypto::{PackKind, object_hash};
use ownkey_storage::Storage;

use super::salvage::{Salvage, Salvaged};
use super::{Named, Run, may_repair};
use crate::damage::{known_damage, remember};
use crate::error::Result;
use crate::format::entry::{Listed, PackName};
use crate::format::layout::{self, Object};
use crate::healing::stored;
use crate::index::{Index, PackEntry};
use crate::io::Io;
use crate::monitor::{Figure, Monitor};
use crate::parity;
use crate::repository::Repository;
use crate::unpack::PackInHand;

/// What a repair of packs came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacksReport {
    /// Packs that are damaged or missing.
    pub damaged: u64,
    /// Of these, those that are missing.
    pub missing: u64,
    /// Of these, those whose bytes are known again: by parity, or from a mirror.
    pub healed: u64,
    /// Packs that were damaged when they were checked, and are not now.
    pub sound: u64,
    /// What became of the chunks of the damaged ones.
    pub salvaged: Salvaged,
    /// Whether others know of it now.
    pub named: Named,
}

/// Stores anew what is in packs that a check of this machine found damaged, or that are missing or of a wrong length, as far
/// as nothing else has it. `mirror` is another place with the same objects.
///
/// # Errors
/// [`Error::NotAllowed`](crate::Error::NotAllowed) for who may not read or write,
/// [`Error::Cancelled`](crate::Error::Cancelled), and those of both storages.
pub fn packs(
    repository: &mut Repository,
    mirror: Option<&Arc<dyn Storage>>,
    monitor: &dyn Monitor,
) -> Result<PacksReport> {
    may_repair(repository)?;
    let mirror = mirror.map(|storage| Io::new(Arc::clone(storage), &repository.environment));
    repository.refresh_logs()?;
    let suspects = suspects(repository)?;
    remember(repository, &suspects, &HashSet::new())?;
    let mut run = Run::begin(repository, monitor)?;
    let mut report = PacksReport::default();
    let mut sound = HashSet::new();
    let mut salvage = Salvage::begin(&run);
    for pack in run.entries(&suspects)? {
        run.go_on()?;
        let state = run.state(&pack, mirror.as_ref())?;
        let bytes = match state {
            State::Sound => {
                sound.insert(pack.name);
                continue;
            }
            State::Whole(bytes) => {
                report.healed += 1;
                Some(bytes)
            }
            State::Damaged(bytes) => Some(bytes),
            State::Missing => {
                report.missing += 1;
                None
            }
        };
        report.damaged += 1;
        let directory = run.session.index().filed(pack.number)?;
        let opened = bytes.map(|bytes| PackInHand::new(&run.keys, pack.name.kind, bytes));
        let opened = opened.transpose()?.flatten();
        let pack = (pack.name.kind, opened.as_ref());
        salvage.take(&run, pack, &directory.directory)?;
    }
    report.sound = sound.len() as u64;
    report.salvaged = salvage.end(&mut run)?;
    remember(run.session.repository(), &BTreeSet::new(), &sound)?;
    let damaged = suspects.into_iter().filter(|pack| !sound.contains(pack));
    report.named = run.tell(Listed {
        packs: damaged.collect(),
        segments: Vec::new(),
    })?;
    Ok(report)
}

/// Packs of the index that are known to be damaged, or listed with another length, or not at all.
fn suspects(repository: &Repository) -> Result<BTreeSet<PackName>> {
    let mut listed = HashMap::new();
    for kind in [PackKind::Meta, PackKind::Data] {
        for object in repository.io.list(&layout::packs(kind))? {
            if let Some(Object::Pack(pack)) = Object::parse(&object.name) {
                listed.insert(pack, object.size);
            }
        }
    }
    let known = known_damage(repository)?;
    let condemned = repository.logs.condemned();
    let mut suspects = BTreeSet::new();
    Index::load(repository, &known)?.each_pack(|pack| {
        let suspect = match listed.get(&pack.name) {
            Some(length) => *length != pack.length || known.packs.contains(&pack.name),
            // What was condemned may have been deleted.
            None => !condemned.packs.contains(&pack.name),
        };
        if suspect {
            suspects.insert(pack.name);
        }
        Ok(())
    })?;
    Ok(suspects)
}

/// What a pack turned out to be.
enum State {
    /// Its bytes are those it is named after.
    Sound,
    /// They were, and are known.
    Whole(Bytes),
    /// These are what is left of them.
    Damaged(Bytes),
    Missing,
}

impl Run<'_> {
    /// Each of these packs once, with its place in the index.
    fn entries(&self, names: &BTreeSet<PackName>) -> Result<Vec<PackEntry>> {
        let mut entries = HashMap::new();
        self.session.index().each_pack(|pack| {
            if names.contains(&pack.name) {
                entries.entry(pack.name).or_insert(pack);
            }
            Ok(())
        })?;
        let mut entries: Vec<PackEntry> = entries.into_values().collect();
        entries.sort_unstable_by_key(|pack| pack.name);
        Ok(entries)
    }

    fn state(&self, pack: &PackEntry, mirror: Option<&Io>) -> Result<State> {
        let found = stored(&self.session.repository().io, &pack.name)?;
        self.monitor.count(Figure::ObjectsChecked, 1);
        let is_whole = |bytes: &[u8]| object_hash(bytes) == pack.name.hash;
        if found.as_deref().is_some_and(is_whole) {
            return Ok(State::Sound);
        }
        if let Some(found) = &found {
            self.monitor.count(Figure::BytesFetched, found.len() as u64);
        }
        let length = usize::try_from(pack.length).unwrap_or(usize::MAX);
        let healed = found
            .as_deref()
            .and_then(|bytes| parity::heal(bytes, length));
        if let Some(healed) = healed.as_ref().filter(|healed| is_whole(healed)) {
            return Ok(State::Whole(Bytes::copy_from_slice(healed)));
        }
        if let Some(mirror) = mirror
            && let Some(theirs) = stored(mirror, &pack.name)?
            && is_whole(&theirs)
        {
            return Ok(State::Whole(theirs));
        }
        // Healed in part is better than not at all.
        Ok(match healed.map(Bytes::from).or(found) {
            Some(bytes) => State::Damaged(bytes),
            None => State::Missing,
        })
    }
}
