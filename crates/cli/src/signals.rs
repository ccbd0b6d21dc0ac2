//! Ctrl-C and the system's request to end: the first asks, the second insists.
//!
//! The first signal raises a flag that every long loop asks for; the run ends in good order with
//! code 130. A second one ends the process at once: the repository is safe at any moment.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Class;
use crate::failure::Failure;

/// How long a wait for input lasts before the flag is looked at again.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Waits a little for input. A read would be restarted after a signal; this is not.
pub(crate) fn is_readable(input: &impl AsFd) -> io::Result<bool> {
    match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&PAUSE)) {
        Ok(0) | Err(Errno::INTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether the user asked to stop, or has waited long enough.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
    until: Option<Instant>,
}

impl Interrupt {
    /// Starts to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the conditional end sees the flag as the signal before left it.
            flag::register_conditional_shutdown(
                signal,
                i32::from(Class::Interrupted.code()),
                Arc::clone(&interrupt.raised),
            )?;
            flag::register(signal, Arc::clone(&interrupt.raised))?;
        }
        Ok(interrupt)
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_raised(&self) -> bool {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        late || self.raised.load(Ordering::Relaxed)
    }

    /// The same for what may take so long and no longer.
    pub(crate) fn within(&self, patience: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(patience),
            ..self.clone()
        }
    }

    /// Ends the command if the user asked to stop.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_raised() {
            Err(Failure::interrupted())
        } else {
            Ok(())
        }
    }
}
