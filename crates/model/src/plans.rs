//! What a pruner plans: which packs and segments to condemn, and new homes for what must be moved.
//!
//! A plan may be as bold as it likes: the look after the Condemn decides what is really deleted.

use crate::config::{Config, Grain, Mistake, Moves, Plans, Role};
use crate::pruner::finish;
use crate::reading;
use crate::verdict::{Case, may_go};
use crate::view::{Known, Needing};
use crate::world::{Entry, Phase, Set, Things, World, numbers, only, subsets};

/// Every plan of pruner `me`, each followed to its next storage operation.
#[must_use]
pub fn plan(config: &Config, world: &World, me: usize) -> Vec<World> {
    let choices = doomed_choices(config, world, me);
    choices
        .into_iter()
        .map(|doomed| after_plan(config, world, me, doomed))
        .collect()
}

fn doomed_choices(config: &Config, world: &World, me: usize) -> Vec<Things> {
    let listing = world.agents[me].listing;
    let follow = |packs: Set| {
        let gone = packs | !listing.packs;
        let empty = |segment: &usize| world.located[*segment] & !gone == 0;
        let segments = numbers(listing.segments)
            .filter(empty)
            .fold(0, |set, one| set | only(one));
        Things { packs, segments }
    };
    let alone = |packs| Things { packs, segments: 0 };
    let choices: Vec<Things> = match config.plans {
        Plans::Greedy => greedy(config, world, me).into_iter().map(follow).collect(),
        Plans::AnyPacks => subsets(listing.packs).map(follow).collect(),
        Plans::GreedyPacksAlone => greedy(config, world, me).into_iter().map(alone).collect(),
        Plans::PacksAlone => subsets(listing.packs).map(alone).collect(),
        Plans::Anything => {
            let all =
                |packs| subsets(listing.segments).map(move |segments| Things { packs, segments });
            subsets(listing.packs).flat_map(all).collect()
        }
    };
    choices
        .into_iter()
        .filter(|doomed| !doomed.is_empty())
        .collect()
}

/// Condemn all but one smallest covering set of uncondemned packs; all packs where nothing is needed.
fn greedy(config: &Config, world: &World, me: usize) -> Vec<Set> {
    let known = Known {
        config,
        world,
        view: &world.agents[me].view,
    };
    let listed = world.agents[me].listing.packs;
    let needs = known.needs(Needing::Provisional);
    if needs == 0 {
        return vec![listed];
    }
    let safe = listed & !known.condemned(None).packs;
    let covers = |keep: &Set| needs & !world.claimed_by(*keep) == 0;
    let smallest =
        |keep: &Set| covers(keep) && numbers(*keep).all(|pack| !covers(&(keep & !only(pack))));
    subsets(safe)
        .filter(smallest)
        .map(|keep| safe & !keep)
        .collect()
}

fn after_plan(config: &Config, world: &World, me: usize, doomed: Things) -> World {
    let mut next = world.clone();
    next.agents[me].doomed = doomed;
    next.agents[me].phase = Phase::Condemn;
    if let Role::Pruner {
        moves: Moves::Always,
        ..
    } = config.roles[me]
    {
        let known = Known {
            config,
            world,
            view: &world.agents[me].view,
        };
        let case = Case {
            listing: world.agents[me].listing,
            doomed,
            own: None,
            mine: Things::default(),
            listed_again: 0,
        };
        let stays = doomed.without(may_go(known, case));
        if !stays.is_empty() {
            return plan_move(config, next, me, stays);
        }
    }
    if config.mistake == Mistake::PrunerLooksFirst {
        reading::begin(config, &mut next, me, Phase::LookAgain);
    }
    next
}

/// Reads the needed chunks of what would have to stay; a source that is gone by now ends the run.
fn plan_move(config: &Config, mut next: World, me: usize, stays: Things) -> World {
    let known = Known {
        config,
        world: &next,
        view: &next.agents[me].view,
    };
    let needed = known.needs(Needing::Provisional);
    if stays.packs & !next.stored.packs != 0 {
        return finish(next, me);
    }
    let fresh = next.claimed_by(stays.packs & !config.forged) & needed;
    next.agents[me].fresh = fresh;
    next.agents[me].phase = if fresh == 0 {
        Phase::StoreSegment
    } else {
        Phase::StorePack
    };
    if config.grain == Grain::Coarse {
        while matches!(
            next.agents[me].phase,
            Phase::StorePack | Phase::StoreSegment
        ) {
            next = store(config, &next, me);
        }
    }
    next
}

/// The pack and the segment that pruner `me` writes in `run`, if it moves chunks at all.
#[must_use]
pub fn written(config: &Config, me: usize, run: u8) -> Things {
    match config.roles[me] {
        Role::Pruner {
            moves: Moves::Always,
            ..
        } => {
            let name = only(config.name(me, run));
            Things {
                packs: name,
                segments: name,
            }
        }
        _ => Things::default(),
    }
}

/// Stores the new pack, or the new segment after it.
#[must_use]
pub fn store(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let new = config.name(me, world.agents[me].run);
    let agent = &mut next.agents[me];
    if agent.phase == Phase::StorePack {
        agent.listing.packs |= only(new);
        agent.phase = Phase::StoreSegment;
        next.claims[new] = agent.fresh;
        next.stored.packs |= only(new);
        return next;
    }
    // The new segment also takes over what the condemned segments say of packs that stay.
    let moved = if agent.fresh == 0 { 0 } else { only(new) };
    let (doomed, listed) = (agent.doomed, agent.listing.packs);
    agent.listing.segments |= only(new);
    agent.phase = Phase::Put;
    let kept = world.located_by(doomed.segments) & !doomed.packs & listed;
    next.located[new] = moved | kept;
    next.stored.segments |= only(new);
    next
}

/// Says where the moved chunks are now; the look comes next.
#[must_use]
pub fn put_repack(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let own = written(config, me, world.agents[me].run);
    let relies = own.and(world.agents[me].listing);
    next.agents[me].of = next.put(me, Entry::Repack { relies });
    if config.mistake == Mistake::RepackUnlooked {
        next.agents[me].phase = Phase::Condemn;
    } else {
        reading::begin(config, &mut next, me, Phase::Look);
    }
    next
}

/// The look found nothing against the new homes.
#[must_use]
pub fn confirm_repack(world: &World, me: usize) -> World {
    let mut next = world.clone();
    let of = next.agents[me].of;
    next.put(me, Entry::Confirm { of });
    next.agents[me].phase = Phase::Condemn;
    next
}
