//! Every tempting departure from the rule loses data, and the model finds out.

use ownkey_model::{Mistake, houses};

use crate::explore::{holds, is_caught};

#[test]
fn sparing_after_the_deletes_were_sent_is_caught() {
    is_caught(&houses::garbage_wanted_again(1, 1), Mistake::SpareLast);
}

#[test]
fn a_spare_that_ends_every_condemn_is_caught() {
    is_caught(&houses::garbage_wanted_again(1, 2), Mistake::SpareEndsAll);
}

#[test]
fn a_writer_that_does_not_look_is_caught() {
    is_caught(&houses::garbage_wanted_again(1, 1), Mistake::WriterUnlooked);
}

#[test]
fn a_pruner_that_does_not_look_is_caught() {
    is_caught(&houses::garbage_wanted_again(1, 1), Mistake::PrunerUnlooked);
}

#[test]
fn a_writer_that_looks_before_it_writes_is_caught() {
    is_caught(
        &houses::garbage_wanted_again(1, 1),
        Mistake::WriterLooksFirst,
    );
}

#[test]
fn a_pruner_that_looks_before_it_writes_is_caught() {
    is_caught(
        &houses::garbage_wanted_again(1, 1),
        Mistake::PrunerLooksFirst,
    );
}

#[test]
fn relying_on_what_was_condemned_before_the_run_is_caught() {
    is_caught(
        &houses::garbage_wanted_again(1, 1),
        Mistake::CondemnedReused,
    );
}

#[test]
fn ignoring_provisional_backups_is_caught() {
    is_caught(
        &houses::garbage_wanted_again(1, 1),
        Mistake::ProvisionalIgnored,
    );
}

#[test]
fn a_look_that_reads_a_fold_is_caught() {
    is_caught(&houses::folds(), Mistake::LookReadsFold);
}

#[test]
fn a_fold_that_forgets_a_condemn_whose_pack_exists_is_caught() {
    is_caught(&houses::folds(), Mistake::FoldForgetsEarly);
}

#[test]
fn beginning_at_a_fold_without_listing_the_packs_is_caught() {
    is_caught(&houses::folds_and_writer(), Mistake::FoldStartUnlisted);
    is_caught(&houses::folds_and_late_puts(), Mistake::FoldStartUnlisted);
}

#[test]
fn listing_before_the_folded_logs_are_read_is_caught() {
    is_caught(&houses::folds(), Mistake::ListedBeforeLogs);
}

#[test]
fn calling_a_pack_gone_without_asking_again_is_caught() {
    is_caught(&houses::fresh_upload(), Mistake::GoneUnlooked);
}

#[test]
fn deleting_a_segment_unchecked_is_caught() {
    is_caught(&houses::segments(), Mistake::SegmentUnchecked);
}

#[test]
fn a_location_that_only_a_condemned_segment_leads_to_is_caught() {
    is_caught(
        &houses::pruners_and_late_puts(),
        Mistake::WitnessByCondemnedSegment,
    );
}

#[test]
fn counting_what_others_condemned_as_gone_is_caught() {
    is_caught(&houses::shared_segments(), Mistake::OthersCondemnedGone);
}

#[test]
fn trusting_ones_own_new_packs_without_a_look_is_caught() {
    is_caught(&houses::two_movers(), Mistake::RepackUnlooked);
}

#[test]
fn confirming_a_checkpoint_without_a_look_is_caught() {
    is_caught(&houses::checkpoint(), Mistake::CheckpointUnlooked);
}

#[test]
fn a_pruner_that_trusts_a_foreign_location_is_caught() {
    is_caught(&houses::forged(), Mistake::ForeignTrusted);
}

#[test]
fn a_writer_that_dedups_against_a_foreign_pack_is_caught() {
    is_caught(&houses::forged_and_writer(), Mistake::ForeignReused);
}

#[test]
fn sparing_what_a_delete_may_have_been_sent_for_is_caught() {
    is_caught(&houses::late_deletes(), Mistake::SentSpared);
    is_caught(&houses::late_deletes_and_writer(), Mistake::SentSpared);
}

#[test]
fn forgetting_ones_own_earlier_condemns_is_caught() {
    is_caught(&houses::late_deletes(), Mistake::OwnCondemnsForgotten);
}

#[test]
fn a_look_that_does_not_ask_who_joined_is_caught() {
    is_caught(&houses::joining_pruner(), Mistake::RosterNotReread);
    is_caught(&houses::joining_writer(), Mistake::RosterNotReread);
}

#[test]
fn a_look_that_reads_the_roster_only_first_is_caught() {
    is_caught(&houses::removed_forgetter(), Mistake::RosterReadFirst);
}

#[test]
fn letting_a_removed_devices_forget_free_chunks_is_caught() {
    is_caught(&houses::removed_forgetter(), Mistake::ForgetOfRemovedFrees);
}

#[test]
fn a_removed_pruner_that_deletes_is_caught() {
    is_caught(&houses::removed_pruner(), Mistake::RemovedDeletes);
}

#[test]
fn a_cut_that_voids_earlier_condemns_is_caught() {
    is_caught(&houses::removed_pruner(), Mistake::CutVoidsEarlier);
    is_caught(
        &houses::removed_pruner_and_duplicates(),
        Mistake::CutVoidsEarlier,
    );
}

#[test]
fn applying_a_cut_to_a_log_not_read_up_to_it_is_caught() {
    is_caught(&houses::removed_writer(), Mistake::CutAppliedUnread);
}

#[test]
fn reading_a_log_before_its_device_is_removed_is_caught() {
    is_caught(&houses::removed_pruner(), Mistake::CutReadFirst);
    is_caught(&houses::removed_writer(), Mistake::CutReadFirst);
}

#[test]
fn acknowledging_without_reading_the_roster_again_is_caught() {
    is_caught(&houses::removed_writer(), Mistake::AcknowledgedUnlooked);
}

#[test]
fn ignoring_condemns_of_segments_in_a_writers_look_loses_nothing() {
    for house in [houses::segments(), houses::fresh_upload()] {
        holds(
            "segments ignored by the writer",
            house.with(Mistake::SegmentsUnlooked),
            &[],
        );
    }
}

#[test]
fn relying_on_names_that_a_cut_may_void_is_caught() {
    is_caught(
        &houses::removed_writer_and_dedup(),
        Mistake::DoubtfulNamesRelied,
    );
}

#[test]
fn counting_a_segment_that_no_entry_names_is_caught() {
    is_caught(&houses::unnamed_segments(), Mistake::UnnamedCounted);
}
