//! What exists: packs, index segments, deletes in flight, the roster, the logs, and every device's memory.
//!
//! A [`World`] is one state of the model. Sets are bit masks over small numbers, so that millions of states
//! fit in memory. Log entries are public facts; `docs/format.md` gives their real encoding.

use crate::view::View;

/// A set of small numbers (packs, segments, chunks, or devices): bit `n` stands for number `n`.
pub type Set = u16;

/// The most packs one configuration can ever create.
pub const PACKS: usize = 16;
/// The most index segments one configuration can ever create.
pub const SEGMENTS: usize = 16;
/// The most devices of one configuration.
pub const DEVICES: usize = 5;
/// The most chunks of one configuration.
pub const CHUNKS: usize = 2;
/// The place of a chunk that has none yet.
pub const NOWHERE: u8 = u8::MAX;

/// The set that holds `number` alone.
#[must_use]
pub const fn only(number: usize) -> Set {
    1 << number
}

/// The numbers of `set`, ascending.
pub fn numbers(set: Set) -> impl Iterator<Item = usize> {
    (0..Set::BITS as usize).filter(move |number| set & only(*number) != 0)
}

/// All subsets of `set`, the empty one first.
pub fn subsets(set: Set) -> impl Iterator<Item = Set> {
    (0..=set).filter(move |part| part & !set == 0)
}

/// Packs and segments together: what a Condemn names, what a Spare keeps, what a listing showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Things {
    /// Packs.
    pub packs: Set,
    /// Index segments.
    pub segments: Set,
}

impl Things {
    /// Whether neither a pack nor a segment is named.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.packs == 0 && self.segments == 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            packs: self.packs & other.packs,
            segments: self.segments & other.segments,
        }
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            packs: self.packs | other.packs,
            segments: self.segments | other.segments,
        }
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            packs: self.packs & !other.packs,
            segments: self.segments & !other.segments,
        }
    }
}

/// One log entry. Positions (`of`) are sequence numbers in the author's own log unless a device is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A snapshot that needs these chunks, provisional until confirmed; names what it relies on.
    Backup {
        /// Chunks the snapshot needs.
        needs: Set,
        /// Packs relied on and new segments.
        relies: Things,
    },
    /// A backup in progress that needs these chunks.
    Checkpoint {
        /// Chunks the partial snapshot needs.
        needs: Set,
        /// Packs relied on and new segments.
        relies: Things,
    },
    /// New homes for chunks that a prune will move.
    Repack {
        /// New packs and new segments.
        relies: Things,
    },
    /// The author looked after entry `of` and found nothing against it.
    Confirm {
        /// Position of the Backup, Checkpoint, or Repack.
        of: u8,
    },
    /// Backup `of` of `device` is no longer wanted.
    Forget {
        /// Whose Backup.
        device: u8,
        /// Its position.
        of: u8,
    },
    /// The author intends to delete these.
    Condemn {
        /// What may go.
        names: Things,
    },
    /// The author's Condemn `of` ends for these.
    Spare {
        /// Position of the Condemn.
        of: u8,
        /// What stays.
        keeps: Things,
    },
    /// The folded state of this log up to here; bit `n` of `forgotten`: Condemn `n` is no longer carried.
    Fold {
        /// Condemns left out.
        forgotten: Set,
    },
}

/// One roster entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RosterEntry {
    /// A device joins.
    Add(u8),
    /// A device is removed; its log is read to the end only after this is written.
    Remove(u8),
    /// Entries of the device from position `end` on are void.
    Cut {
        /// The removed device.
        device: u8,
        /// The first void position.
        end: u8,
    },
}

