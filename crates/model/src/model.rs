//! The model as the checker sees it: the first state, and every step of every device and of the network.

use std::fmt;

use stateright::{Model, Property};

use crate::checks::{Reach, properties};
use crate::config::{Config, Role};
use crate::world::{Agent, Entry, PACKS, Phase, SEGMENTS, Set, Things, World, numbers, only};
use crate::{admin, pruner, reading, writer};

/// A configuration together with what it claims to reach.
#[derive(Clone, Debug)]
pub struct LookRule {
    /// The configuration.
    pub config: Config,
    /// States that must be found somewhere.
    pub reaches: Vec<Reach>,
}

/// One atomic step; carries the world it leads to, so that it is computed once.
#[derive(Clone, PartialEq)]
pub struct Step {
    actor: Actor,
    next: World,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Actor {
    Device(usize),
    DeleteOfPack(usize),
    DeleteOfSegment(usize),
    PutOfPack(usize),
    PutOfSegment(usize),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.actor {
            Actor::Device(device) => {
                let agent = &self.next.agents[device];
                let last = self.next.logs[device].last();
                write!(
                    f,
                    "device {device}: {:?} (log ends with {last:?})",
                    agent.phase
                )
            }
            landed => write!(f, "{landed:?} lands"),
        }
    }
}

impl LookRule {
    /// The model of `config`, which claims to reach `reaches`.
    #[must_use]
    pub fn new(config: Config, reaches: &[Reach]) -> Self {
        Self {
            config,
            reaches: reaches.to_vec(),
        }
    }

    fn first(&self) -> World {
        let devices = self.config.roles.len();
        let mut world = World {
            stored: Things {
                packs: all(self.config.packs.len()),
                segments: all(self.config.segments.len()),
            },
            flying: Things::default(),
            late_puts: self.config.late_puts,
            claims: [0; PACKS],
            located: [0; SEGMENTS],
            roster: Vec::new(),
            logs: vec![Vec::new(); devices],
            agents: vec![Agent::outside(); devices],
        };
        world.claims[..self.config.packs.len()].copy_from_slice(&self.config.packs);
        world.located[..self.config.segments.len()].copy_from_slice(&self.config.segments);
        for (device, role) in self.config.roles.iter().enumerate() {
            if let Role::Past { needs } = *role {
                let relies = Things {
                    packs: world.stored.packs,
                    segments: world.stored.segments,
                };
                world.logs[device] =
                    vec![Entry::Backup { needs, relies }, Entry::Confirm { of: 0 }];
                for agent in &mut world.agents {
                    agent.view.seen[device] = 2;
                }
            }
        }
        for device in 0..devices {
            self.enter(&mut world, device);
        }
        world
    }

    fn enter(&self, world: &mut World, device: usize) {
        if self.config.joining & only(device) != 0 {
            return;
        }
        match self.config.roles[device] {
            Role::Past { .. } => world.agents[device].phase = Phase::Done,
            Role::Admin { .. } => world.agents[device].phase = Phase::Begin,
            Role::Writer { .. } => reading::begin(&self.config, world, device, Phase::Begin),
            Role::Pruner { .. } => pruner::start(&self.config, world, device),
        }
    }

    fn device_steps(&self, world: &World, device: usize) -> Vec<World> {
        match self.config.roles[device] {
            Role::Past { .. } => Vec::new(),
            Role::Writer { .. } => writer::steps(&self.config, world, device),
            Role::Pruner { .. } => pruner::steps(&self.config, world, device),
            Role::Admin { removes } => admin::steps(&self.config, world, device, removes),
        }
    }

    /// Drops what no later step reads, so that states which differ in nothing that matters are one.
    fn merged(&self, mut world: World) -> World {
        for (role, agent) in self.config.roles.iter().zip(&mut world.agents) {
            let over = matches!(*role, Role::Pruner { runs, .. } if agent.run + 1 >= runs);
            if over && agent.phase == Phase::Done {
                agent.view = Default::default();
            }
        }
        world
    }
}

fn all(count: usize) -> Set {
    (0..count).fold(0, |set, number| set | only(number))
}

impl Model for LookRule {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.first()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for device in 0..self.config.roles.len() {
            let next = self.device_steps(world, device).into_iter();
            steps.extend(next.map(|next| Step {
                actor: Actor::Device(device),
                next: self.merged(next),
            }));
        }
        let each = |set| numbers(set).map(|number| (number, only(number)));
        let deletes =
            each(world.flying.packs).map(|(pack, one)| (Actor::DeleteOfPack(pack), packs(one)));
        let also = each(world.flying.segments)
            .map(|(segment, one)| (Actor::DeleteOfSegment(segment), segments(one)));
        steps.extend(deletes.chain(also).map(|(actor, what)| Step {
            actor,
            next: delete_lands(world, what),
        }));
        let puts =
            each(world.late_puts.packs).map(|(pack, one)| (Actor::PutOfPack(pack), packs(one)));
        let also = each(world.late_puts.segments)
            .map(|(segment, one)| (Actor::PutOfSegment(segment), segments(one)));
        steps.extend(puts.chain(also).map(|(actor, what)| Step {
            actor,
            next: put_lands(world, what),
        }));
    }

    fn next_state(&self, _: &World, step: Step) -> Option<World> {
        Some(step.next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(self)
    }
}

const fn packs(packs: Set) -> Things {
    Things { packs, segments: 0 }
}

const fn segments(segments: Set) -> Things {
    Things { packs: 0, segments }
}

fn delete_lands(world: &World, what: Things) -> World {
    let mut next = world.clone();
    next.stored = next.stored.without(what);
    next.flying = next.flying.without(what);
    next
}

fn put_lands(world: &World, what: Things) -> World {
    let mut next = world.clone();
    next.stored = next.stored.or(what);
    next.late_puts = next.late_puts.without(what);
    next
}
