//! Writing restored trees.
//!
//! Nothing is ever created, changed or removed outside the target, whatever a snapshot says
//! and whoever else writes in the target meanwhile: every step is one name relative to a held
//! directory, links are never followed, and what is changed is held by a handle first. Files
//! appear under their name only when they are whole. Linux only.

mod dir;
mod error;
mod file;
mod inode;
mod marker;
mod metadata;
mod overwrite;
mod partial;
mod remove;
mod shortfalls;
mod special;
mod tree;
mod xattrs;

pub use dir::{Made, Replace, TargetDir};
pub use error::{MetadataProblem, TargetError};
pub use file::{PendingFile, Restored};
pub use marker::{Marker, Trust};
pub use metadata::{Applier, Owners, SetIds};
pub use overwrite::{Decision, Overwrite};
pub use partial::Partials;
pub use remove::{Removed, remove_entry, remove_extra};
pub use shortfalls::{ShortfallCounts, Shortfalls};
pub use special::LinkSource;
pub use tree::TargetTree;
