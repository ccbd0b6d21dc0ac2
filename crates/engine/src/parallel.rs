//! Doing one thing with many objects, a few at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::bounded;

use crate::error::{Error, Result};
use crate::lock::lock;
use crate::monitor::Monitor;

/// Objects in hand at once: at most 72 MiB each, so this bounds the memory.
pub(crate) const WORKERS: usize = 4;

/// Calls `work` with every item, on so many threads; one thread keeps the order. The first
/// failure ends it, and so does the user.
pub(crate) fn each<T: Sync>(
    items: &[T],
    workers: usize,
    monitor: &dyn Monitor,
    work: impl Fn(&T) -> Result<()> + Sync,
) -> Result<()> {
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        let (send, receive) = bounded::<&T>(workers);
        for _ in 0..workers {
            let (receive, work, failure) = (receive.clone(), &work, &failure);
            scope.spawn(move || {
                for item in receive {
                    // What is left is taken and dropped, so that nobody waits for room.
                    if lock(failure).is_some() {
                        continue;
                    }
                    if let Err(error) = work(item) {
                        lock(failure).get_or_insert(error);
                    }
                }
            });
        }
        drop(receive);
        for item in items {
            let stop = monitor.cancelled() || lock(&failure).is_some();
            if stop || send.send(item).is_err() {
                break;
            }
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None if monitor.cancelled() => Err(Error::Cancelled),
        None => Ok(()),
    }
}
