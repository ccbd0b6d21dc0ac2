//! The configurations: small worlds, each with the features that one part of the rule is about.

use crate::config::{Config, Domain, Folds, Grain, Moves, Naming, Plans, Reads, Role, Rosters};
use crate::world::{Set, Things, only};

pub use crate::larger_houses::*;

/// Chunk x alone.
pub const X: Set = 0b01;
/// Chunk y alone.
pub const Y: Set = 0b10;
/// Both chunks.
pub const XY: Set = 0b11;

/// A device that confirmed one Backup long ago.
#[must_use]
pub fn past(needs: Set) -> Role {
    Role::Past { needs }
}

/// A writer that needs these chunks.
#[must_use]
pub fn writer(needs: Set) -> Role {
    Role::Writer {
        needs,
        checkpoint: 0,
        restarts: 0,
        domain: Domain::Readers,
    }
}

/// A pruner that runs once and only drops.
#[must_use]
pub fn pruner() -> Role {
    Role::Pruner {
        runs: 1,
        moves: Moves::Never,
        forgets: None,
    }
}

/// The same pruner, running twice.
#[must_use]
pub fn twice(pruner: Role) -> Role {
    match pruner {
        Role::Pruner { moves, forgets, .. } => Role::Pruner {
            runs: 2,
            moves,
            forgets,
        },
        other => other,
    }
}

/// A pruner that runs once and moves chunks.
#[must_use]
pub fn mover() -> Role {
    Role::Pruner {
        runs: 1,
        moves: Moves::Always,
        forgets: None,
    }
}

/// A pruner that may forget what `device` confirmed.
#[must_use]
pub fn forgetter(device: usize) -> Role {
    Role::Pruner {
        runs: 1,
        moves: Moves::Never,
        forgets: Some(device),
    }
}

/// One chunk in one pack that nobody needs yet, backed up while it is pruned.
#[must_use]
pub fn garbage_wanted_again(writers: usize, pruners: usize) -> Config {
    let roles = [vec![writer(X); writers], vec![pruner(); pruners]].concat();
    Config {
        passes: 3,
        plans: Plans::Greedy,
        ..Config::new(&roles, &[X])
    }
}

/// Two packs hold the same needed chunk; two pruners drop duplicates while a writer dedups.
#[must_use]
pub fn duplicates() -> Config {
    Config {
        plans: Plans::Greedy,
        ..Config::new(&[past(X), writer(X), pruner(), pruner()], &[X, X])
    }
}

/// Three packs hold one needed chunk, three pruners drop duplicates.
#[must_use]
pub fn three_pruners() -> Config {
    Config::new(&[past(X), pruner(), pruner(), pruner()], &[X, X, X])
}

/// Two chunks, alone and together.
#[must_use]
pub fn two_chunks() -> Config {
    Config {
        reads: Reads::Ascending,
        ..Config::new(&[past(X), writer(XY), pruner(), pruner()], &[X, XY])
    }
}

/// Two chunks, alone and together, one pruner that condemns any packs.
#[must_use]
pub fn two_chunks_one_pruner() -> Config {
    Config::new(&[past(X), writer(XY), pruner()], &[X, XY])
}

/// Segments that overlap and that hold several packs; any set of them may be condemned.
#[must_use]
pub fn segments() -> Config {
    let base = Config::new(&[past(X), writer(Y), pruner()], &[X, Y]);
    Config {
        segments: vec![0b11, 0b01],
        plans: Plans::Anything,
        grain: Grain::Fine,
        ..base
    }
}

/// A writer stores a chunk that nothing else holds while a pruner lists.
#[must_use]
pub fn fresh_upload() -> Config {
    let base = Config::new(&[past(X), writer(Y), pruner()], &[X]);
    Config {
        plans: Plans::Anything,
        grain: Grain::Fine,
        ..base
    }
}

/// Two pruners condemn segments and packs of a needed chunk.
#[must_use]
pub fn shared_segments() -> Config {
    let base = Config::new(&[past(X), pruner(), pruner()], &[X, X]);
    Config {
        segments: vec![0b11, 0b01],
        plans: Plans::Anything,
        grain: Grain::Fine,
        ..base
    }
}

/// One pack, two segments of it; a writer and two pruners, one of which condemns no packs it needs.
#[must_use]
pub fn segment_and_writer() -> Config {
    let base = Config::new(&[writer(X), pruner(), pruner()], &[X]);
    Config {
        segments: vec![0b1, 0b1],
        plans: Plans::Anything,
        passes: 1,
        reads: Reads::Ascending,
        ..base
    }
}

/// A pack that is half needed is rewritten while another pruner cleans up and a writer dedups.
#[must_use]
pub fn repack() -> Config {
    Config::new(&[past(X), writer(Y), mover(), pruner()], &[XY])
}

/// Two pruners move chunks of the same packs at once, segments rewritten too.
#[must_use]
pub fn two_movers() -> Config {
    let base = Config::new(&[past(X), mover(), mover()], &[XY, Y]);
    Config {
        segments: vec![0b11],
        plans: Plans::Anything,
        ..base
    }
}

/// A Checkpoint on the way to a Backup, a crash, and a prune.
#[must_use]
pub fn checkpoint() -> Config {
    let role = Role::Writer {
        needs: XY,
        checkpoint: X,
        restarts: 1,
        domain: Domain::Readers,
    };
    Config {
        passes: 4,
        ..Config::new(&[role, pruner()], &[X, Y])
    }
}

/// A writer that crashes between Backup and Confirm and begins again.
#[must_use]
pub fn restarted() -> Config {
    let role = Role::Writer {
        needs: X,
        checkpoint: 0,
        restarts: 1,
        domain: Domain::Readers,
    };
    Config {
        passes: 3,
        ..Config::new(&[role, pruner(), pruner()], &[X])
    }
}

