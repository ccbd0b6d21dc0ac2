//! A runtime on which nobody waits in vain: its clock stands still while there is something to do,
//! and else goes on to whatever somebody waits for.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime with a clock of its own, driven by a thread of its own until it is dropped.
pub(crate) struct Still {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Still {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let drive = move || {
            // Whichever way it ends, nobody needs the runtime any more.
            let _ = runtime.block_on(stopped);
        };
        Self {
            handle,
            stop: Some(stop),
            thread: Some(std::thread::spawn(drive)),
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the runtime's thread does not panic");
        }
    }
}
