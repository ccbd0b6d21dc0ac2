//! Deleting from a copy what the repository has pruned.
//!
//! That a place does not show an object is no reason to delete its copy: a place that lost or
//! hides it would take the copy with it. The reason is an entry of the log, signed by a device
//! that may prune, that condemns it; and to read that takes a key.

use std::collections::BTreeSet;
use std::sync::Arc;

use ownkey_storage::{DeleteOutcome, ObjectName, Storage};

use super::listing::Listing;
use crate::error::Result;
use crate::format::layout;
use crate::io::Io;
use crate::repository::Repository;

/// Deletes packs and segments from `copy` that its logs condemn and `from` does not have any more;
/// returns how many. Call it after a mirror, with `copy` opened after it.
///
/// # Errors
/// Those of both storages.
pub fn delete_condemned(copy: &Repository, from: &Arc<dyn Storage>) -> Result<u64> {
    let from = Io::new(Arc::clone(from), &copy.environment);
    let condemned = copy.logs.condemned();
    let packs = condemned.packs.iter().map(layout::pack);
    let segments = condemned.segments.iter().map(layout::segment);
    let condemned: BTreeSet<ObjectName> = packs.chain(segments).collect();
    if condemned.is_empty() {
        return Ok(0);
    }
    let (mut here, mut there) = (Listing::default(), Listing::default());
    here.add_data(&from)?;
    there.add_data(&copy.io)?;
    let gone = there.data().iter().map(|listed| &listed.name);
    let gone: Vec<ObjectName> = gone
        .filter(|name| condemned.contains(*name) && here.size_of(name).is_none())
        .cloned()
        .collect();
    let mut deleted = 0;
    for (_, outcome) in copy.io.delete(&gone) {
        match outcome {
            DeleteOutcome::Done => deleted += 1,
            // What the storage is bound to keep is left for a later mirror.
            DeleteOutcome::Deferred => {}
            DeleteOutcome::Failed(error) => return Err(error.into()),
        }
    }
    Ok(deleted)
}
