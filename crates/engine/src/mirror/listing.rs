//! What a place holds, by what it is for.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ownkey_crypto::{DeviceId, PackKind};
use ownkey_storage::{ObjectName, Prefix};

use crate::error::Result;
use crate::format::layout::{self, Object};
use crate::io::Io;

/// One object of a listing.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: ObjectName,
    pub(super) object: Object,
    pub(super) size: u64,
    modified: Option<SystemTime>,
}

/// A place's objects.
#[derive(Debug, Default)]
pub(super) struct Listing {
    data: Vec<Listed>,
    keys: Vec<Listed>,
    roster: Vec<Listed>,
    logs: BTreeMap<DeviceId, BTreeMap<u64, Listed>>,
    header: Vec<Listed>,
    sizes: BTreeMap<ObjectName, u64>,
    /// Objects that are not ownkey's.
    pub(super) foreign: u64,
}

impl Listing {
    /// Everything.
    pub(super) fn of(io: &Io) -> Result<Self> {
        let mut listing = Self::default();
        listing.add(io, &Prefix::all())?;
        Ok(listing)
    }

    /// Everything but packs and segments.
    pub(super) fn of_entries(io: &Io) -> Result<Self> {
        let mut listing = Self::default();
        for prefix in [layout::logs(), layout::roster(), layout::keys()] {
            listing.add(io, &prefix)?;
        }
        let header = layout::header();
        if let Some(bytes) = io.find(&header)? {
            listing.take(header, bytes.len() as u64, None);
        }
        Ok(listing)
    }

    /// Packs and segments.
    pub(super) fn add_data(&mut self, io: &Io) -> Result<()> {
        for prefix in [
            layout::packs(PackKind::Data),
            layout::packs(PackKind::Meta),
            layout::segments(),
        ] {
            self.add(io, &prefix)?;
        }
        Ok(())
    }

    fn add(&mut self, io: &Io, prefix: &Prefix) -> Result<()> {
        for object in io.list(prefix)? {
            self.take(object.name, object.size, object.modified);
        }
        Ok(())
    }

    fn take(&mut self, name: ObjectName, size: u64, modified: Option<SystemTime>) {
        let Some(object) = Object::parse(&name) else {
            self.foreign += 1;
            return;
        };
        self.sizes.insert(name.clone(), size);
        let listed = Listed {
            name,
            object,
            size,
            modified,
        };
        match object {
            Object::Pack(_) | Object::Segment(_) => self.data.push(listed),
            Object::Slot(_) | Object::Grant(..) | Object::Request(_) => self.keys.push(listed),
            Object::RosterEntry(..) => self.roster.push(listed),
            Object::LogEntry(device, seq) => {
                self.logs.entry(device).or_default().insert(seq, listed);
            }
            Object::Header => self.header.push(listed),
        }
    }

    pub(super) fn data(&self) -> &[Listed] {
        &self.data
    }

    pub(super) fn keys(&self) -> &[Listed] {
        &self.keys
    }

    pub(super) fn roster(&self) -> &[Listed] {
        &self.roster
    }

    pub(super) fn header(&self) -> &[Listed] {
        &self.header
    }

    pub(super) fn logs(&self) -> &BTreeMap<DeviceId, BTreeMap<u64, Listed>> {
        &self.logs
    }

    pub(super) fn size_of(&self, name: &ObjectName) -> Option<u64> {
        self.sizes.get(name).copied()
    }

    /// All names with what they stand for.
    pub(super) fn all(&self) -> impl Iterator<Item = &Listed> {
        let logs = self.logs.values().flat_map(BTreeMap::values);
        let others = [&self.data, &self.keys, &self.roster, &self.header];
        others.into_iter().flatten().chain(logs)
    }

    /// How many objects `other` does not have.
    pub(super) fn not_in(&self, other: &Self) -> u64 {
        let gone = self
            .sizes
            .keys()
            .filter(|name| other.size_of(name).is_none());
        gone.count() as u64
    }

    /// Whether nobody has said anything between the two listings.
    pub(super) fn same_entries(&self, other: &Self) -> bool {
        fn names<'l>(
            logs: &'l BTreeMap<DeviceId, BTreeMap<u64, Listed>>,
            roster: &'l [Listed],
        ) -> Vec<&'l ObjectName> {
            let logs = logs.values().flat_map(BTreeMap::values);
            logs.chain(roster).map(|listed| &listed.name).collect()
        }
        names(&self.logs, &self.roster) == names(&other.logs, &other.roster)
    }

    /// Every log from its beginning up to the first gap, each entry behind those that the storage
    /// says are older, so that a reader of the copy is not shown who saw an entry before the entry;
    /// and where the gaps are. The storage's times decide nothing else.
    pub(super) fn entries_in_order(&self) -> (Vec<Listed>, Vec<(DeviceId, u64)>) {
        let (mut entries, mut gaps) = (Vec::new(), Vec::new());
        for (device, log) in &self.logs {
            let mut newest = None;
            for (expected, (seq, listed)) in (0..).zip(log) {
                if *seq != expected {
                    gaps.push((*device, expected));
                    break;
                }
                newest = newest.max(listed.modified);
                entries.push((newest, listed.clone()));
            }
        }
        entries.sort_by_key(|(modified, _)| *modified);
        (
            entries.into_iter().map(|(_, listed)| listed).collect(),
            gaps,
        )
    }
}
