//! A pruner: read, list, plan, move what must be moved, put the Condemn, look, spare, delete.
//!
//! One step is one storage operation of one device. Deletes are sent together and land one by one, in any
//! order, at any later time, or never: that covers crashes between them and requests that linger.

use crate::config::{Config, Folds, Grain, Mistake, Moves, Plans, Role};
use crate::verdict::{Case, may_go};
use crate::view::{Known, Needing, View};
use crate::world::{Agent, Entry, Phase, Set, Things, World, numbers, only, subsets};
use crate::{reading, writer};

/// All next worlds of pruner `me`.
#[must_use]
pub fn steps(config: &Config, world: &World, me: usize) -> Vec<World> {
    let phase = world.agents[me].phase;
    let mut next = match phase {
        Phase::Outside => vec![join(config, world, me)],
        Phase::Begin | Phase::Look | Phase::LookAgain => {
            let read = reading::steps(config, world, me).into_iter();
            read.map(|read| {
                if read.complete {
                    looked(config, read.world, me)
                } else {
                    read.world
                }
            })
            .collect()
        }
        Phase::List => list(config, world, me),
        Phase::ListMore => vec![list_more(config, world, me)],
        Phase::Plan => plan(config, world, me),
        Phase::StorePack | Phase::StoreSegment => vec![store(config, world, me)],
        Phase::Put => vec![put_repack(config, world, me)],
        Phase::Confirm => vec![confirm_repack(world, me)],
        Phase::Condemn => vec![condemn(config, world, me)],
        Phase::Spare => vec![spare_and_send(config, world, me)],
        Phase::Sent => vec![spare_last(world, me)],
        _ => Vec::new(),
    };
    next.extend(forget(config, world, me));
    next.extend(fold(config, world, me));
    next.extend(next_run(config, world, me));
    next
}

fn join(config: &Config, world: &World, me: usize) -> World {
    let mut next = writer::join(config, world, me);
    start(config, &mut next, me);
    next
}

/// Begins a run. The logs are read before anything is listed: what a fold left out is then seen to be gone.
pub fn start(config: &Config, world: &mut World, me: usize) {
    if config.mistake == Mistake::ListedBeforeLogs {
        world.agents[me].phase = Phase::List;
    } else {
        reading::begin(config, world, me, Phase::Begin);
    }
}

fn looked(config: &Config, mut world: World, me: usize) -> World {
    let known = Known {
        config,
        world: &world,
        view: &world.agents[me].view,
    };
    let removed = known.removed(me) && config.mistake != Mistake::RemovedDeletes;
    let own = written(config, me, world.agents[me].run);
    let condemned = known.condemned(None);
    let phase = match world.agents[me].phase {
        Phase::Begin if config.mistake == Mistake::ListedBeforeLogs => Phase::Plan,
        Phase::Begin => Phase::List,
        _ if removed => return finish(world, me),
        Phase::Look if condemned.and(own).is_empty() => Phase::Confirm,
        Phase::Look => return finish(world, me),
        _ if config.mistake == Mistake::PrunerLooksFirst => Phase::Condemn,
        _ => Phase::Spare,
    };
    if matches!(world.agents[me].phase, Phase::LookAgain) {
        let agent = &world.agents[me];
        let put = config.mistake != Mistake::PrunerLooksFirst;
        let case = Case {
            listing: agent.listing,
            doomed: agent.doomed,
            own: put.then_some((me, usize::from(agent.of))),
            mine: own,
        };
        let go = may_go(
            Known {
                config,
                world: &world,
                view: &agent.view,
            },
            case,
        );
        world.agents[me].may_go = go;
    }
    world.agents[me].phase = phase;
    world
}

fn finish(mut world: World, me: usize) -> World {
    let agent = &mut world.agents[me];
    *agent = Agent {
        phase: Phase::Done,
        run: agent.run,
        view: agent.view,
        ..Agent::outside()
    };
    world
}

fn list(config: &Config, world: &World, me: usize) -> Vec<World> {
    let mut next = world.clone();
    if config.grain == Grain::Fine {
        // Segments first: a listed segment's packs were stored before it, so a pack missing from the
        // second listing is gone and not merely on its way.
        match config.mistake {
            Mistake::PacksListedFirst => next.agents[me].listing.packs = world.stored.packs,
            _ => next.agents[me].listing.segments = world.stored.segments,
        }
        next.agents[me].phase = Phase::ListMore;
        return vec![next];
    }
    next.agents[me].listing = world.stored;
    if config.mistake == Mistake::ListedBeforeLogs {
        reading::begin(config, &mut next, me, Phase::Begin);
        return vec![next];
    }
    plan(config, &next, me)
}

fn list_more(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    match config.mistake {
        Mistake::PacksListedFirst => next.agents[me].listing.segments = world.stored.segments,
        _ => next.agents[me].listing.packs = world.stored.packs,
    }
    next.agents[me].phase = Phase::Plan;
    if config.mistake == Mistake::ListedBeforeLogs {
        reading::begin(config, &mut next, me, Phase::Begin);
    }
    next
}

