//! Snapshots in, snapshots out: format, log, index, backup, restore, check.
//!
//! The engine is threads and bounded channels over an async storage; `io` is the only
//! place where the two meet. It never prints, reads no environment and has no clock.

pub mod access;
pub mod backup;
mod buffers;
pub mod check;
mod chunks;
mod compress;
pub mod copy;
mod damage;
pub mod diff;
pub mod dump;
pub mod environment;
mod error;
mod evidence;
pub mod find;
pub mod fingerprint;
pub mod forget;
pub mod format;
mod guard;
mod healing;
pub mod index;
mod io;
mod keyring;
pub mod keys;
pub mod list;
mod lock;
mod log;
mod log_state;
pub mod memory;
pub mod mirror;
pub mod monitor;
mod own_segments;
mod packer;
mod parallel;
mod parity;
mod problem;
pub mod provider_view;
pub mod prune;
mod ranges;
pub mod repair;
pub mod repository;
pub mod restore;
mod retention;
mod roster;
pub mod silence;
pub mod source;
mod state;
pub mod stats;
pub mod target;
pub mod tree;
pub mod unforget;
mod unpack;
pub mod witness;

pub use compress::{Compression, FrameCompressor};
pub use error::{Class, Error, Lie, Result};
pub use index::Index;
pub use log_state::Condemned;
pub use parity::Parity;
pub use roster::news::{abilities, sentence};
pub use roster::strangers::about_strangers;
pub use roster::{Member, Roster};
