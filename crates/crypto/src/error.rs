//! Why something could not be sealed or opened.
//!
//! Small, `Copy` and comparable, without strings and sources: an error names what was refused and carries nothing that was
//! read. A wrong name shows as [`OpenError::WrongKey`], because names are mixed into the key (docs/format.md §5).

use crate::random::RandomFailed;

/// Why sealed bytes were refused, in the order of the checks of docs/format.md §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than its header and tags say.
    #[error("the object is too short")]
    TooShort,
    /// Longer than any object may be (docs/format.md §14).
    #[error("the object is longer than any object may be")]
    TooLong,
    /// It does not begin with the magic.
    #[error("this is not an object made by ownkey")]
    NotOwnkey,
    /// Made by a newer version, or changed.
    #[error("unsupported {0}: this object needs a newer ownkey, or it was changed")]
    Unsupported(Unsupported),
    /// An object of another class stands in its place.
    #[error("the object is of another class than its place asks for")]
    WrongClass,
    /// An object of another repository.
    #[error("the object belongs to another repository")]
    WrongRepository,
    /// An object of another epoch than the keys.
    #[error("the object belongs to another epoch")]
    WrongEpoch,
    /// The key commitment differs: another key, another name, or a changed header.
    #[error("the object was not sealed with this key under this name")]
    WrongKey,
    /// A tag or a signature does not verify: the bytes were changed.
    #[error("the object was changed after it was sealed")]
    NotAuthentic,
    /// The signer is not one that may sign this.
    #[error("the object is signed by nobody who may sign it")]
    UnknownSigner,
    /// It opened, and what it holds breaks the format: its author is at fault.
    #[error("the object opens but breaks the format")]
    Malformed,
}

/// What a reader of this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// The format version.
    Version,
    /// The object class.
    Class,
    /// The kind of wrap, or one this class never has.
    Wrap,
    /// A reserved byte that is not zero.
    Reserved,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Version => "version",
            Self::Class => "class",
            Self::Wrap => "wrap",
            Self::Reserved => "reserved bits",
        })
    }
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No randomness, so no salt and no key.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// More than docs/format.md §14 allows.
    #[error("too long to be sealed as one object")]
    TooLong,
    /// A frame whose lengths do not agree, or a pack without frames.
    #[error("a frame's lengths do not agree")]
    BadFrame,
    /// The recipient's key gave no shared secret.
    #[error("the recipient's public key cannot be used")]
    BadRecipient,
}

/// Why a slot did not give its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// The bytes are not those that were written: length, name, reserved fields or the sealed payload.
    #[error("the key slot is damaged")]
    Damaged,
    /// A version or kind that this reader does not know.
    #[error("the key slot needs a newer ownkey")]
    Unsupported,
    /// A slot of another repository.
    #[error("the key slot belongs to another repository")]
    WrongRepository,
    /// Not the credential this slot was made with.
    #[error("wrong credential for this key slot")]
    WrongCredential,
    /// Another kind of credential opens this slot.
    #[error("this key slot takes another kind of credential")]
    OtherKind,
    /// The password cost is outside floor and cap (docs/format.md §7).
    #[error("the password cost is outside the allowed bounds")]
    CostOutOfBounds,
    /// The memory that the password cost asks for is not there.
    #[error("not enough memory for the password cost of this key slot")]
    OutOfMemory,
    /// The label is longer than 255 bytes.
    #[error("a label is at most 255 bytes")]
    LabelTooLong,
    /// No randomness, so no slot.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// Why shares give no secret. Shares are counted from 1, in the order in which they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// A threshold below 2 or above the number of contacts, or more than 16 contacts.
    #[error("of 2 to 16 contacts at least 2 must be needed, and no more than there are")]
    Numbers,
    /// Not enough of them.
    #[error("{have} of the {need} contacts that are needed have helped so far")]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// It is not what was given out.
    #[error("answer {number} is not the share that was given to that contact")]
    Wrong {
        /// Which one.
        number: usize,
    },
    /// The same contact's again.
    #[error("answer {number} is of a contact who has answered already")]
    Twice {
        /// Which one.
        number: usize,
    },
    /// A share of another sharing out than the first one.
    #[error(
        "answer {number} belongs to another set of contacts than the first: one of them is old, or of another repository"
    )]
    OtherSet {
        /// Which one.
        number: usize,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

impl ShareError {
    /// Whether more shares of the same set would do.
    #[must_use]
    pub fn is_too_few(self) -> bool {
        matches!(self, Self::TooFew { .. })
    }
}

/// Why typed characters are not a recovery key, a kit secret or a code. Positions count typed symbols from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryKeyError {
    /// Another number of symbols.
    #[error("expected {wanted} characters, found {found}")]
    Length {
        /// How many it should be.
        wanted: usize,
        /// How many were typed, spaces and hyphens left out.
        found: usize,
    },
    /// A character that is in no key, and not the only mistake.
    #[error("character {} cannot be part of it", .position.saturating_add(1))]
    Symbol {
        /// Which one.
        position: usize,
    },
    /// More than one character is wrong.
    #[error("more than one character is wrong; compare it with the original again")]
    TooManyMistakes,
}
