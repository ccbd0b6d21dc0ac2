//! probe
use ownkey_model::Config;
use crate::explore::holds;
use crate::houses::*;
#[test]
fn a() {
    let list: Vec<(&str, fn() -> Config)> = vec![
    ("garbage 2w1p", ||garbage_wanted_again(2,1)), ("three_pruners", three_pruners), 
    ("segments", segments), ("shared_segments", shared_segments), ("segment_and_writer", segment_and_writer), ("repack", repack), ("two_movers", two_movers),
    ("checkpoint", checkpoint), ("restarted", restarted), ("late_deletes", late_deletes), ("late_deletes_and_writer", late_deletes_and_writer),
    ("folds", folds), ("folds_and_writer", folds_and_writer), ("forged", forged), ("write_only", write_only), ("joining_pruner", joining_pruner), ("joining_writer", joining_writer),
    ("removed_pruner", removed_pruner), ("removed_pruner_and_duplicates", removed_pruner_and_duplicates), ("removed_writer", removed_writer), ("removed_forgetter", removed_forgetter), ("forget", forget),
    ("duplicates", duplicates), ("two_chunks", two_chunks), 
    ];
    let only = std::env::var("ONLY").ok();
    for (name, c) in list {
        if only.as_ref().is_some_and(|o| !name.contains(o.as_str())) { continue; }
        if std::panic::catch_unwind(|| holds(name, c(), &[])).is_err() { println!("FAILED {name}"); crate::explore::trace(c()); }
    }
}
