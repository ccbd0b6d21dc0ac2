//! The rule as it stands loses nothing: every reachable state of each small world is visited.

use ownkey_model::checks::Reach::{
    Acknowledged, CheckpointConfirmed, CondemnFolded, DeletedAfterCut, ForgottenAndDeleted,
    JoinedAndActed, LateEntriesVoid, PackDeleted, RepackConfirmed, SegmentDeleted, Spared,
    StoredAnew,
};
use ownkey_model::config::{Plans, Reads};
use ownkey_model::{Config, houses};

use crate::explore::holds;

#[test]
fn garbage_may_be_wanted_again_while_it_is_pruned() {
    let reaches = [
        PackDeleted,
        SegmentDeleted,
        Acknowledged,
        Spared,
        StoredAnew,
    ];
    holds(
        "garbage, 1 writer, 1 pruner",
        houses::garbage_wanted_again(1, 1),
        &reaches,
    );
    holds(
        "garbage, 2 writers, 1 pruner",
        houses::garbage_wanted_again(2, 1),
        &reaches,
    );
    holds(
        "garbage, 1 writer, 2 pruners",
        houses::garbage_wanted_again(1, 2),
        &reaches,
    );
}

#[test]
fn two_writers_and_two_pruners_lose_nothing() {
    let pairs = houses::garbage_wanted_again(2, 2);
    let config = Config {
        reads: Reads::Atomic,
        passes: 1,
        ..pairs
    };
    holds(
        "garbage, 2 writers, 2 pruners",
        config,
        &[PackDeleted, SegmentDeleted, Acknowledged, Spared],
    );
}

#[test]
fn two_pruners_never_drop_both_copies() {
    let reaches = [
        PackDeleted,
        SegmentDeleted,
        Acknowledged,
        Spared,
        StoredAnew,
    ];
    holds("duplicates", houses::duplicates(), &reaches);
}

#[test]
fn three_pruners_never_drop_all_three_copies() {
    let config = Config {
        plans: Plans::Greedy,
        reads: Reads::Ascending,
        ..houses::three_pruners()
    };
    holds(
        "three pruners, three copies",
        config,
        &[PackDeleted, SegmentDeleted, Spared],
    );
}

#[test]
fn two_chunks_alone_and_together_are_kept() {
    let reaches = [
        PackDeleted,
        SegmentDeleted,
        Acknowledged,
        Spared,
        StoredAnew,
    ];
    let config = Config {
        plans: Plans::Greedy,
        passes: 2,
        ..houses::two_chunks_one_pruner()
    };
    holds("two chunks", config, &reaches);
    holds(
        "two chunks, any plan",
        houses::two_chunks_one_pruner(),
        &reaches,
    );
}

#[test]
fn a_pack_that_stays_is_always_located() {
    let reaches = [
        PackDeleted,
        SegmentDeleted,
        Acknowledged,
        Spared,
        StoredAnew,
    ];
    holds("segments", houses::segments(), &reaches);
    holds("fresh upload", houses::fresh_upload(), &reaches);
    holds(
        "shared segments",
        houses::shared_segments(),
        &[PackDeleted, SegmentDeleted, Spared],
    );
}

#[test]
fn chunks_are_moved_while_others_prune_and_back_up() {
    let reaches = [PackDeleted, SegmentDeleted, Spared, RepackConfirmed];
    holds("two movers", houses::two_movers(), &reaches);
    let config = Config {
        reads: Reads::Ascending,
        passes: 1,
        ..houses::repack()
    };
    holds(
        "repack",
        config,
        &[PackDeleted, Acknowledged, RepackConfirmed],
    );
}

#[test]
fn a_confirmed_checkpoint_outlives_a_crash() {
    let reaches = [
        PackDeleted,
        Acknowledged,
        Spared,
        StoredAnew,
        CheckpointConfirmed,
    ];
    holds("checkpoint", houses::checkpoint(), &reaches);
}

#[test]
fn deletes_may_land_after_the_next_run_began() {
    holds(
        "late deletes",
        houses::late_deletes(),
        &[PackDeleted, Spared],
    );
    holds(
        "late deletes and a writer",
        houses::late_deletes_and_writer(),
        &[PackDeleted, Acknowledged, StoredAnew],
    );
}

#[test]
fn runs_may_begin_at_folds() {
    holds(
        "folds",
        houses::folds(),
        &[PackDeleted, Spared, CondemnFolded],
    );
    holds(
        "folds and a new machine",
        houses::folds_and_writer(),
        &[PackDeleted, Acknowledged, CondemnFolded],
    );
    let reaches = [PackDeleted, Spared, CondemnFolded];
    holds(
        "pruners and late puts",
        houses::pruners_and_late_puts(),
        &reaches,
    );
    holds(
        "folds and late puts",
        houses::folds_and_late_puts(),
        &[PackDeleted, Acknowledged, CondemnFolded],
    );
}

#[test]
fn what_a_write_only_device_claims_serves_nobody_else() {
    holds(
        "forged",
        houses::forged(),
        &[PackDeleted, Acknowledged, Spared],
    );
    holds(
        "forged and a writer",
        houses::forged_and_writer(),
        &[PackDeleted, Acknowledged, StoredAnew],
    );
    holds(
        "write-only",
        houses::write_only(),
        &[PackDeleted, Acknowledged, Spared, StoredAnew],
    );
}

#[test]
fn devices_may_join_at_any_moment() {
    let config = Config {
        reads: Reads::Ascending,
        ..houses::joining_pruner()
    };
    holds(
        "joining pruner",
        config,
        &[PackDeleted, Acknowledged, StoredAnew, JoinedAndActed],
    );
    holds(
        "joining writer",
        houses::joining_writer(),
        &[PackDeleted, Acknowledged, StoredAnew, JoinedAndActed],
    );
}

#[test]
fn pruners_may_be_removed_at_any_moment() {
    let reaches = [PackDeleted, Spared, LateEntriesVoid, DeletedAfterCut];
    holds("removed pruner", houses::removed_pruner(), &reaches);
    holds(
        "removed pruner, duplicates",
        houses::removed_pruner_and_duplicates(),
        &reaches,
    );
    holds(
        "removed mover",
        houses::removed_mover(),
        &[PackDeleted, LateEntriesVoid, RepackConfirmed],
    );
}

#[test]
fn writers_may_be_removed_at_any_moment() {
    holds(
        "removed writer",
        houses::removed_writer(),
        &[PackDeleted, Acknowledged, LateEntriesVoid],
    );
}

#[test]
fn snapshots_may_be_forgotten_at_any_moment() {
    holds(
        "removed forgetter",
        houses::removed_forgetter(),
        &[ForgottenAndDeleted, LateEntriesVoid],
    );
    holds(
        "forget and dedup",
        houses::forget_and_dedup(),
        &[ForgottenAndDeleted, Acknowledged, StoredAnew],
    );
}

#[test]
fn only_segments_that_entries_name_count() {
    holds(
        "unnamed segments",
        houses::unnamed_segments(),
        &[PackDeleted, SegmentDeleted, Acknowledged, StoredAnew],
    );
    holds(
        "removed writer and dedup",
        houses::removed_writer_and_dedup(),
        &[Acknowledged, StoredAnew, LateEntriesVoid],
    );
    let reaches = [PackDeleted, Acknowledged, LateEntriesVoid];
    holds(
        "removed writer, dedup, prune",
        houses::removed_writer_dedup_and_prune(),
        &reaches,
    );
}
