//! What one device has read of the roster and the logs, and what follows from it.
//!
//! Logs only grow, so a view is a position in each of them, nothing else. A device that began at a fold also
//! remembers where, because a fold may leave out Condemns of what is gone.

use crate::config::{Config, Mistake, Naming};
use crate::world::{DEVICES, Entry, RosterEntry, Set, Things, World, only};

/// Positions read: `seen[d]` entries of log `d`, the first `start[d]` of them through the fold at `start[d]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Position of the fold the device began at, 0 for the log's first entry.
    pub start: [u8; DEVICES],
    /// Entries read.
    pub seen: [u8; DEVICES],
    /// Roster entries read.
    pub roster: u8,
}

impl View {
    /// The view of someone who has read everything, entry by entry.
    #[must_use]
    pub fn everything(world: &World) -> Self {
        let mut view = Self {
            roster: world.roster.len() as u8,
            ..Self::default()
        };
        for (device, log) in world.logs.iter().enumerate() {
            view.seen[device] = log.len() as u8;
        }
        view
    }
}

/// Which snapshots count as needing their chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needing {
    /// Confirmed ones alone: what must be restorable.
    Confirmed,
    /// Provisional ones too: what a pruner must assume.
    Provisional,
}

/// A view together with the world it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The configuration, for its mistake.
    pub config: &'a Config,
    /// The world whose logs were read.
    pub world: &'a World,
    /// How far.
    pub view: &'a View,
}

