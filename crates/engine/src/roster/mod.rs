//! The roster: who may do what in a repository, as its entries add up (docs/format.md §12).
//!
//! Pure. A [`Roster`] begins with a verified genesis and grows by verified entries; reading and
//! verifying them is in [`load`].

pub(crate) mod load;
pub(crate) mod news;
pub(crate) mod strangers;

use std::collections::{BTreeMap, BTreeSet};

use ownkey_crypto::{Capabilities, DeviceId, Epoch, ObjectHash, PublicIdentity};

use crate::format::entry::{EntryRef, ROSTER, RosterPosition};
use crate::format::roster::{Change, Genesis, Introduced, Role, RosterEntry};
use crate::format::time::Timestamp;

/// An identity of the repository.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its id in logs and roster.
    pub id: DeviceId,
    /// Its public keys.
    pub public: PublicIdentity,
    /// A machine, or a way back.
    pub role: Role,
    /// What it may do.
    pub capabilities: Capabilities,
    /// What its owner calls it.
    pub label: String,
    /// The slots that hold its seed.
    pub slots: BTreeSet<ObjectHash>,
    /// The roster entry that removed it.
    pub removed: Option<u32>,
    /// From where its log is void, and its last entry that stands.
    pub cut: Option<(u64, ObjectHash)>,
}

/// A log as an admin accepted it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    /// The entry of the roster that says so.
    pub(crate) by: RosterPosition,
    /// Whose log; [`crate::format::entry::ROSTER`] for the roster.
    pub(crate) device: DeviceId,
    /// From which number it goes on.
    pub(crate) next: u64,
    /// The entry before that; zeros if there is none.
    pub(crate) last: ObjectHash,
}

/// How an epoch began.
#[derive(Debug, Clone)]
pub(crate) struct EpochStart {
    /// The entry that began it; 0 for the first.
    pub(crate) n: u32,
    /// Sealed keys of the epoch before; empty for the first.
    pub(crate) read_history: Vec<u8>,
    pub(crate) log_history: Vec<u8>,
}

/// The roster up to some entry.
#[derive(Debug, Clone)]
pub struct Roster {
    members: BTreeMap<DeviceId, Member>,
    chain: Vec<ObjectHash>,
    /// The entries after the first, as they were followed.
    entries: Vec<RosterEntry>,
    /// When the repository was made.
    founded: Timestamp,
    epochs: BTreeMap<Epoch, EpochStart>,
    accepts: Vec<Accepted>,
    format_level: u32,
    policy: Vec<u8>,
}

/// The newest format level this program writes.
pub(crate) const FORMAT_LEVEL: u32 = 1;

impl Roster {
    /// The roster of a new repository. `hash` is that of the object of entry 0.
    pub(crate) fn begin(
        genesis: &Genesis,
        hash: ObjectHash,
        id_of: &dyn Fn(&PublicIdentity) -> DeviceId,
    ) -> Self {
        let start = EpochStart {
            n: 0,
            read_history: Vec::new(),
            log_history: Vec::new(),
        };
        let mut roster = Self {
            members: BTreeMap::new(),
            chain: vec![hash],
            entries: Vec::new(),
            founded: genesis.time,
            epochs: [(Epoch::FIRST, start)].into(),
            accepts: Vec::new(),
            format_level: genesis.format_level,
            policy: Vec::new(),
        };
        for identity in &genesis.identities {
            roster.add(identity, id_of(&identity.public));
        }
        roster
    }

    fn add(&mut self, identity: &Introduced, id: DeviceId) {
        let member = Member {
            id,
            public: identity.public.clone(),
            role: identity.role,
            capabilities: identity.capabilities,
            label: identity.label.clone(),
            slots: BTreeSet::new(),
            removed: None,
            cut: None,
        };
        // An identity that was removed does not come back under the same keys.
        self.members.entry(id).or_insert(member);
    }

    /// Whether `entry` may follow: made by a standing admin, at the right place, within its rights.
    pub(crate) fn admits(&self, entry: &RosterEntry) -> bool {
        let Some(signer) = self.standing_admin(&entry.signer) else {
            return false;
        };
        let follows =
            entry.n as usize == self.chain.len() && self.chain.last() == Some(&entry.previous);
        let within_rights = match &entry.change {
            // A stolen admin laptop must not be able to evict its owner.
            Change::Remove(device)
            | Change::Capabilities { device, .. }
            | Change::Slot {
                device,
                added: false,
                ..
            } => {
                signer.role == Role::Recovery
                    || self
                        .members
                        .get(device)
                        .is_none_or(|member| member.role == Role::Device)
            }
            Change::NewEpoch { epoch, .. } => self.current_epoch().next() == Some(*epoch),
            // There is always an entry of the roster before one.
            Change::Accept { device, next, last } if *device == ROSTER => {
                let before = next.checked_sub(1).and_then(|n| usize::try_from(n).ok());
                before.and_then(|n| self.chain.get(n)) == Some(last)
            }
            _ => true,
        };
        follows && within_rights
    }

