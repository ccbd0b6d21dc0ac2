//! What went wrong with one path while the rest went on.

use std::path::PathBuf;

/// Something that went wrong with one path while the verb went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path concerned, as the user would name it.
    pub path: PathBuf,
    /// What could not be done, and why.
    pub message: String,
}
