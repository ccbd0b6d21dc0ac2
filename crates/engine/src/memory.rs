//! How much memory a run may take (docs/design.md, "Memory").

use std::num::NonZero;
use std::thread::available_parallelism;

/// What a run does with the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// As many threads as there are cores, and packs in flight behind them.
    #[default]
    Usual,
    /// One reading thread and little in flight: for machines with 64 MB to spare.
    Low,
}

impl Memory {
    /// Threads that read, compress and seal.
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::Usual => available_parallelism().map_or(2, NonZero::get),
            Self::Low => 1,
        }
    }

    /// Bytes of frames and packs that wait to be stored.
    pub(crate) fn packs(self) -> usize {
        match self {
            Self::Usual => 48 << 20,
            Self::Low => 10 << 20,
        }
    }
}
