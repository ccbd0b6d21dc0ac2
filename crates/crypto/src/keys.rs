//! The three random keys of a repository (docs/format.md §4).
//!
//! They exist only to be granted, to seal history, and to grow the working keys of [`crate::ReaderKeys`],
//! [`crate::LogKeys`] and [`crate::NameKeys`]. There is no way to read their bytes from outside this crate.

use crate::random::{Random, RandomFailed};
use crate::secret::Secret;

macro_rules! root_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(pub(crate) Secret);

        impl $name {
            /// A new one.
            ///
            /// # Errors
            /// [`RandomFailed`].
            pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
                Secret::random(random).map(Self)
            }
        }
    };
}

root_key! {
    /// RK_e: reads the data of epoch e, and through the history that of all epochs before.
    ReadKey
}
root_key! {
    /// LK_e: opens the envelopes of the log and the roster of epoch e.
    LogKey
}
root_key! {
    /// DK: ids, boundaries and pseudonyms; survives epochs.
    DedupKey
}
