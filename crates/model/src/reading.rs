//! Reading the roster and the logs, one storage read a step: at the start of a run, and for every look.
//!
//! A log is read to its end in one step: it only grows, so reading it entry by entry sees exactly what one
//! atomic read at the moment of the final "absent" sees. Different logs are read at different moments.

use crate::config::{Config, Folds, Mistake, Naming, Reads, Role, Rosters};
use crate::view::Known;
use crate::world::{Entry, Phase, Set, World, numbers, only};

/// In [`crate::world::Agent::unread`]: the roster is still to be read, then the logs it names.
const ROSTER_FIRST: Set = 1 << 14;
/// In [`crate::world::Agent::unread`]: the roster is read once more after the logs.
const ROSTER_LAST: Set = 1 << 15;

/// A world after one read, and whether the reading is complete.
pub struct Read {
    /// The world.
    pub world: World,
    /// Whether nothing is left to read.
    pub complete: bool,
}

/// Sends device `me` into `phase`, with everything to be read.
pub fn begin(config: &Config, world: &mut World, me: usize, phase: Phase) {
    let looks = phase != Phase::Begin;
    let skip = config.mistake == Mistake::RosterNotReread && looks;
    let first = match config.roster {
        Rosters::Live if !skip => ROSTER_FIRST,
        _ => followed(config, world, me),
    };
    let agent = &mut world.agents[me];
    agent.phase = phase;
    agent.unread = first;
}

/// All ways to read one thing more.
#[must_use]
pub fn steps(config: &Config, world: &World, me: usize) -> Vec<Read> {
    let unread = world.agents[me].unread;
    if config.reads == Reads::Atomic {
        let mut next = world.clone();
        while next.agents[me].unread != 0 {
            let part = next.agents[me].unread;
            read_one(config, &mut next, me, part.trailing_zeros() as usize);
        }
        return vec![Read {
            world: next,
            complete: true,
        }];
    }
    let logs = unread & !(ROSTER_FIRST | ROSTER_LAST);
    let choices: Vec<usize> = match config.reads {
        _ if logs == 0 => numbers(unread).take(1).collect(),
        Reads::AnyOrder => numbers(logs).collect(),
        _ => numbers(logs).take(1).collect(),
    };
    if choices.is_empty() {
        return vec![Read {
            world: world.clone(),
            complete: true,
        }];
    }
    let read = |what| {
        let mut next = world.clone();
        read_one(config, &mut next, me, what);
        let complete = next.agents[me].unread == 0;
        Read {
            world: next,
            complete,
        }
    };
    choices.into_iter().map(read).collect()
}

fn read_one(config: &Config, world: &mut World, me: usize, what: usize) {
    if only(what) == ROSTER_FIRST {
        world.agents[me].view.roster = world.roster.len() as u8;
        let last = if config.mistake == Mistake::RosterReadFirst {
            0
        } else {
            ROSTER_LAST
        };
        world.agents[me].unread = followed(config, world, me) | last;
        return;
    }
    world.agents[me].unread &= !only(what);
    if only(what) == ROSTER_LAST {
        world.agents[me].view.roster = world.roster.len() as u8;
        return;
    }
    let log = &world.logs[what];
    let fold = log
        .iter()
        .rposition(|entry| matches!(entry, Entry::Fold { .. }));
    let view = &mut world.agents[me].view;
    view.seen[what] = log.len() as u8;
    let from_fold = match world.agents[me].phase {
        Phase::Begin => config.folds == Folds::Used,
        _ => config.mistake == Mistake::LookReadsFold,
    };
    if let (true, Some(fold)) = (from_fold, fold) {
        world.agents[me].view.start[what] = fold as u8;
    }
}

/// Logs device `me` must read. Where every existing segment counts, writers heed Condemns and Spares alone.
fn followed(config: &Config, world: &World, me: usize) -> Set {
    let known = Known {
        config,
        world,
        view: &world.agents[me].view,
    };
    let writes = matches!(config.roles[me], Role::Writer { .. });
    let concerns = |device: &usize| match config.roles[*device] {
        Role::Pruner { .. } => *device != me,
        Role::Writer { .. } => *device != me && (!writes || config.naming == Naming::ByEntries),
        Role::Past { .. } | Role::Admin { .. } => false,
    };
    numbers(known.members())
        .filter(concerns)
        .fold(0, |set, device| set | only(device))
}
