//! Development only: what tests of several crates share.
//!
//! - [`mod@conformance`]: the storage contract as tests, one for each of its sentences;
//! - [`Recording`]: counts and remembers what is asked of a storage;
//! - [`Faulty`]: fails or "crashes" at a chosen operation;
//! - [`Service`]: a small S3 service in memory; [`FaultyService`]: the same where everything goes wrong;
//! - [`proxy`]: a line with latency, a rate and blackouts;
//! - [`Lying`]: a hostile storage that flips, swaps, hides and replays;
//! - [`Dump`]: all bytes of a storage, to search, to fork and to roll back;
//! - [`tree`]: seeded trees of real files, and a comparer that shares no code with the program;
//! - [`servers`]: real servers on loopback, where they are installed;
//! - [`SeededRandom`]: numbers that are the same in every run.
//!
//! Helpers here panic when a test's own set-up is wrong: that is a failed test, which is their job.

pub mod conformance;
mod dump;
pub mod faults;
mod faulty;
mod lying;
pub mod proxy;
mod random;
mod recording;
mod run;
pub mod servers;
mod service;
pub mod tree;

pub use dump::{Changes, Dump};
pub use faults::{FaultyService, Listening};
pub use faulty::{Aftermath, Fault, Faulty, Moment, Step};
pub use lying::{Lie, Lying};
pub use random::SeededRandom;
pub use recording::{Call, Outcome, Recording};
pub use run::block_on;
pub use service::{Keeping, Service};