/// Where a device stands in its run. Between any two steps it may sleep, or stop for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not in the roster yet.
    Outside,
    /// Reads the logs at the start of a run.
    Begin,
    /// Lists packs, then segments or segments, then packs; or plans in one step where listings are coarse.
    List,
    /// Has the first listing, takes the second.
    ListMore,
    /// Chooses places (writer) or what to condemn (pruner).
    Plan,
    /// New pack planned, not stored yet.
    StorePack,
    /// New segment planned, not stored yet.
    StoreSegment,
    /// Everything is stored; the Backup, Checkpoint, or Repack is put next.
    Put,
    /// Looks after a Backup, Checkpoint, or Repack.
    Look,
    /// The look found nothing; the Confirm is put next.
    Confirm,
    /// Confirmed; reads the roster once more before acknowledging.
    RosterAgain,
    /// The snapshot is acknowledged to the person who asked for it.
    Acknowledged,
    /// The Condemn is put next.
    Condemn,
    /// Looks after the Condemn.
    LookAgain,
    /// The Spare is put next, then the deletes are sent.
    Spare,
    /// Deletes are sent; only the mistake `SpareLast` still has its Spare to put.
    Sent,
    /// Nothing more in this run.
    Done,
}

/// One device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Where it stands.
    pub phase: Phase,
    /// Runs begun before this one.
    pub run: u8,
    /// Passes begun before this one; every pass has its own pack and segment name.
    pub pass: u8,
    /// What it has read.
    pub view: View,
    /// Logs (bit = device) still to be read in this reading.
    pub unread: Set,
    /// What its listing showed.
    pub listing: Things,
    /// Writer: the pack each chunk is expected in.
    pub placed: [u8; CHUNKS],
    /// Writer: chunks stored anew in this pass. Pruner: chunks moved.
    pub fresh: Set,
    /// Writer: whether its checkpoint is behind it.
    pub past_checkpoint: bool,
    /// Pruner: what it condemns, and after the look what it may delete.
    pub doomed: Things,
    /// Pruner: packs that existed when it asked again, after its Condemn.
    pub listed_again: Set,
    /// Pruner: what the look allowed.
    pub may_go: Things,
    /// Position of the entry that the current look is about.
    pub of: u8,
}

impl Agent {
    /// A device that has done nothing yet.
    #[must_use]
    pub fn outside() -> Self {
        Self {
            phase: Phase::Outside,
            run: 0,
            pass: 0,
            view: View::default(),
            unread: 0,
            listing: Things::default(),
            placed: [NOWHERE; CHUNKS],
            fresh: 0,
            past_checkpoint: false,
            doomed: Things::default(),
            listed_again: 0,
            may_go: Things::default(),
            of: 0,
        }
    }
}

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What the storage holds.
    pub stored: Things,
    /// Deletes that were sent and may land at any later time, or never.
    pub flying: Things,
    /// Uploads that were retried and may land once more, even after the object was deleted.
    pub late_puts: Things,
    /// The chunks each pack claims to hold (0: never created).
    pub claims: [Set; PACKS],
    /// The packs each segment has entries for (0: never created).
    pub located: [Set; SEGMENTS],
    /// The shared roster.
    pub roster: Vec<RosterEntry>,
    /// One log a device.
    pub logs: Vec<Vec<Entry>>,
    /// One memory a device.
    pub agents: Vec<Agent>,
}

impl World {
    /// Packs that some segment of `segments` has an entry for.
    #[must_use]
    pub fn located_by(&self, segments: Set) -> Set {
        numbers(segments).fold(0, |packs, segment| packs | self.located[segment])
    }

    /// Chunks that some pack of `packs` claims to hold.
    #[must_use]
    pub fn claimed_by(&self, packs: Set) -> Set {
        numbers(packs).fold(0, |chunks, pack| chunks | self.claims[pack])
    }

    /// Appends to the log of `device`, which always knows its own log, and returns the position.
    pub fn put(&mut self, device: usize, entry: Entry) -> u8 {
        self.logs[device].push(entry);
        let length = self.logs[device].len() as u8;
        self.agents[device].view.seen[device] = length;
        length - 1
    }

    /// Everything that ever was stored and no longer is.
    #[must_use]
    pub fn deleted(&self) -> Things {
        let created = |table: &[Set]| {
            let made = table.iter().enumerate().filter(|(_, holds)| **holds != 0);
            made.fold(0, |set, (number, _)| set | only(number))
        };
        Things {
            packs: created(&self.claims),
            segments: created(&self.located),
        }
        .without(self.stored)
    }
}
