//! A pruner: read, list, plan, move what must be moved, put the Condemn, look, spare, delete.
//!
//! One step is one storage operation of one device. Deletes are sent together and land one by one, in any
//! order, at any later time, or never: that covers crashes between them and requests that linger.

use crate::config::{Config, Folds, Grain, Mistake, Role};
use crate::verdict::{Case, may_go};
use crate::view::{Known, View};
use crate::world::{Agent, Entry, Phase, Things, World, only};
use crate::{plans, reading, writer};

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
        Phase::Plan => plans::plan(config, world, me),
        Phase::StorePack | Phase::StoreSegment => vec![plans::store(config, world, me)],
        Phase::Put => vec![plans::put_repack(config, world, me)],
        Phase::Confirm => vec![plans::confirm_repack(world, me)],
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
    let own = plans::written(config, me, world.agents[me].run);
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
            listed_again: agent.listed_again,
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

/// Ends the run; only the view and the number of runs are remembered.
#[must_use]
pub fn finish(mut world: World, me: usize) -> World {
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
        next.agents[me].listing.packs = world.stored.packs;
        next.agents[me].phase = Phase::ListMore;
        return vec![next];
    }
    next.agents[me].listing = world.stored;
    if config.mistake == Mistake::ListedBeforeLogs {
        reading::begin(config, &mut next, me, Phase::Begin);
        return vec![next];
    }
    plans::plan(config, &next, me)
}

fn list_more(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    next.agents[me].listing.segments = world.stored.segments;
    next.agents[me].phase = Phase::Plan;
    if config.mistake == Mistake::ListedBeforeLogs {
        reading::begin(config, &mut next, me, Phase::Begin);
    }
    next
}

fn condemn(config: &Config, world: &World, me: usize) -> World {
    let mut next = world.clone();
    let names = world.agents[me].doomed;
    next.agents[me].of = next.put(me, Entry::Condemn { names });
    // Absence is looked at after the Condemn too, and asking at once is the worst moment to ask.
    let missing = next.located_by(names.segments) & !world.agents[me].listing.packs;
    next.agents[me].listed_again = missing & next.stored.packs;
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
    let forgotten = forgotten | last.unwrap_or(0);
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
