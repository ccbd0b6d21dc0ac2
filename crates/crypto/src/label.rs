//! What a sealed object is and where it belongs (docs/format.md §5).
//!
//! It promises that every class and every place has one spelling, and that both go into the object's key: an object
//! under another label does not open.

use crate::ids::{Epoch, RepoId};

/// What a sealed object is (docs/format.md §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// An entry of the roster.
    Roster = 1,
    /// An entry of a device's log.
    Log = 2,
    /// An index segment.
    Segment = 3,
    /// A grant of keys to one identity.
    Grant = 4,
    /// A pack of file chunks.
    DataPack = 5,
    /// A pack of tree chunks.
    MetaPack = 6,
    /// The sealed body of a log entry.
    Body = 7,
    /// The key of the epoch before.
    History = 8,
    /// The folded state of a log.
    Fold = 9,
    /// A machine's wish to be enrolled.
    Request = 10,
    /// A recovery contact's share.
    Share = 11,
}

impl Class {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Roster,
            2 => Self::Log,
            3 => Self::Segment,
            4 => Self::Grant,
            5 => Self::DataPack,
            6 => Self::MetaPack,
            7 => Self::Body,
            8 => Self::History,
            9 => Self::Fold,
            10 => Self::Request,
            11 => Self::Share,
            _ => return None,
        })
    }

    pub(crate) fn is_pack(self) -> bool {
        matches!(self, Self::DataPack | Self::MetaPack)
    }
}

/// What an object is and where it belongs: all of it goes into its key.
#[derive(Clone, Copy)]
pub(crate) struct Label<'a> {
    pub(crate) class: Class,
    pub(crate) repo: RepoId,
    pub(crate) epoch: Epoch,
    /// The logical name, or empty for what is named by its hash.
    pub(crate) name: &'a str,
}
