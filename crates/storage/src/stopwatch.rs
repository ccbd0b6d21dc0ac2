//! How long something takes: the one place of this crate that looks at a running clock.
//!
//! It measures and never tells the time of day. Where a test pauses the clock of its runtime this
//! one stands still, too; and while a machine sleeps it does not run.

use std::time::Duration;

use tokio::time::Instant;

/// Runs from the moment it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