fn plan(config: &Config, world: &World, me: usize) -> Vec<World> {
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
    let choices: Vec<Things> = match config.plans {
        Plans::Greedy => greedy(config, world, me).into_iter().map(follow).collect(),
        Plans::AnyPacks => subsets(listing.packs).map(follow).collect(),
        Plans::PacksAlone => subsets(listing.packs)
            .map(|packs| Things { packs, segments: 0 })
            .collect(),
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
    let fresh = next.claimed_by(stays.packs & !config.forged()) & needed;
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

fn written(config: &Config, me: usize, run: u8) -> Things {
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

fn store(config: &Config, world: &World, me: usize) -> World {
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

fn put_repack(config: &Config, world: &World, me: usize) -> World {
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

fn confirm_repack(world: &World, me: usize) -> World {
    let mut next = world.clone();
    let of = next.agents[me].of;
    next.put(me, Entry::Confirm { of });
    next.agents[me].phase = Phase::Condemn;
    next
}

fn condemn(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let names = world.agents[me].doomed;
    next.agents[me].of = next.put(me, Entry::Condemn { names });
    match config.mistake {
        Mistake::PrunerUnlooked => {
            next.agents[me].may_go = names;
            next.agents[me].phase = Phase::Spare;
        }
        Mistake::PrunerLooksFirst => next.agents[me].phase = Phase::Spare,
        _ => reading::begin(config, &mut next, me, Phase::LookAgain),
    }
    next
}

fn spare_and_send(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let Agent {
        doomed, may_go, of, ..
    } = world.agents[me];
    let keeps = doomed.without(may_go);
    next.flying = next.flying.or(may_go.and(next.stored));
    if config.mistake == Mistake::SpareLast {
        next.agents[me].phase = Phase::Sent;
        return next;
    }
    if !keeps.is_empty() {
        next.put(me, Entry::Spare { of, keeps });
    }
    finish(next, me)
}

fn spare_last(world: &World, me: usize) -> World {
    let mut next = world.clone();
    let Agent { doomed, of, .. } = world.agents[me];
    next.put(
        me,
        Entry::Spare {
            of,
            keeps: doomed.and(world.stored),
        },
    );
    finish(next, me)
}

/// Forgets the first confirmed Backup of the device whose retention this pruner applies.
fn forget(config: &Config, world: &World, me: usize) -> Option<World> {
    let Role::Pruner {
        forgets: Some(device),
        ..
    } = config.roles[me]
    else {
        return None;
    };
    if world.agents[me].phase != Phase::List {
        return None;
    }
    let known = Known {
        config,
        world,
        view: &world.agents[me].view,
    };
    let said = |of: &usize| Entry::Forget {
        device: device as u8,
        of: *of as u8,
    };
    let wanted = |of: &usize| !world.logs[me].contains(&said(of));
    let of = known.confirmed(device).find(wanted)?;
    let mut next = world.clone();
    next.put(
        me,
        Entry::Forget {
            device: device as u8,
            of: of as u8,
        },
    );
    Some(next)
}

/// Puts a fold that leaves out the Condemns which no longer matter.
fn fold(config: &Config, world: &World, me: usize) -> Option<World> {
    if config.folds == Folds::None || world.agents[me].phase != Phase::Done {
        return None;
    }
    let view = View::everything(world);
    let known = Known {
        config,
        world,
        view: &view,
    };
    let over = |names: Things| {
        config.mistake == Mistake::FoldForgetsEarly || names.and(world.stored).is_empty()
    };
    let forgotten = known
        .condemns(me)
        .filter(|(_, names)| over(*names))
        .fold(0, |set, (position, _)| set | only(position));
    let last = world.logs[me].iter().rev().find_map(|entry| match entry {
        Entry::Fold { forgotten } => Some(*forgotten),
        _ => None,
    });
    if forgotten == last.unwrap_or(0) {
        return None;
    }
    let mut next = world.clone();
    next.put(me, Entry::Fold { forgotten });
    Some(next)
}

/// The next run, after the last one ended or crashed between its Condemn and its deletes.
fn next_run(config: &Config, world: &World, me: usize) -> Option<World> {
    let Role::Pruner { runs, .. } = config.roles[me] else {
        return None;
    };
    let agent = &world.agents[me];
    if agent.run + 1 >= runs
        || !matches!(agent.phase, Phase::Done | Phase::LookAgain | Phase::Spare)
    {
        return None;
    }
    let mut next = finish(world.clone(), me);
    next.agents[me].run += 1;
    if config.mistake == Mistake::SentSpared {
        spare_what_was_sent(config, &mut next, me);
    }
    start(config, &mut next, me);
    Some(next)
}

fn spare_what_was_sent(config: &Config, world: &mut World, me: usize) {
    let view = View::everything(world);
    let known = Known {
        config,
        world,
        view: &view,
    };
    let standing: Vec<_> = known.condemns(me).collect();
    for (of, names) in standing {
        let keeps = names.and(world.stored);
        if !keeps.is_empty() {
            world.put(
                me,
                Entry::Spare {
                    of: of as u8,
                    keeps,
                },
            );
        }
    }
}
