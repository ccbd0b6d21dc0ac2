//! What a pruner may delete of what it condemned: the heart of the rule.
//!
//! Pure: a view, a listing, and a Condemn go in, the part that may go comes out. The rest is spared.

use crate::config::Mistake;
use crate::view::{Known, Needing};
use crate::world::{Entry, Set, Things, numbers, only};

/// What the pruner looks at after its Condemn.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What its listing showed, and what it stored itself since.
    pub listing: Things,
    /// What its Condemn names.
    pub doomed: Things,
    /// Its own Condemn (device, position), if already put.
    pub own: Option<(usize, usize)>,
    /// Packs and segments this pruner stored itself in this run.
    pub mine: Things,
    /// Packs that existed when it asked again, after its Condemn.
    pub listed_again: Set,
}

/// The part of `case.doomed` that may be deleted.
#[must_use]
pub fn may_go(known: Known<'_>, case: Case) -> Things {
    let mut others = known.condemned(case.own);
    if known.config.mistake == Mistake::RepackUnlooked {
        others = others.without(case.mine);
    }
    let mut segments = known_segments(known, case.listing);
    if known.config.mistake != Mistake::UnnamedCounted {
        segments &= known.surely_named();
    }
    let packs = packs_that_may_go(known, case, others, segments);
    let segments = match known.config.mistake {
        Mistake::SegmentUnchecked => case.doomed.segments,
        _ => segments_that_may_go(known, case, others, Things { packs, segments }),
    };
    Things { packs, segments }
}

/// Segments the pruner can read: those listed, and those that entries it read since then name.
#[must_use]
pub fn known_segments(known: Known<'_>, listing: Things) -> Set {
    let devices = 0..known.world.logs.len();
    let named =
        devices
            .flat_map(|device| known.entries(device))
            .filter_map(|(_, entry)| match entry {
                Entry::Backup { relies, .. }
                | Entry::Checkpoint { relies, .. }
                | Entry::Repack { relies } => Some(relies.segments),
                _ => None,
            });
    listing.segments | (named.fold(0, |all, some| all | some) & known.world.stored.segments)
}

fn packs_that_may_go(known: Known<'_>, case: Case, others: Things, segments: Set) -> Set {
    let world = known.world;
    let needs = known.needs(Needing::Provisional);
    let located = world.located_by(segments | case.listing.segments);
    // A location is a pack and a segment that leads to it: a Condemn of either one spoils it.
    let leading = match known.config.mistake {
        Mistake::WitnessByCondemnedSegment => segments,
        _ => segments & !others.segments & !case.doomed.segments,
    };
    let condemned = others.packs | case.doomed.packs;
    let mut witnesses = case.listing.packs & world.located_by(leading) & !condemned;
    if known.config.mistake != Mistake::ForeignTrusted {
        // In the trust domain of all who need the chunk, or decrypted and re-hashed: a forged pack is neither.
        witnesses &= !known.config.forged;
    }
    let elsewhere = world.claimed_by(witnesses);
    let free = |pack: &usize| {
        // What no known segment locates, no snapshot can find: it holds nothing.
        located & only(*pack) == 0 || world.claims[*pack] & needs & !elsewhere == 0
    };
    numbers(case.doomed.packs)
        .filter(free)
        .fold(0, |set, pack| set | only(pack))
}

/// `sure` holds the packs that go and the segments this pruner can read.
fn segments_that_may_go(known: Known<'_>, case: Case, others: Things, sure: Things) -> Set {
    let world = known.world;
    let standing = sure.segments & !others.segments & !case.doomed.segments;
    let missing = match known.config.mistake {
        Mistake::GoneUnlooked => !case.listing.packs,
        _ => !(case.listing.packs | case.listed_again),
    };
    let mut covered = world.located_by(standing) | sure.packs | missing;
    if known.config.mistake == Mistake::OthersCondemnedGone {
        covered |= others.packs;
    }
    numbers(case.doomed.segments)
        .filter(|segment| world.located[*segment] & !covered == 0)
        .fold(0, |set, segment| set | only(segment))
}
