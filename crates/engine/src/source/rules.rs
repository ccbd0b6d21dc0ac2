//! Why something is left out, in words a person recognises as their own rule.

use std::fmt;
use std::path::PathBuf;

/// The rule that left something out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An exclude pattern, as it was written.
    Pattern {
        /// The pattern.
        pattern: String,
        /// The exclude file it stands in, if it was not given on its own.
        file: Option<PathBuf>,
    },
    /// The folder holds a tag file that says its contents are not worth keeping.
    Tagged(String),
    /// Larger than so many bytes.
    LargerThan(u64),
    /// Another file system is mounted there.
    OtherFileSystem,
    /// ownkey's own keys, state, cache or local repository; no option overrides this.
    Own(PathBuf),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern {
                pattern,
                file: None,
            } => write!(f, "the pattern {pattern:?}"),
            Self::Pattern {
                pattern,
                file: Some(file),
            } => {
                write!(f, "the pattern {pattern:?} in {}", file.display())
            }
            Self::Tagged(name) => write!(f, "the tag file {name:?} in the folder"),
            Self::LargerThan(bytes) => write!(f, "larger than {bytes} bytes"),
            Self::OtherFileSystem => f.write_str("on another file system"),
            Self::Own(path) => write!(f, "part of ownkey itself ({})", path.display()),
        }
    }
}

/// A rule that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Not a pattern of gitignore's grammar.
    #[error("{pattern:?} is not a pattern: {reason}")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tag file is named by one component.
    #[error("{0:?} cannot be the name of a tag file")]
    TagName(String),
    /// Together the patterns are too much for the matcher.
    #[error("the exclude patterns cannot be used together: {0}")]
    Patterns(String),
}
