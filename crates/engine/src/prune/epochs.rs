//! Which objects were sealed under earlier keys than the present ones.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ownkey_crypto::{Epoch, MAX_HEADER_LEN, peek_epoch};
use ownkey_storage::{ObjectName, StorageErrorKind};

use crate::error::{Error, Result};
use crate::io::Io;
use crate::lock::lock;

/// Questions on their way at once.
const AT_ONCE: usize = 16;

/// Those of `names` whose header names an epoch before `present`. What is gone, or is no object of this format, is
/// not among them: others say what is wrong with it.
pub(super) fn sealed_before(
    present: Epoch,
    names: &[ObjectName],
    io: &Io,
) -> Result<HashSet<ObjectName>> {
    let found = Mutex::new((HashSet::new(), None));
    let next = AtomicUsize::new(0);
    let ask = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            match is_before(present, name, io) {
                Ok(false) => {}
                Ok(true) => drop(lock(&found).0.insert(name.clone())),
                Err(error) => {
                    lock(&found).1.get_or_insert(error);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(names.len()) {
            scope.spawn(ask);
        }
    });
    match found.into_inner() {
        Ok((before, None)) => Ok(before),
        Ok((_, Some(error))) => Err(error),
        Err(_) => Err(Error::WorkerLost),
    }
}

fn is_before(present: Epoch, name: &ObjectName, io: &Io) -> Result<bool> {
    // The header alone: where it lies is known to everybody. No object is as short as the longest one.
    let header = match io.get_range(name, 0..MAX_HEADER_LEN as u64) {
        Ok(header) => header,
        Err(error) => {
            return match error.kind() {
                StorageErrorKind::NotFound | StorageErrorKind::InvalidRange => Ok(false),
                _ => Err(error.into()),
            };
        }
    };
    Ok(peek_epoch(&header).is_ok_and(|(_, epoch)| epoch < present))
}
