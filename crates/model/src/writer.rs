//! A writer: store packs and segments, put the Backup, look, then confirm or store anew.
//!
//! One step is one storage operation of one device. A writer that has followed the logs lists no packs: that
//! what it relies on exists follows from the rule, and the model checks that it does. A writer that began at a
//! fold lists the packs once, because the fold may have left out the Condemn of a pack that is gone.

use crate::config::{Config, Folds, Grain, Mistake, Role, Rosters};
use crate::reading;
use crate::view::Known;
use crate::world::{CHUNKS, Entry, NOWHERE, Phase, RosterEntry, Set, Things, World, numbers, only};

/// All next worlds of writer `me`.
#[must_use]
pub fn steps(config: &Config, world: &World, me: usize) -> Vec<World> {
    let mut next = match world.agents[me].phase {
        Phase::Outside => vec![join(config, world, me)],
        Phase::Begin => {
            let read = reading::steps(config, world, me).into_iter();
            read.map(|read| {
                if read.complete {
                    enter(read.world, me, Phase::Plan)
                } else {
                    read.world
                }
            })
            .collect()
        }
        Phase::Plan => plan(config, world, me),
        Phase::StorePack | Phase::StoreSegment => vec![store(config, world, me)],
        Phase::Put => vec![put(config, world, me)],
        Phase::Look => {
            let read = reading::steps(config, world, me).into_iter();
            read.map(|read| {
                if read.complete {
                    decide(config, read.world, me)
                } else {
                    read.world
                }
            })
            .collect()
        }
        Phase::Confirm => vec![confirm(config, world, me)],
        Phase::RosterAgain => vec![acknowledge(config, world, me)],
        _ => Vec::new(),
    };
    next.extend(crash(config, world, me));
    next
}

/// Device `me` is added to the roster and begins its run.
#[must_use]
pub fn join(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    next.roster.push(RosterEntry::Add(me as u8));
    reading::begin(config, &mut next, me, Phase::Begin);
    next
}

fn enter(mut world: World, me: usize, phase: Phase) -> World {
    let agent = &mut world.agents[me];
    agent.phase = phase;
    if matches!(phase, Phase::Acknowledged | Phase::Done) {
        // What a finished device remembers makes no difference; forgetting it merges states.
        agent.placed = [NOWHERE; CHUNKS];
        (agent.view, agent.fresh, agent.doomed, agent.listing) = Default::default();
    }
    world
}

fn wanted(config: &Config, world: &World, me: usize) -> Set {
    match config.roles[me] {
        Role::Writer { checkpoint, .. } if checkpoint != 0 && !world.agents[me].past_checkpoint => {
            checkpoint
        }
        Role::Writer { needs, .. } => needs,
        _ => 0,
    }
}

/// Packs that chunks may be expected in: located by a standing segment, uncondemned, of the right domain.
fn usable(config: &Config, world: &World, me: usize) -> Set {
    let condemned = heeded(config, world, me);
    let known = Known {
        config,
        world,
        view: &world.agents[me].view,
    };
    let counted = known.surely_named() | config.written_by(me);
    let segments = world.stored.segments & !condemned.segments & counted;
    let listed = match config.folds {
        Folds::Used if config.mistake != Mistake::FoldStartUnlisted => {
            world.agents[me].listing.packs
        }
        _ => Set::MAX,
    };
    let exist = listed | config.written_by(me);
    world.located_by(segments) & !condemned.packs & config.domain_of(me) & exist
}

fn heeded(config: &Config, world: &World, me: usize) -> Things {
    let known = Known {
        config,
        world,
        view: &world.agents[me].view,
    };
    let condemned = known.condemned(None);
    match config.mistake {
        Mistake::CondemnedReused => condemned.without(world.agents[me].doomed),
        _ => condemned,
    }
}

/// Every way to give each wanted chunk a place: where it is, in another usable pack, or stored anew.
fn plan(config: &Config, world: &World, me: usize) -> Vec<World> {
    let mut base = world.clone();
    if config.mistake == Mistake::CondemnedReused && base.agents[me].pass == 0 {
        let known = Known {
            config,
            world,
            view: &world.agents[me].view,
        };
        base.agents[me].doomed = known.condemned(None);
    }
    if config.folds == Folds::Used && base.agents[me].listing.is_empty() {
        base.agents[me].listing.packs = world.stored.packs;
    }
    let usable = usable(config, &base, me);
    let new = config.name(me, base.agents[me].pass);
    base.agents[me].fresh = 0;
    let mut plans = vec![base];
    for chunk in numbers(wanted(config, world, me)) {
        plans = plans
            .into_iter()
            .flat_map(|plan| places(&plan, me, (chunk, usable, new)))
            .collect();
    }
    plans
        .into_iter()
        .map(|plan| after_plan(config, plan, me))
        .collect()
}

fn places(plan: &World, me: usize, (chunk, usable, new): (usize, Set, usize)) -> Vec<World> {
    let place = usize::from(plan.agents[me].placed[chunk]);
    if place != usize::from(NOWHERE) && usable & only(place) != 0 {
        return vec![plan.clone()];
    }
    let known = numbers(usable).filter(|pack| plan.claims[*pack] & only(chunk) != 0);
    known
        .chain([new])
        .map(|pack| {
            let mut next = plan.clone();
            next.agents[me].placed[chunk] = pack as u8;
            next.agents[me].fresh |= if pack == new { only(chunk) } else { 0 };
            next
        })
        .collect()
}

