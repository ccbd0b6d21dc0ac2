//! How much memory a run may take (docs/design.md, "Memory").

use std::num::NonZero;
use std::thread::available_parallelism;

/// What a run does with the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// A few threads more than cores, and packs in flight behind them.
    #[default]
    Usual,
    /// One reading thread and little in flight: for machines with 64 MB to spare.
    Low,
}

impl Memory {
    /// Threads that read, compress and seal: more than cores, because where nothing is cached some
    /// of them wait for the disk.
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::Usual => cores() + 2,
            Self::Low => 1,
        }
    }

    /// Threads that open packs and write what was in them.
    pub(crate) fn openers(self) -> usize {
        match self {
            Self::Usual => cores(),
            Self::Low => 1,
        }
    }

    /// Bytes of packs fetched and not yet written; a single pack may be larger.
    pub(crate) fn fetched(self) -> u64 {
        match self {
            Self::Usual => 64 << 20,
            Self::Low => 1,
        }
    }

    /// Bytes of decoded frames kept, for who reads folders and single files.
    pub(crate) fn frames_kept(self) -> usize {
        match self {
            Self::Usual => 32 << 20,
            Self::Low => 4 << 20,
        }
    }

    /// Runs of steps on their way from the walk to the trees: enough to keep the readers busy past a large
    /// file.
    pub(crate) fn runs(self) -> usize {
        match self {
            Self::Usual => 16,
            Self::Low => 4,
        }
    }

    /// Bytes of buffers that large chunks leave to those after them.
    pub(crate) fn buffers(self) -> usize {
        match self {
            Self::Usual => 16 << 20,
            Self::Low => 0,
        }
    }

    /// Files and links that a restore collects before it fetches their packs. Two such windows are
    /// in memory, and packs at the border of two are fetched for both.
    pub(crate) fn planned(self) -> usize {
        match self {
            Self::Usual => 16 << 10,
            Self::Low => 4 << 10,
        }
    }

    /// Bytes of frames and packs that wait to be stored.
    pub(crate) fn packs(self) -> usize {
        match self {
            Self::Usual => (24 << 20) + cores() * (8 << 20),
            Self::Low => 10 << 20,
        }
    }
}

fn cores() -> usize {
    available_parallelism().map_or(2, NonZero::get)
}
