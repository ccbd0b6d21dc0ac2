//! What must hold in every state, and what must be reached in some state so that the model is not vacuous.

use stateright::Property;

use crate::config::{Role, Rosters};
use crate::model::LookRule;
use crate::view::{Known, Needing, View};
use crate::world::{Entry, Phase, RosterEntry, Set, World, only};

/// The invariant: no chunk of a confirmed, not forgotten snapshot is lost.
pub const NOTHING_IS_LOST: &str =
    "every needed chunk is in an existing pack that an existing segment locates";
/// What a person was told stays true.
pub const ACKNOWLEDGED_STAYS: &str = "an acknowledged snapshot's Confirm is never void";

/// Something interesting that a configuration claims to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A pack is deleted.
    PackDeleted,
    /// A segment is deleted.
    SegmentDeleted,
    /// A writer's Backup is acknowledged.
    Acknowledged,
    /// A Spare is put.
    Spared,
    /// A writer meets a Condemn and puts a second Backup, which is confirmed.
    StoredAnew,
    /// A Repack is confirmed.
    RepackConfirmed,
    /// A Checkpoint is confirmed.
    CheckpointConfirmed,
    /// A fold leaves out a Condemn.
    CondemnFolded,
    /// A Backup is forgotten and a pack deleted.
    ForgottenAndDeleted,
    /// A removed device put entries after its cut.
    LateEntriesVoid,
    /// A removed device's Condemn stands before its cut, and what it named is deleted after it.
    DeletedAfterCut,
    /// A device that joined confirmed a Backup or put a Condemn.
    JoinedAndActed,
}

fn lost(model: &LookRule, world: &World) -> Set {
    let view = View::everything(world);
    let known = Known {
        config: &model.config,
        world,
        view: &view,
    };
    let located = world.located_by(world.stored.segments & known.named())
        & world.stored.packs
        & !model.config.forged;
    known.needs(Needing::Confirmed) & !world.claimed_by(located)
}

fn acknowledged_stays(model: &LookRule, world: &World) -> bool {
    let view = View::everything(world);
    let known = Known {
        config: &model.config,
        world,
        view: &view,
    };
    let stands = |device: usize| known.confirmed(device).next().is_some();
    (0..world.agents.len())
        .all(|device| world.agents[device].phase != Phase::Acknowledged || stands(device))
}

/// The properties of a model: what must always hold, and what its configuration claims to reach.
#[must_use]
pub fn properties(model: &LookRule) -> Vec<Property<LookRule>> {
    let mut all = vec![Property::always(NOTHING_IS_LOST, |model, world| {
        lost(model, world) == 0
    })];
    if model.config.roster == Rosters::Live {
        all.push(Property::always(ACKNOWLEDGED_STAYS, acknowledged_stays));
    }
    all.extend(model.reaches.iter().map(|reach| reached(*reach)));
    all
}

fn any(world: &World, found: impl Fn(&Entry) -> bool) -> bool {
    world.logs.iter().flatten().any(found)
}

/// Whether an entry of the kind that `of_kind` tells was put by a living device and confirmed.
fn confirmed(world: &World, of_kind: impl Fn(&Entry) -> bool) -> bool {
    world.logs.iter().any(|log| {
        log.iter().any(|entry| match entry {
            Entry::Confirm { of } => log.get(usize::from(*of)).is_some_and(&of_kind),
            _ => false,
        })
    })
}

fn cuts(world: &World) -> impl Iterator<Item = (usize, usize)> + '_ {
    world.roster.iter().filter_map(|entry| match entry {
        RosterEntry::Cut { device, end } => Some((usize::from(*device), usize::from(*end))),
        _ => None,
    })
}

fn stored_anew(model: &LookRule, world: &World) -> bool {
    let again = |(device, role): (usize, &Role)| {
        let world = &world.agents[device];
        matches!(role, Role::Writer { .. }) && world.phase == Phase::Acknowledged && world.pass > 0
    };
    model.config.roles.iter().enumerate().any(again)
}

fn deleted_after_cut(_: &LookRule, world: &World) -> bool {
    let condemned = |(device, end): (usize, usize)| {
        world.logs[device]
            .iter()
            .take(end)
            .any(|entry| match entry {
                Entry::Condemn { names } => !names.and(world.deleted()).is_empty(),
                _ => false,
            })
    };
    cuts(world).any(condemned)
}

fn joined_and_acted(model: &LookRule, world: &World) -> bool {
    (0..world.logs.len()).any(|device| {
        model.config.joining & only(device) != 0
            && world.logs[device]
                .iter()
                .any(|entry| matches!(entry, Entry::Confirm { .. } | Entry::Condemn { .. }))
    })
}

fn reached(reach: Reach) -> Property<LookRule> {
    match reach {
        Reach::PackDeleted => Property::sometimes("a pack is deleted", |_, world: &World| {
            world.deleted().packs != 0
        }),
        Reach::SegmentDeleted => Property::sometimes("a segment is deleted", |_, world: &World| {
            world.deleted().segments != 0
        }),
        Reach::Acknowledged => {
            Property::sometimes("a snapshot is acknowledged", |_, world: &World| {
                world
                    .agents
                    .iter()
                    .any(|agent| agent.phase == Phase::Acknowledged)
            })
        }
        Reach::Spared => Property::sometimes("something is spared", |_, world: &World| {
            any(world, |entry| matches!(entry, Entry::Spare { .. }))
        }),
        Reach::StoredAnew => Property::sometimes(
            "a writer puts its Backup again and is confirmed",
            stored_anew,
        ),
        Reach::RepackConfirmed => {
            Property::sometimes("a Repack is confirmed", |_, world: &World| {
                confirmed(world, |entry| matches!(entry, Entry::Repack { .. }))
            })
        }
        Reach::CheckpointConfirmed => {
            Property::sometimes("a Checkpoint is confirmed", |_, world: &World| {
                confirmed(world, |entry| matches!(entry, Entry::Checkpoint { .. }))
            })
        }
        Reach::CondemnFolded => {
            Property::sometimes("a fold leaves out a Condemn", |_, world: &World| {
                any(world, |entry| matches!(entry, Entry::Fold { .. }))
            })
        }
        Reach::ForgottenAndDeleted => {
            Property::sometimes("after a Forget a pack is deleted", |_, world: &World| {
                any(world, |entry| matches!(entry, Entry::Forget { .. }))
                    && world.deleted().packs != 0
            })
        }
        Reach::LateEntriesVoid => Property::sometimes(
            "a removed device's late entries are void",
            |_, world: &World| cuts(world).any(|(device, end)| world.logs[device].len() > end),
        ),
        Reach::DeletedAfterCut => {
            Property::sometimes("a Condemn before a cut keeps its force", deleted_after_cut)
        }
        Reach::JoinedAndActed => Property::sometimes("a device that joined acts", joined_and_acted),
    }
}