/// A pruner that crashes and prunes again while its deletes may still land; another one beside it.
#[must_use]
pub fn late_deletes() -> Config {
    Config {
        plans: Plans::AnyPacks,
        ..Config::new(&[past(X), twice(pruner()), pruner()], &[X, X])
    }
}

/// As above with a writer.
#[must_use]
pub fn late_deletes_and_writer() -> Config {
    Config {
        passes: 2,
        ..Config::new(&[writer(X), twice(pruner())], &[X, X])
    }
}

/// Pruners fold their logs; every run begins at the newest folds, as a new machine's does.
#[must_use]
pub fn folds() -> Config {
    let base = Config::new(&[past(X), twice(pruner()), pruner()], &[X, X]);
    Config {
        folds: Folds::Used,
        grain: Grain::Fine,
        ..base
    }
}

/// A new machine begins at a fold and dedups against packs of which a segment still speaks.
#[must_use]
pub fn folds_and_writer() -> Config {
    let base = Config::new(&[writer(X), pruner()], &[X, X]);
    Config {
        folds: Folds::Used,
        grain: Grain::Fine,
        plans: Plans::PacksAlone,
        ..base
    }
}

/// As above, and retried uploads of a pack and its segment may land after both were deleted.
#[must_use]
pub fn folds_and_late_puts() -> Config {
    let again = Things {
        packs: 0b01,
        segments: 0b01,
    };
    Config {
        late_puts: again,
        plans: Plans::AnyPacks,
        ..folds_and_writer()
    }
}

/// Two folding pruners, and a retried upload that may land after what it uploaded was deleted.
#[must_use]
pub fn pruners_and_late_puts() -> Config {
    Config {
        late_puts: folds_and_late_puts().late_puts,
        ..folds()
    }
}

/// A write-only device's pack claims a needed chunk and does not hold it.
#[must_use]
pub fn forged() -> Config {
    let base = Config::new(&[past(X), writer(X), pruner()], &[X, X]);
    Config {
        foreign: 0b10,
        forged: 0b10,
        ..base
    }
}

/// As above, and no other snapshot holds on to the true copy.
#[must_use]
pub fn forged_and_writer() -> Config {
    let base = Config::new(&[writer(X), pruner()], &[X, X]);
    Config {
        foreign: 0b10,
        forged: 0b10,
        ..base
    }
}

/// A write-only device backs up beside a reader and a pruner.
#[must_use]
pub fn write_only() -> Config {
    let role = Role::Writer {
        needs: X,
        checkpoint: 0,
        restarts: 0,
        domain: Domain::Own,
    };
    Config::new(&[role, writer(X), pruner()], &[X])
}

/// A pruner joins while a writer runs.
#[must_use]
pub fn joining_pruner() -> Config {
    let base = Config::new(&[writer(X), pruner(), pruner()], &[X]);
    Config {
        joining: only(2),
        roster: Rosters::Live,
        ..base
    }
}

/// A writer joins while a pruner runs.
#[must_use]
pub fn joining_writer() -> Config {
    let base = Config::new(&[writer(X), writer(X), pruner()], &[X]);
    Config {
        joining: only(1),
        roster: Rosters::Live,
        ..base
    }
}

/// A pruner is removed while it prunes and a writer relies on what it condemns.
#[must_use]
pub fn removed_pruner() -> Config {
    let base = Config::new(&[writer(X), pruner(), Role::Admin { removes: 1 }], &[X]);
    Config {
        roster: Rosters::Live,
        ..base
    }
}

/// A removed pruner beside another pruner and duplicates.
#[must_use]
pub fn removed_pruner_and_duplicates() -> Config {
    let roles = [past(X), pruner(), pruner(), Role::Admin { removes: 1 }];
    Config {
        roster: Rosters::Live,
        ..Config::new(&roles, &[X, X])
    }
}

/// A writer is removed while it backs up.
#[must_use]
pub fn removed_writer() -> Config {
    let base = Config::new(&[writer(X), pruner(), Role::Admin { removes: 0 }], &[X]);
    Config {
        roster: Rosters::Live,
        ..base
    }
}

/// A writer is removed whose segments another writer dedups against.
#[must_use]
pub fn removed_writer_and_dedup() -> Config {
    let roles = [writer(X), writer(X), Role::Admin { removes: 0 }];
    Config {
        roster: Rosters::Live,
        naming: Naming::ByEntries,
        ..Config::new(&roles, &[])
    }
}

/// As above, with a pruner beside them.
#[must_use]
pub fn removed_writer_dedup_and_prune() -> Config {
    let roles = [writer(X), writer(X), pruner(), Role::Admin { removes: 0 }];
    let base = Config::new(&roles, &[]);
    Config {
        roster: Rosters::Live,
        naming: Naming::ByEntries,
        passes: 1,
        reads: Reads::Ascending,
        ..base
    }
}

/// A writer that may stop before its Backup, and a pruner that sees what it stored.
#[must_use]
pub fn unnamed_segments() -> Config {
    let base = Config::new(&[past(X), writer(X), pruner()], &[X]);
    Config {
        naming: Naming::ByEntries,
        ..base
    }
}

/// A removed device forgets a snapshot while another one prunes.
#[must_use]
pub fn removed_forgetter() -> Config {
    let roles = [past(X), forgetter(0), pruner(), Role::Admin { removes: 1 }];
    Config {
        roster: Rosters::Live,
        ..Config::new(&roles, &[X])
    }
}

/// A snapshot is forgotten while a writer dedups against its chunk.
#[must_use]
pub fn forget() -> Config {
    Config::new(&[past(X), writer(X), forgetter(0), pruner()], &[X])
}
