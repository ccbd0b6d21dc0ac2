//! Development only: what tests of several crates share.
//!
//! - [`mod@conformance`]: the storage contract as tests, one for each of its sentences;
//! - [`Recording`]: counts and remembers what is asked of a storage;
//! - [`Faulty`]: fails or "crashes" at a chosen operation;
//! - [`Lying`]: a hostile storage that flips, swaps, hides and replays;
//! - [`Dump`]: all bytes of a storage, to search, to fork and to roll back;
//! - [`tree`]: seeded trees of real files, and a comparer that shares no code with the program;
//! - [`servers`]: real servers on loopback, where they are installed;
//! - [`SeededRandom`]: numbers that are the same in every run.
//!
//! Helpers here panic when a test's own set-up is wrong: that is a failed test, which is their job.

pub mod conformance;
mod dump;
mod faulty;
mod lying;
mod random;
mod recording;
mod run;
pub mod servers;
pub mod tree;

pub use dump::{Changes, Dump};
pub use faulty::{Aftermath, Fault, Faulty, Moment, Step};
pub use lying::{Lie, Lying};
pub use random::SeededRandom;
pub use recording::{Call, Outcome, Recording};
pub use run::block_on;
