//! Ctrl-C and the system's request to end: the first asks, the second insists.
//!
//! The first signal raises a flag that every long loop asks for; the run ends in good order with
//! code 130. A second one ends the process at once: the repository is safe at any moment.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether the user asked to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the conditional end sees the flag as the signal before left it.
            flag::register_conditional_shutdown(
                signal,
                i32::from(Class::Interrupted.code()),
                Arc::clone(&interrupt.0),
            )?;
            flag::register(signal, Arc::clone(&interrupt.0))?;
        }
        Ok(interrupt)
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
