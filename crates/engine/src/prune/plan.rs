//! What a prune means to do: which packs to drop, and which to empty first.
//!
//! Pure. A plan may be as bold as it likes: the look behind the Condemn decides what is deleted.

use std::cmp::Reverse;

use ownkey_crypto::PackKind;

use super::holdings::Holding;
use crate::format::entry::PackName;
use crate::index::PackEntry;

/// How much of what is stored may be what nobody needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unused {
    /// So many in a hundred of all that is needed.
    Percent(f64),
    /// So many bytes.
    Bytes(u64),
    /// As much as there is: only packs that nobody needs anything of are dropped.
    Any,
}

/// Why reads are taken to be as fresh as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FreshReads {
    /// The storage says so.
    #[default]
    Claimed,
    /// A probe found it.
    Probed,
}

/// What is stored anew although it could stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Renew {
    /// Nothing.
    #[default]
    Nothing,
    /// Whatever was sealed under the keys of an earlier epoch, also by devices that may not read: they store their
    /// chunks once more.
    EarlierEpochs,
}

/// How far a prune goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// What may stay unused within packs.
    pub max_unused: Unused,
    /// Most bytes of needed chunks to move; none is no bound.
    pub max_moved: Option<u64>,
    /// What is stored anew in any case, beyond all limits.
    pub renew: Renew,
    /// Why the storage can be pruned at all.
    pub fresh_reads: FreshReads,
    /// So many in a hundred of all bytes in packs must be given back, or nothing is done.
    pub worth_from: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_unused: Unused::Percent(5.0),
            max_moved: None,
            renew: Renew::default(),
            fresh_reads: FreshReads::default(),
            worth_from: 0,
        }
    }
}

/// Packs shorter than this are small.
const SMALL: u64 = 4 << 20;
/// From so many small packs of one kind on, they are put together.
const MANY: usize = 16;

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Packs that hold nothing anybody needs.
    pub(super) drop: Vec<PackName>,
    /// Packs to be emptied, and bytes to be moved out of each.
    pub(super) empty: Vec<(PackEntry, u64)>,
    /// Bytes that stay unused in packs that stay.
    pub(super) left_unused: u64,
}

impl Plan {
    pub(super) fn of(holdings: &[Holding], options: &Options) -> Self {
        let mut plan = Self::default();
        let mut choice = Choice {
            budget: options.max_moved.unwrap_or(u64::MAX),
            empty: Vec::new(),
        };
        let mut stay: Vec<&Holding> = Vec::new();
        for holding in holdings {
            match holding {
                holding if holding.live == 0 => plan.drop.push(holding.pack.name),
                holding if holding.must_go => choice.take(holding),
                holding => stay.push(holding),
            }
        }
        // What a device that may not read has stored is deleted whole or left: it cannot learn where
        // its chunks have gone.
        let (mut stay, doubtful): (Vec<&Holding>, Vec<&Holding>) =
            stay.into_iter().partition(|holding| holding.pack.reliable);
        let needed: u64 = holdings.iter().map(|holding| holding.live).sum();
        let most = options.max_unused.of(needed);
        let mut unused: u64 = stay.iter().map(|holding| holding.dead).sum();
        // By waste for each byte moved, in sixteenths of a bit: the best first.
        stay.sort_by_key(|holding| (Reverse(worth(holding)), holding.pack.number));
        stay.retain(|holding| {
            let takes = unused > most && holding.dead > 0 && choice.can_take(holding);
            if takes {
                unused -= holding.dead;
                choice.take(holding);
            }
            !takes
        });
        for kind in [PackKind::Data, PackKind::Meta] {
            choice.put_together(&stay, kind);
        }
        plan.left_unused = unused + doubtful.iter().map(|holding| holding.dead).sum::<u64>();
        plan.empty = choice.empty;
        plan
    }
}

struct Choice {
    budget: u64,
    empty: Vec<(PackEntry, u64)>,
}

impl Choice {
    fn can_take(&self, holding: &Holding) -> bool {
        holding.live <= self.budget
    }

    fn take(&mut self, holding: &Holding) {
        self.budget = self.budget.saturating_sub(holding.live);
        self.empty.push((holding.pack, holding.live));
    }

    fn put_together(&mut self, stay: &[&Holding], kind: PackKind) {
        let small = stay
            .iter()
            .filter(|holding| holding.pack.name.kind == kind && holding.pack.length < SMALL);
        let small: Vec<&&Holding> = small.collect();
        if small.len() >= MANY {
            for holding in small {
                if self.can_take(holding) {
                    self.take(holding);
                }
            }
        }
    }
}

impl Unused {
    fn of(self, needed: u64) -> u64 {
        match self {
            // Rounded down, and a percentage of more bytes than 2^53 may be off by some.
            Self::Percent(percent) => (needed as f64 / 100.0 * percent.max(0.0)) as u64,
            Self::Bytes(bytes) => bytes,
            Self::Any => u64::MAX,
        }
    }
}

/// Waste for each needed byte, to compare by.
fn worth(holding: &Holding) -> u64 {
    let worth = u128::from(holding.dead) * 4_096 / u128::from(holding.live.max(1));
    u64::try_from(worth).unwrap_or(u64::MAX)
}