    /// Adds an entry that [`Self::admits`] allowed; `hash` is that of its object.
    pub(crate) fn follow(
        &mut self,
        entry: &RosterEntry,
        hash: ObjectHash,
        id_of: &dyn Fn(&PublicIdentity) -> DeviceId,
    ) {
        self.chain.push(hash);
        self.entries.push(entry.clone());
        match &entry.change {
            Change::AddIdentity(identity) => self.add(identity, id_of(&identity.public)),
            Change::Remove(device) => self.remove(device, entry.n),
            Change::Cut { device, next, last } => {
                self.with(device, |member| {
                    member.cut = member.cut.or(Some((*next, *last)));
                });
            }
            Change::Capabilities {
                device,
                capabilities,
            } => {
                self.with(device, |member| member.capabilities = *capabilities);
            }
            Change::NewEpoch {
                epoch,
                read_history,
                log_history,
                ..
            } => {
                let start = EpochStart {
                    n: entry.n,
                    read_history: read_history.clone(),
                    log_history: log_history.clone(),
                };
                self.epochs.insert(*epoch, start);
            }
            Change::Policy(policy) => self.policy.clone_from(policy),
            Change::FormatLevel(level) => self.format_level = self.format_level.max(*level),
            Change::Accept { device, next, last } => self.accept(Accepted {
                by: RosterPosition { n: entry.n, hash },
                device: *device,
                next: *next,
                last: *last,
            }),
            Change::Slot {
                device,
                slot,
                added,
            } => self.with(device, |member| {
                if *added {
                    member.slots.insert(*slot)
                } else {
                    member.slots.remove(slot)
                };
            }),
            Change::Label { device, label } => {
                self.with(device, |member| member.label.clone_from(label));
            }
            Change::Unknown(_) => {}
        }
    }

    /// A removal that lost the race for its number holds all the same.
    pub(crate) fn remove(&mut self, device: &DeviceId, n: u32) {
        self.with(device, |member| member.removed = member.removed.or(Some(n)));
    }

    fn with(&mut self, device: &DeviceId, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(device) {
            change(member);
        }
    }

    /// A member that was not removed and is an admin.
    pub(crate) fn standing_admin(&self, id: &DeviceId) -> Option<&Member> {
        self.standing(id)
            .filter(|member| member.capabilities.contain(Capabilities::ADMIN))
    }

    /// A member that was not removed.
    pub fn standing(&self, id: &DeviceId) -> Option<&Member> {
        self.members
            .get(id)
            .filter(|member| member.removed.is_none())
    }

    /// Everybody who ever was a member, the removed ones too: their older entries stand.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A member, removed or not.
    pub fn member(&self, id: &DeviceId) -> Option<&Member> {
        self.members.get(id)
    }

    /// The newest entry.
    pub fn position(&self) -> RosterPosition {
        // The chain holds at least the genesis, and at most 2^20 entries are read.
        let n = u32::try_from(self.chain.len() - 1).unwrap_or(u32::MAX);
        RosterPosition {
            n,
            hash: self.chain[self.chain.len() - 1],
        }
    }

    /// When the repository was made, by its founder's clock.
    pub fn founded(&self) -> Timestamp {
        self.founded
    }

    /// What has changed since entry `n`, in order.
    pub fn changes_after(&self, n: u32) -> impl Iterator<Item = &RosterEntry> {
        self.entries.iter().skip(n as usize)
    }

    /// When a member was added, by the clock of who added it.
    pub fn added(&self, member: &Member) -> Timestamp {
        let adds = |entry: &&RosterEntry| matches!(&entry.change, Change::AddIdentity(identity) if identity.public == member.public);
        self.entries
            .iter()
            .find(adds)
            .map_or(self.founded, |entry| entry.time)
    }

    /// Numbers and hashes of every entry that is followed, from the first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, ObjectHash)> {
        (0u32..).zip(self.chain.iter().copied())
    }

    /// Whether `position` is an entry of this roster.
    pub fn contains(&self, position: &RosterPosition) -> bool {
        self.chain.get(position.n as usize) == Some(&position.hash)
    }

    /// The epoch in force.
    pub fn current_epoch(&self) -> Epoch {
        self.epochs
            .last_key_value()
            .map_or(Epoch::FIRST, |(epoch, _)| *epoch)
    }

    /// Number and hash of the entry that began the epoch in force.
    pub(crate) fn begun(&self) -> Option<(u32, ObjectHash)> {
        let n = self.epochs.last_key_value()?.1.n;
        Some((n, *self.chain.get(n as usize)?))
    }

    pub(crate) fn epoch_start(&self, epoch: Epoch) -> Option<&EpochStart> {
        self.epochs.get(&epoch)
    }

    fn accept(&mut self, accepted: Accepted) {
        let (next, last) = (accepted.next, accepted.last);
        self.with(&accepted.device, |member| {
            // What was read of the log when it was cut is not shown any more.
            let ends = |(cut, hash)| {
                if next < cut {
                    (next, last)
                } else {
                    (cut, hash)
                }
            };
            member.cut = member.cut.map(ends);
        });
        self.accepts.push(accepted);
    }

    /// What admins accepted, in order.
    pub(crate) fn accepts(&self) -> &[Accepted] {
        &self.accepts
    }

    /// Whether an admin accepted that a log goes on without this entry, and whoever says to have seen it did not know.
    pub(crate) fn gave_up(&self, entry: &EntryRef, knew: impl Fn(&Accepted) -> bool) -> bool {
        let lies_behind =
            |accepted: &&Accepted| accepted.device == entry.device && accepted.next <= entry.at.seq;
        let mut accepts = self.accepts.iter().filter(lies_behind);
        accepts.any(|accepted| !knew(accepted))
    }

    /// Whether who had read the roster up to `position` knew what an admin accepted.
    pub(crate) fn knew(&self, position: &RosterPosition, accepted: &Accepted) -> bool {
        accepted.by.n <= position.n && self.contains(position)
    }

    /// Features a program must know to write here.
    pub fn format_level(&self) -> u32 {
        self.format_level
    }
}
