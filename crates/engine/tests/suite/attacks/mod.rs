//! What a hostile storage, a stolen device or a compromised one may try, and how it fails.
//!
//! Each test names the error that must come, that no wrong byte reached the target, and that what
//! the machine remembers is unchanged; docs/testing.md lists which attack is tested where.

pub(crate) mod cbor;
pub(crate) mod forger;
pub(crate) mod objects;
pub(crate) mod records;
pub(crate) mod scene;

mod devices;
mod forgeries;
mod fork;
mod keys;
mod memory;
mod packs;
mod planted;
mod removed;
mod rollback;
mod trees;
mod write_only;
