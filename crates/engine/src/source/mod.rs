//! Reading the file systems that are backed up.
//!
//! Everything is relative to open directory handles and follows no symbolic link, except
//! where the user's own argument names one. One `statx` an entry, no path looked up twice.
//! What cannot be read is reported by the walk and the rest goes on; only what vanished
//! between the listing and the `statx` is passed over in silence. Linux only.

mod descent;
mod dir;
mod error;
mod event;
mod excludes;
mod extents;
mod file;
mod flags;
mod metadata;
mod owners;
pub mod presets;
mod rules;
mod selection;
mod stat;
#[cfg(test)]
pub(crate) mod unprivileged;
mod walk;
mod xattr;

pub(crate) use descent::Descent;
pub use dir::{Dir, Listing};
pub use error::SourceError;
pub use event::{Entry, Event, Mounts, WalkOptions};
pub use excludes::{Case, Excludes, ExcludesBuilder, Scope};
pub use file::File;
pub(crate) use file::read_at;
pub use flags::{KEPT_FLAGS, LATE_FLAGS};
pub(crate) use flags::{LAYOUT_FLAGS, read as read_flags, write as write_flags};
pub use metadata::{Gathered, MetadataReader};
pub use owners::OwnerNames;
pub use rules::{InvalidRule, Rule};
pub use selection::{InvalidPath, Selection};
pub use stat::{FileId, Fingerprint, Kind, Stat};
pub use walk::Walk;
pub(crate) use xattr::Attributed;
