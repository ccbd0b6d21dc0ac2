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
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.actor {
            Actor::Device(device) => {
                let agent = &self.next.agents[device];
                let last = self.next.logs[device].last();
                write!(f, "device {device}: {:?} (log ends with {last:?})", agent.phase)
            }
            landed => write!(f, "{landed:?} lands"),
        }
    }
}

impl LookRule {
    /// The model of `config`, which claims to reach `reaches`.
    #[must_use]
    pub fn new(config: Config, reaches: &[Reach]) -> Self {
        Self { config, reaches: reaches.to_vec() }
    }

    fn first(&self) -> World {
        let devices = self.config.roles.len();
        let mut world = World {
            stored: Things { packs: all(self.config.packs.len()), segments: all(self.config.segments.len()) },
            flying: Things::default(),
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
                let relies = Things { packs: world.stored.packs, segments: world.stored.segments };
                world.logs[device] = vec![Entry::Backup { needs, relies }, Entry::Confirm { of: 0 }];
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
            steps.extend(next.map(|next| Step { actor: Actor::Device(device), next: self.merged(next) }));
        }
        for pack in numbers(world.flying.packs) {
            steps.push(Step { actor: Actor::DeleteOfPack(pack), next: landed(world, Things { packs: only(pack), segments: 0 }) });
        }
        for segment in numbers(world.flying.segments) {
            let what = Things { packs: 0, segments: only(segment) };
            steps.push(Step { actor: Actor::DeleteOfSegment(segment), next: landed(world, what) });
        }
    }

    fn next_state(&self, _: &World, step: Step) -> Option<World> {
        Some(step.next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(self)
    }
}

fn landed(world: &World, what: Things) -> World {
    let mut next = world.clone();
    next.stored = next.stored.without(what);
    next.flying = next.flying.without(what);
    next
}
