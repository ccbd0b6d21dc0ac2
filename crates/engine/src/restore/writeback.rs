//! Write-back that begins while there is still something to restore.
//!
//! Left alone, the kernel writes nothing before a tenth of the memory is dirty, and the sync at the
//! end waits for all of it while the processor is idle. So one thread syncs the target whenever so
//! many bytes of large files were written, and the last sync has little left to do. Small files do not
//! count: with thousands of inodes in each commit of the journal, making more wins less than it costs.
//!
//! A failure of the disk is told once to each handle that syncs, and these are the handles of the
//! last sync. So what an early one is told ends the restore: the last would not hear of it again.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, select};

/// Bytes between two syncs: enough that what a commit of the journal costs is not felt.
const EVERY: u64 = 64 << 20;

/// Counts what is written, and says when a sync is due.
pub(super) struct WriteBack {
    written: AtomicU64,
    due: Sender<()>,
    asked: Receiver<()>,
}

impl Default for WriteBack {
    fn default() -> Self {
        // While one runs, another may be due; more of them would be the same.
        let (due, asked) = bounded(1);
        Self {
            written: AtomicU64::new(0),
            due,
            asked,
        }
    }
}

impl WriteBack {
    /// Counts bytes that were written to large files.
    pub(super) fn wrote(&self, bytes: u64) {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / EVERY != before.saturating_add(bytes) / EVERY {
            let _ = self.due.try_send(());
        }
    }

    /// Syncs whenever it is due, until the other end of `writing` is dropped or a sync fails.
    ///
    /// # Errors
    /// That of the sync that failed.
    pub(super) fn run<E>(
        &self,
        writing: &Receiver<Infallible>,
        sync: impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            select! {
                recv(self.asked) -> _ => sync()?,
                recv(writing) -> _ => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread;

    use super::*;

    #[test]
    fn a_sync_is_due_each_time_so_many_bytes_were_written_and_never_twice_at_once() {
        let write_back = WriteBack::default();
        write_back.wrote(EVERY - 1);
        assert!(write_back.asked.is_empty());
        write_back.wrote(1);
        assert_eq!(write_back.asked.try_iter().count(), 1);
        write_back.wrote(EVERY / 2);
        assert!(write_back.asked.is_empty());
        write_back.wrote(5 * EVERY);
        write_back.wrote(EVERY);
        assert_eq!(write_back.asked.try_iter().count(), 1);
    }

    #[test]
    fn syncing_ends_with_the_writing() {
        let write_back = WriteBack::default();
        let (written, writing) = bounded(0);
        let (synced, seen) = bounded(0);
        thread::scope(|scope| {
            let syncing = scope.spawn(|| write_back.run(&writing, || synced.send(())));
            write_back.wrote(EVERY);
            seen.recv().unwrap();
            drop(written);
            syncing.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_first_failure_is_told_and_nothing_is_synced_after_it() {
        let write_back = WriteBack::default();
        let (_written, writing) = bounded(0);
        let syncs = Cell::new(0);
        write_back.wrote(EVERY);
        let failed = write_back.run(&writing, || {
            syncs.set(syncs.get() + 1);
            write_back.wrote(EVERY);
            Err("input/output error")
        });
        assert_eq!((failed, syncs.get()), (Err("input/output error"), 1));
    }
}
