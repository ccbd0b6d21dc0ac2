//! Trees of real files: made from a seed, and compared by code that the program does not share.
//!
//! [`generate`] writes the same tree for the same seed and [`Spec`]; what this machine cannot hold
//! (devices without root, ACLs on a file system without them) is left out and said in
//! [`Made::skipped`]. [`compare`] reports everything in which two trees differ, and nothing else is
//! what "restored byte for byte, metadata included" means in tests.

mod compare;
mod content;
mod facts;
mod generate;
mod ingredients;
mod links;
mod metadata;
mod names;
mod spec;
mod unlock;

pub use compare::{Aspect, Difference, HOLE_TOLERANCE, compare};
pub use generate::generate;
pub use names::hostile_names;
pub use spec::{Ingredient, Made, Skipped, Spec};
pub use unlock::unlock;