impl<'a> Known<'a> {
    fn roster(self) -> impl Iterator<Item = RosterEntry> + 'a {
        self.world
            .roster
            .iter()
            .take(usize::from(self.view.roster))
            .copied()
    }

    /// Devices whose logs a reader of this roster follows; removed ones too, up to their cut.
    #[must_use]
    pub fn members(self) -> Set {
        self.roster()
            .fold(self.config.members_at_start(), |set, entry| match entry {
                RosterEntry::Add(device) => set | only(usize::from(device)),
                RosterEntry::Remove(_) | RosterEntry::Cut { .. } => set,
            })
    }

    /// Whether the roster as read removes `device`.
    #[must_use]
    pub fn removed(self, device: usize) -> bool {
        self.roster()
            .any(|entry| entry == RosterEntry::Remove(device as u8))
    }

    /// First void position of `device`, if the roster as read cuts it.
    #[must_use]
    pub fn cut(self, device: usize) -> Option<usize> {
        self.roster().find_map(|entry| match entry {
            RosterEntry::Cut { device: whose, end } if usize::from(whose) == device => {
                Some(usize::from(end))
            }
            _ => None,
        })
    }

    /// Whether the log of `device` was read up to its cut, so that nothing valid in it is still unknown.
    fn cut_is_read(self, device: usize) -> bool {
        let unread_counts = self.config.mistake == Mistake::CutAppliedUnread;
        let seen = usize::from(self.view.seen[device]);
        self.cut(device)
            .is_some_and(|end| unread_counts || end <= seen)
    }

    /// Entries of `device` that were read and are not void, with their positions.
    pub fn entries(self, device: usize) -> impl Iterator<Item = (usize, Entry)> + 'a {
        let seen = usize::from(self.view.seen[device]);
        let end = self.cut(device).unwrap_or(seen).min(seen);
        self.world.logs[device]
            .iter()
            .take(end)
            .copied()
            .enumerate()
    }

    fn carried(self, device: usize, position: usize) -> bool {
        let start = usize::from(self.view.start[device]);
        match self.world.logs[device].get(start) {
            Some(Entry::Fold { forgotten }) if position < start => forgotten & only(position) == 0,
            _ => true,
        }
    }

    /// What Condemn `of` of `device` still names after the author's Spares of it.
    fn names(self, device: usize, of: usize, names: Things) -> Things {
        self.entries(device)
            .fold(names, |left, (_, entry)| match entry {
                Entry::Spare { of: which, keeps } if usize::from(which) == of => {
                    left.without(keeps)
                }
                _ => left,
            })
    }

    /// Condemns of `device` that stand, with their positions.
    pub fn condemns(self, device: usize) -> impl Iterator<Item = (usize, Things)> + 'a {
        let all_void =
            self.config.mistake == Mistake::CutVoidsEarlier && self.cut(device).is_some();
        self.entries(device)
            .filter_map(move |(position, entry)| match entry {
                Entry::Condemn { names } if !all_void && self.carried(device, position) => {
                    Some((position, self.names(device, position, names)))
                }
                _ => None,
            })
    }

    /// What standing Condemns name, leaving out the one at `but` (device, position).
    #[must_use]
    pub fn condemned(self, but: Option<(usize, usize)>) -> Things {
        let own_runs_count = self.config.mistake != Mistake::OwnCondemnsForgotten;
        let left_out = |device, position| match but {
            Some((author, _)) if author == device && !own_runs_count => true,
            but => but == Some((device, position)),
        };
        let devices = 0..self.world.logs.len();
        let all = devices
            .clone()
            .flat_map(|device| self.condemns(device).map(move |found| (device, found)));
        let standing = all
            .filter(|(device, (position, _))| !left_out(*device, *position))
            .fold(Things::default(), |set, (_, (_, names))| set.or(names));
        if self.config.mistake != Mistake::SpareEndsAll {
            return standing;
        }
        let spared = devices
            .flat_map(|device| self.entries(device))
            .filter_map(|(_, entry)| match entry {
                Entry::Spare { keeps, .. } => Some(keeps),
                _ => None,
            });
        standing.without(spared.fold(Things::default(), Things::or))
    }

    /// Whether an entry that counts forgets Backup `of` of `device`.
    ///
    /// While a device is removed and not cut, nobody can tell which of its entries will be void: its needs
    /// and Condemns bind, its Forgets free nothing.
    #[must_use]
    pub fn forgotten(self, device: usize, of: usize, which: Needing) -> bool {
        let lenient =
            which == Needing::Confirmed || self.config.mistake == Mistake::ForgetOfRemovedFrees;
        (0..self.world.logs.len()).any(|author| {
            let undecided = self.removed(author) && self.cut(author).is_none();
            (lenient || !undecided)
                && self.entries(author).any(|(_, entry)| {
                    entry
                        == Entry::Forget {
                            device: device as u8,
                            of: of as u8,
                        }
                })
        })
    }

    /// Positions of the confirmed Backups of `device`.
    pub fn confirmed(self, device: usize) -> impl Iterator<Item = usize> + 'a {
        self.entries(device)
            .filter_map(move |(_, entry)| match entry {
                Entry::Confirm { of } => match self.world.logs[device].get(usize::from(of)) {
                    Some(Entry::Backup { .. }) => Some(usize::from(of)),
                    _ => None,
                },
                _ => None,
            })
    }

    /// Segments that count, as far as this view can be sure for ever.
    ///
    /// Entries of a removed device that is not cut yet may become void; what only they name is not relied on.
    #[must_use]
    pub fn surely_named(self) -> Set {
        let lenient = self.config.mistake == Mistake::DoubtfulNamesRelied;
        let sure =
            |device: &usize| lenient || !self.removed(*device) || self.cut(*device).is_some();
        self.named_by((0..self.world.logs.len()).filter(sure))
    }

    /// Segments that count now: those that an entry which is not void names.
    #[must_use]
    pub fn named(self) -> Set {
        self.named_by(0..self.world.logs.len())
    }

    fn named_by(self, devices: impl Iterator<Item = usize>) -> Set {
        if self.config.naming == Naming::Existing {
            return Set::MAX;
        }
        let at_start = (0..self.config.segments.len()).fold(0, |set, segment| set | only(segment));
        devices
            .flat_map(|device| self.entries(device))
            .fold(at_start, |set, (_, entry)| {
                set | match entry {
                    Entry::Backup { relies, .. }
                    | Entry::Checkpoint { relies, .. }
                    | Entry::Repack { relies } => relies.segments,
                    _ => 0,
                }
            })
    }

    /// Chunks that the snapshots of every device need.
    #[must_use]
    pub fn needs(self, which: Needing) -> Set {
        (0..self.world.logs.len()).fold(0, |chunks, device| chunks | self.needs_of(device, which))
    }

    fn needs_of(self, device: usize, which: Needing) -> Set {
        let (mut kept, mut provisional, mut checkpoints, mut unconfirmed) = (0, 0, 0, 0);
        for (_, entry) in self.entries(device) {
            match entry {
                Entry::Backup { needs, .. } => provisional = needs,
                Entry::Checkpoint { needs, .. } => unconfirmed |= needs,
                Entry::Confirm { of } => match self.world.logs[device].get(usize::from(of)) {
                    Some(Entry::Backup { needs, .. }) => {
                        if !self.forgotten(device, usize::from(of), which) {
                            kept |= needs;
                        }
                        (provisional, checkpoints, unconfirmed) = (0, 0, 0);
                    }
                    Some(Entry::Checkpoint { needs, .. }) => checkpoints |= needs,
                    _ => {}
                },
                _ => {}
            }
        }
        let ended = self.cut_is_read(device);
        let open = if ended { 0 } else { checkpoints };
        match which {
            Needing::Confirmed => kept | open,
            Needing::Provisional if ended => kept,
            Needing::Provisional if self.config.mistake == Mistake::ProvisionalIgnored => {
                kept | open
            }
            Needing::Provisional => kept | open | provisional | unconfirmed,
        }
    }
}
