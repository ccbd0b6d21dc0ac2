//! The repository format: plain values and their bytes (docs/format.md).
//!
//! Nothing here does I/O or knows a key. Decoders take [`Opened`](ownkey_crypto::Opened)
//! bytes only, return an error on anything that is not canonical, and never panic.

pub mod name;
pub mod node;
pub mod time;
