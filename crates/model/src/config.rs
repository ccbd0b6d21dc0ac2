//! How large a model is, which features it has, and which deliberate mistake it makes.

use crate::world::{DEVICES, PACKS, SEGMENTS, Set, Things, only};

/// Departures from the rule that look harmless; each must be caught by a counterexample, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The rule as it stands.
    None,
    /// The Spare is put after the deletes were sent, for what still exists.
    SpareLast,
    /// A Spare ends every device's Condemn for what it names.
    SpareEndsAll,
    /// A writer confirms without looking.
    WriterUnlooked,
    /// A writer looks before it puts the Backup.
    WriterLooksFirst,
    /// A pruner deletes without looking.
    PrunerUnlooked,
    /// A pruner looks before it puts the Condemn.
    PrunerLooksFirst,
    /// A writer relies on what was condemned before its run and still exists; its look heeds new Condemns only.
    CondemnedReused,
    /// A pruner counts confirmed Backups alone.
    ProvisionalIgnored,
    /// A look reads a fold where one exists.
    LookReadsFold,
    /// A fold leaves out a Condemn whose packs still exist.
    FoldForgetsEarly,
    /// A run that begins at a fold believes segments about packs without listing the packs once.
    FoldStartUnlisted,
    /// A pruner lists packs and segments first and reads the folded logs second.
    ListedBeforeLogs,
    /// A pack missing from the first listing counts as gone, without asking for it again in the look.
    GoneUnlooked,
    /// A condemned segment is deleted whatever it holds.
    SegmentUnchecked,
    /// A pack counts as another location although only condemned segments lead to it.
    WitnessByCondemnedSegment,
    /// What another device condemned counts as gone when a segment is judged.
    OthersCondemnedGone,
    /// A pruner trusts the packs it has just written although another device condemned them.
    RepackUnlooked,
    /// A Checkpoint is confirmed without a look.
    CheckpointUnlooked,
    /// A pruner believes locations that a write-only device claims.
    ForeignTrusted,
    /// A writer dedups against packs of a write-only device.
    ForeignReused,
    /// A pruner spares in its next run what it condemned, and may have sent deletes for, in the last one.
    SentSpared,
    /// The next run of a pruner does not count its own earlier Condemns as standing.
    OwnCondemnsForgotten,
    /// A look asks only the logs that the roster named when the run began.
    RosterNotReread,
    /// A look reads the roster before the logs and not again after them.
    RosterReadFirst,
    /// A Forget of a removed, not yet cut device frees chunks.
    ForgetOfRemovedFrees,
    /// A removed pruner deletes although its look shows its own removal.
    RemovedDeletes,
    /// A cut voids the Condemns before it as well.
    CutVoidsEarlier,
    /// A cut ends a provisional Backup although the log was not read up to the cut.
    CutAppliedUnread,
    /// The admin reads the log's end before it puts the Remove.
    CutReadFirst,
    /// A writer acknowledges without reading the roster after its Confirm.
    AcknowledgedUnlooked,
    /// Locations are taken from a removed device's entries although its cut may void them.
    DoubtfulNamesRelied,
    /// A pruner counts segments that it listed and that no entry names.
    UnnamedCounted,
    /// No mistake after all: a writer's look may ignore Condemns of segments, because a pruner may not delete
    /// a segment that is the last to locate a pack which stays.
    SegmentsUnlooked,
}

/// How a device reads the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// All at one instant (as a smaller, coarser model).
    Atomic,
    /// One log after another, in a fixed order.
    Ascending,
    /// One log after another, in every order.
    AnyOrder,
}

/// How finely storing and listing are cut into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Packs and segments are listed, and stored, in one step.
    Coarse,
    /// Every listing and every upload is a step of its own.
    Fine,
}

/// Whether the roster changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rosters {
    /// Everybody is a member from the start and stays one; nobody reads the roster.
    Fixed,
    /// Devices join or are removed; every reading reads the roster.
    Live,
}

/// Which segments count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Every segment that exists (coarser: nobody reads logs to learn of segments).
    Existing,
    /// Segments that an entry names which is not void (`docs/format.md` §10).
    ByEntries,
}

/// Whether logs are folded, and where a run begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folds {
    /// No folds.
    None,
    /// Pruners fold their logs; every run begins at the newest fold, like that of a new machine.
    Used,
}

/// What a pruner may plan to condemn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plans {
    /// All that is not needed, keeping one smallest set of packs that covers what is; segments follow.
    Greedy,
    /// As greedy, and no segment at all (one kind of thing, as in a model without segments).
    GreedyPacksAlone,
    /// Every set of listed packs; segments that would locate nothing else follow.
    AnyPacks,
    /// Every set of listed packs and every set of listed segments.
    Anything,
    /// Every set of listed packs and no segment at all.
    PacksAlone,
}

/// Whether a pruner writes new homes for what its Condemn would need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// It only drops.
    Never,
    /// It moves whatever is needed out of what it condemns, and rewrites the segments it condemns.
    Always,
}

