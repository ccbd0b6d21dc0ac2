//! The larger configurations, re-exported by [`crate::houses`]; most are for `examples/deep.rs`.

use crate::config::{Config, Domain, Folds, Grain, Plans, Reads, Role, Rosters};
use crate::houses::{X, XY, Y, forgetter, mover, past, pruner, twice, writer};

/// As [`crate::houses::folds`], with a writer whose run begins at the folds too.
#[must_use]
pub fn folds_pruners_and_writer() -> Config {
    let base = Config::new(&[writer(X), twice(pruner()), pruner()], &[X, X]);
    Config {
        folds: Folds::Used,
        plans: Plans::Greedy,
        passes: 1,
        reads: Reads::Ascending,
        ..base
    }
}

/// Segments of a fresh upload and old ones, two pruners that condemn anything, a writer.
#[must_use]
pub fn segments_two_pruners() -> Config {
    let base = Config::new(&[past(X), writer(Y), pruner(), pruner()], &[X]);
    Config {
        plans: Plans::Anything,
        grain: Grain::Fine,
        passes: 1,
        reads: Reads::Ascending,
        ..base
    }
}

/// A mover that runs twice and folds, beside a pruner.
#[must_use]
pub fn movers_and_folds() -> Config {
    let base = Config::new(&[past(X), twice(mover()), pruner()], &[XY]);
    Config {
        folds: Folds::Used,
        grain: Grain::Fine,
        reads: Reads::Ascending,
        ..base
    }
}

/// A mover is removed while it moves, beside a pruner and a writer.
#[must_use]
pub fn removed_mover() -> Config {
    let roles = [past(X), mover(), pruner(), Role::Admin { removes: 1 }];
    Config {
        roster: Rosters::Live,
        reads: Reads::Ascending,
        ..Config::new(&roles, &[XY])
    }
}

/// A removed pruner that folds and runs twice, a second pruner, duplicates.
#[must_use]
pub fn removed_pruner_and_folds() -> Config {
    let roles = [
        past(X),
        twice(pruner()),
        pruner(),
        Role::Admin { removes: 1 },
    ];
    let base = Config::new(&roles, &[X, X]);
    Config {
        roster: Rosters::Live,
        folds: Folds::Used,
        reads: Reads::Ascending,
        ..base
    }
}

/// A removed pruner, another one, and a writer.
#[must_use]
pub fn removed_pruner_and_writer() -> Config {
    let roles = [writer(X), pruner(), pruner(), Role::Admin { removes: 1 }];
    Config {
        roster: Rosters::Live,
        reads: Reads::Ascending,
        ..Config::new(&roles, &[X])
    }
}

/// A removed writer whose snapshot another device forgets, beside a second writer.
#[must_use]
pub fn removed_writer_and_writer() -> Config {
    let roles = [
        writer(X),
        writer(X),
        forgetter(0),
        Role::Admin { removes: 0 },
    ];
    Config {
        roster: Rosters::Live,
        reads: Reads::Ascending,
        ..Config::new(&roles, &[X])
    }
}

/// A Checkpoint, a crash, two pruners.
#[must_use]
pub fn checkpoint_two_pruners() -> Config {
    let role = Role::Writer {
        needs: X,
        checkpoint: X,
        restarts: 1,
        domain: Domain::Readers,
    };
    Config {
        passes: 3,
        reads: Reads::Ascending,
        ..Config::new(&[role, pruner(), pruner()], &[X])
    }
}

/// One writer's confirmed snapshot is forgotten while another writer dedups against it.
#[must_use]
pub fn forget_and_dedup() -> Config {
    Config::new(&[writer(X), writer(X), forgetter(0)], &[X])
}
