//! A steady rate, shared by everything that moves in one direction.
//!
//! Promise: over a long run no more bytes pass than the rate allows, and hardly fewer; who asks
//! first passes first, so that nobody starves. Transfers ask piece by piece, so that a small object
//! is not held up behind the whole of a large one.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::stopwatch::Stopwatch;

/// How long a pause of the transfer may be made up for, at full speed. It also makes up for timers
/// that wake a little late, which would add up to a few percent otherwise.
const CREDIT: Duration = Duration::from_millis(250);
/// A piece takes about this long, so that many transfers at once look steady...
const PIECE_TIME: Duration = Duration::from_millis(100);
/// ...but is never so small that its overhead counts, nor larger than what a connection buffers.
const PIECES: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 10;

/// A rate in bytes per second. Clones share it.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Line>);

#[derive(Debug)]
struct Line {
    rate: NonZeroU64,
    running: Stopwatch,
    /// When everything asked for so far has passed.
    free: Mutex<Duration>,
}

impl Pace {
    /// A line that is free from now on.
    #[must_use]
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        Self(Arc::new(Line {
            rate: bytes_per_second,
            running: Stopwatch::start(),
            free: Mutex::default(),
        }))
    }

    /// How many bytes to ask for at once.
    #[must_use]
    pub fn piece(&self) -> usize {
        let piece = self.0.rate.get() / (1000 / PIECE_TIME.as_millis() as u64);
        piece.clamp(*PIECES.start(), *PIECES.end()) as usize
    }

    /// Takes a place in the line for so many bytes, and tells how long to wait before they pass.
    pub(crate) fn reserve(&self, bytes: u64) -> Duration {
        let line = &self.0;
        let now = line.running.elapsed();
        // A panic elsewhere cannot leave it half changed.
        let mut free = line.free.lock().unwrap_or_else(PoisonError::into_inner);
        let starts = (*free).max(now.saturating_sub(CREDIT));
        let takes = Duration::from_secs_f64(bytes as f64 / line.rate.get() as f64);
        *free = starts.saturating_add(takes);
        starts.saturating_sub(now)
    }

    /// Waits until so many bytes may pass.
    pub async fn take(&self, bytes: u64) {
        let piece = self.piece() as u64;
        let mut left = bytes;
        while left > 0 {
            let now = left.min(piece);
            let wait = self.reserve(now);
            // Timers count in milliseconds, and nothing would take at least one.
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            left -= now;
        }
    }
}
