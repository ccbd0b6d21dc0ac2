//! An admin that removes a device: put the Remove, read the device's log to its end, put the Cut.

use crate::config::{Config, Mistake};
use crate::world::{Phase, RosterEntry, World};

/// The next world of admin `me`, who removes `device`.
#[must_use]
pub fn steps(config: &Config, world: &World, me: usize, device: usize) -> Vec<World> {
    let mut next = world.clone();
    let read_first = config.mistake == Mistake::CutReadFirst;
    match (world.agents[me].phase, read_first) {
        (Phase::Begin, false) | (Phase::Look, true) => {
            next.roster.push(RosterEntry::Remove(device as u8));
            next.agents[me].phase = if read_first { Phase::Put } else { Phase::Look };
        }
        (Phase::Look, false) | (Phase::Begin, true) => {
            next.agents[me].of = next.logs[device].len() as u8;
            next.agents[me].phase = if read_first { Phase::Look } else { Phase::Put };
        }
        (Phase::Put, _) => {
            next.roster.push(RosterEntry::Cut {
                device: device as u8,
                end: next.agents[me].of,
            });
            next.agents[me].phase = Phase::Done;
        }
        _ => return Vec::new(),
    }
    vec![next]
}
