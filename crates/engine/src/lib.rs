//! Snapshots in, snapshots out: format, log, index, backup, restore, check.
//!
//! The engine is threads and bounded channels over an async storage; `io` is the only
//! place where the two meet. It never prints, reads no environment and has no clock.

pub mod format;
pub mod monitor;
pub mod source;
pub mod target;