/// Whom a device's packs may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A device that reads: its packs serve all readers.
    Readers,
    /// A write-only device: its packs serve itself.
    Own,
}

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Confirmed one Backup long ago and never returns.
    Past {
        /// Chunks its Backup needs.
        needs: Set,
    },
    /// Backs up.
    Writer {
        /// Chunks the snapshot needs.
        needs: Set,
        /// Chunks a Checkpoint on the way needs, 0 for no Checkpoint.
        checkpoint: Set,
        /// How often it may crash after a put and begin again.
        restarts: u8,
        /// Its trust domain.
        domain: Domain,
    },
    /// Prunes.
    Pruner {
        /// Runs, each of which may also begin after a crash of the one before.
        runs: u8,
        /// Whether it moves chunks.
        moves: Moves,
        /// The device whose confirmed Backup it may forget.
        forgets: Option<usize>,
    },
    /// Removes a device and cuts its log.
    Admin {
        /// Which.
        removes: usize,
    },
}

/// One model.
#[derive(Clone, Debug)]
pub struct Config {
    /// One device each.
    pub roles: Vec<Role>,
    /// Chunks claimed by each pack that exists at the start.
    pub packs: Vec<Set>,
    /// Packs located by each segment that exists at the start.
    pub segments: Vec<Set>,
    /// Packs at the start that write-only devices wrote.
    pub foreign: Set,
    /// Packs among them whose content is not what their segment claims.
    pub forged: Set,
    /// Uploads of things at the start that were retried, and whose first request may still land once.
    pub late_puts: Things,
    /// Devices that are not members at the start.
    pub joining: Set,
    /// Passes a writer may make in all.
    pub passes: u8,
    /// How logs are read.
    pub reads: Reads,
    /// How fine the steps are.
    pub grain: Grain,
    /// Whether the roster changes.
    pub roster: Rosters,
    /// Whether logs are folded.
    pub folds: Folds,
    /// Which segments count.
    pub naming: Naming,
    /// What may be condemned.
    pub plans: Plans,
    /// The deliberate mistake.
    pub mistake: Mistake,
}

impl Config {
    /// A model of `roles` over packs of these chunks, one segment a pack, everything else at its simplest.
    #[must_use]
    pub fn new(roles: &[Role], packs: &[Set]) -> Self {
        Self {
            roles: roles.to_vec(),
            packs: packs.to_vec(),
            segments: (0..packs.len()).map(only).collect(),
            foreign: 0,
            forged: 0,
            late_puts: Things::default(),
            joining: 0,
            passes: 2,
            reads: Reads::AnyOrder,
            grain: Grain::Coarse,
            roster: Rosters::Fixed,
            folds: Folds::None,
            naming: Naming::Existing,
            plans: Plans::AnyPacks,
            mistake: Mistake::None,
        }
    }

    /// The same model with a deliberate mistake.
    #[must_use]
    pub fn with(&self, mistake: Mistake) -> Self {
        Self {
            mistake,
            ..self.clone()
        }
    }

    /// Members of the roster before its first entry.
    #[must_use]
    pub fn members_at_start(&self) -> Set {
        (0..self.roles.len()).fold(0, |set, device| set | only(device)) & !self.joining
    }

    /// Names that `device` gives to the packs it writes, one a pass; its segments have the same numbers.
    ///
    /// # Panics
    /// If the configuration creates more packs than the model has room for.
    #[must_use]
    pub fn name(&self, device: usize, pass: u8) -> usize {
        let before = self.roles[..device]
            .iter()
            .map(|role| self.names_of(*role))
            .sum::<usize>();
        let first = self.packs.len().max(self.segments.len()) + before;
        let name = first + usize::from(pass);
        assert!(
            name < PACKS.min(SEGMENTS) && self.roles.len() <= DEVICES,
            "the configuration is too large"
        );
        name
    }

    fn names_of(&self, role: Role) -> usize {
        match role {
            Role::Writer { .. } => usize::from(self.passes),
            Role::Pruner {
                runs,
                moves: Moves::Always,
                ..
            } => usize::from(runs),
            _ => 0,
        }
    }

    /// Packs (and segments) that `device` writes in any pass.
    #[must_use]
    pub fn written_by(&self, device: usize) -> Set {
        let names = self.names_of(self.roles[device]) as u8;
        (0..names).fold(0, |set, pass| set | only(self.name(device, pass)))
    }

    /// Packs that a writer of `device`'s trust domain may rely on.
    #[must_use]
    pub fn domain_of(&self, device: usize) -> Set {
        if self.mistake == Mistake::ForeignReused {
            return Set::MAX;
        }
        let own = |device: &usize| {
            matches!(
                self.roles[*device],
                Role::Writer {
                    domain: Domain::Own,
                    ..
                }
            )
        };
        if own(&device) {
            return self.written_by(device);
        }
        let foreign = (0..self.roles.len())
            .filter(own)
            .fold(self.foreign, |set, one| set | self.written_by(one));
        !foreign
    }
}