fn after_plan(config: &Config, mut world: World, me: usize) -> World {
    let look_first = config.mistake == Mistake::WriterLooksFirst;
    if world.agents[me].fresh == 0 {
        world.agents[me].phase = Phase::Put;
    } else if config.grain == Grain::Fine {
        world.agents[me].phase = Phase::StorePack;
        return world;
    } else {
        world.agents[me].phase = Phase::StorePack;
        world = store(config, &world, me);
        world = store(config, &world, me);
    }
    if look_first {
        reading::begin(config, &mut world, me, Phase::Look);
    }
    world
}

fn store(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let new = config.name(me, next.agents[me].pass);
    if next.agents[me].phase == Phase::StorePack {
        next.claims[new] = next.agents[me].fresh;
        next.stored.packs |= only(new);
        next.agents[me].phase = Phase::StoreSegment;
    } else {
        next.located[new] = only(new);
        next.stored.segments |= only(new);
        next.agents[me].phase = Phase::Put;
    }
    next
}

/// What the Backup names: the packs relied on, and this device's new segments that locate them.
fn relies(config: &Config, world: &World, me: usize) -> Things {
    let placed = world.agents[me]
        .placed
        .iter()
        .filter(|place| **place != NOWHERE);
    let packs = placed.fold(0, |set, place| set | only(usize::from(*place)));
    Things {
        packs,
        segments: packs & config.written_by(me),
    }
}

fn put(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let needs = wanted(config, world, me);
    let relies = relies(config, world, me);
    let partial = matches!(config.roles[me], Role::Writer { checkpoint, .. } if checkpoint != 0)
        && !world.agents[me].past_checkpoint;
    let entry = if partial {
        Entry::Checkpoint { needs, relies }
    } else {
        Entry::Backup { needs, relies }
    };
    next.agents[me].of = next.put(me, entry);
    let unlooked = match config.mistake {
        Mistake::WriterUnlooked | Mistake::WriterLooksFirst => true,
        Mistake::CheckpointUnlooked => partial,
        _ => false,
    };
    if unlooked {
        next.agents[me].phase = Phase::Confirm;
    } else {
        reading::begin(config, &mut next, me, Phase::Look);
    }
    next
}

/// The look is complete: confirm, store anew, or stop because this device was removed.
fn decide(config: &Config, mut world: World, me: usize) -> World {
    let known = Known {
        config,
        world: &world,
        view: &world.agents[me].view,
    };
    if known.removed(me) {
        return enter(world, me, Phase::Done);
    }
    let relies = relies(config, &world, me);
    let mut met = heeded(config, &world, me).and(relies);
    if config.mistake == Mistake::SegmentsUnlooked {
        met.segments = 0;
    }
    // What only void entries name, or entries that may yet become void, is no location.
    met.packs |= relies.packs & !world.located_by(known.surely_named() | relies.segments);
    if met.is_empty() {
        let put_next = config.mistake == Mistake::WriterLooksFirst;
        return enter(
            world,
            me,
            if put_next { Phase::Put } else { Phase::Confirm },
        );
    }
    next_pass(config, &mut world, me, Phase::Plan)
}

fn next_pass(config: &Config, world: &mut World, me: usize, phase: Phase) -> World {
    let next = world.agents[me].pass + 1;
    if next >= config.passes {
        return enter(world.clone(), me, Phase::Done);
    }
    world.agents[me].pass = next;
    world.agents[me].phase = phase;
    world.clone()
}

fn confirm(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let of = next.agents[me].of;
    next.put(me, Entry::Confirm { of });
    if let Entry::Checkpoint { .. } = next.logs[me][usize::from(of)] {
        next.agents[me].past_checkpoint = true;
        return next_pass(config, &mut next, me, Phase::Plan);
    }
    let phase = match config.roster {
        Rosters::Live if config.mistake != Mistake::AcknowledgedUnlooked => Phase::RosterAgain,
        _ => Phase::Acknowledged,
    };
    enter(next, me, phase)
}

fn acknowledge(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    next.agents[me].view.roster = next.roster.len() as u8;
    let removed = Known {
        config,
        world: &next,
        view: &next.agents[me].view,
    }
    .removed(me);
    enter(
        next,
        me,
        if removed {
            Phase::Done
        } else {
            Phase::Acknowledged
        },
    )
}

/// The device crashes after its put and begins a new run, of which only its log and its memory survive.
fn crash(config: &Config, world: &World, me: usize) -> Option<World> {
    let Role::Writer { restarts, .. } = config.roles[me] else {
        return None;
    };
    let agent = &world.agents[me];
    if agent.run >= restarts || !matches!(agent.phase, Phase::Look | Phase::Confirm) {
        return None;
    }
    let mut next = world.clone();
    next.agents[me].run += 1;
    next.agents[me].placed = [NOWHERE; CHUNKS];
    next.agents[me].listing = Things::default();
    let mut next = next_pass(config, &mut next, me, Phase::Begin);
    if next.agents[me].phase == Phase::Begin {
        reading::begin(config, &mut next, me, Phase::Begin);
    }
    Some(next)
}
