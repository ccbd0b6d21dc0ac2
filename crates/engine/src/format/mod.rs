//! The repository format: plain values and their bytes (docs/format.md).
//!
//! Nothing here does I/O or knows a key. Decoders take [`Opened`](ownkey_crypto::Opened)
//! bytes only, return an error on anything that is not canonical, and never panic.

pub(crate) mod cbor;
pub mod entry;
pub mod header;
pub mod layout;
pub mod name;
pub mod node;
mod position;
pub mod record;
pub mod roster;
pub mod segment;
pub mod stream;
pub mod time;
pub mod tree;

/// Authenticated bytes that are not what the format says: made by another version, or by a
/// writer that holds keys and breaks the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not the structure the format gives.
    #[error("the {what} is malformed")]
    Malformed {
        /// Which record.
        what: &'static str,
    },
    /// More than the format allows (docs/format.md §14).
    #[error("the {what} is larger than the format allows")]
    TooLarge {
        /// Which record.
        what: &'static str,
    },
    /// The same value has another, canonical encoding.
    #[error("the {what} is not in canonical form")]
    NotCanonical {
        /// Which record.
        what: &'static str,
    },
    /// A field this version does not know.
    #[error("the {what} has a field this version does not know; use a newer ownkey")]
    UnknownField {
        /// Which record.
        what: &'static str,
    },
    /// A kind this version does not know and must understand.
    #[error("a {what} is of a kind ({kind}) this version does not know; use a newer ownkey")]
    UnknownKind {
        /// Which record.
        what: &'static str,
        /// The number found.
        kind: u64,
    },
    /// A name that could leave its directory.
    #[error(transparent)]
    Name(#[from] name::InvalidName),
    /// Names of a directory that are not ascending and unique.
    #[error("a directory's names are not ascending and unique")]
    NamesOutOfOrder,
}
