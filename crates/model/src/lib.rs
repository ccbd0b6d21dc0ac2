//! Development only: the look rule ("write, then look") as an exhaustively checked model.
//!
//! The rule is stated in `docs/design.md` and argued in `docs/adr/0007-look-rule.md`. This crate walks every
//! interleaving of a few writers, pruners, and an admin over one storage, and checks that no confirmed
//! snapshot ever loses a chunk. Read it in this order: [`world`] (what exists), [`view`] (what one device has
//! read of it), [`verdict`] (what a pruner may delete), [`writer`], [`pruner`], [`plans`], [`admin`] (who does what, one
//! atomic storage operation a step), [`checks`] (what must hold), [`config`] (how large, which features,
//! which deliberate mistake). Only tests use it; nothing here is shipped.

pub mod admin;
pub mod checks;
pub mod config;
pub mod houses;
pub mod larger_houses;
pub mod model;
pub mod plans;
pub mod pruner;
pub mod reading;
pub mod verdict;
pub mod view;
pub mod world;
pub mod writer;

pub use config::{Config, Mistake};
pub use model::LookRule;
