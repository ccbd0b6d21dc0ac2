//! What happens to what is already there.

use super::dir::Replace;
use super::marker::Trust;
use crate::format::node::{Node, NodeKind};
use crate::source::{Kind, Stat};

/// The user's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Everything is written again.
    Always,
    /// Files of the same size and time are believed to be the same; their metadata is set.
    IfChanged,
    /// Only what is older than the snapshot's version is replaced.
    IfNewer,
    /// What exists stays, with its metadata.
    Never,
}

/// What to do about one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make it, in place of what may be there.
    Write,
    /// Its content is right; set its metadata.
    Keep,
    /// Size and time are right but may be those of an interrupted restore: compare the
    /// content, then keep or write.
    Compare,
    /// Leave it alone.
    Skip,
}

impl Overwrite {
    /// Decides about `node` where `existing` is already there. Directories merge.
    ///
    /// A file with several names is written anew even if it looks right: its other names may
    /// lie outside the target, and setting its metadata would change those too.
    pub fn decide(self, existing: Option<&Stat>, node: &Node, trust: Trust) -> Decision {
        let Some(existing) = existing else {
            return Decision::Write;
        };
        let both_directories =
            existing.kind == Kind::Directory && matches!(node.kind, NodeKind::Directory { .. });
        match self {
            Self::Never => Decision::Skip,
            _ if both_directories => Decision::Keep,
            Self::Always => Decision::Write,
            Self::IfNewer if node.metadata.mtime > existing.mtime => Decision::Write,
            Self::IfNewer => Decision::Skip,
            Self::IfChanged => match &node.kind {
                NodeKind::File { size, .. }
                    if existing.kind == Kind::File
                        && existing.size == *size
                        && existing.mtime == node.metadata.mtime
                        && existing.nlink == 1 =>
                {
                    match trust {
                        Trust::SizeAndTime => Decision::Keep,
                        Trust::ContentOnly => Decision::Compare,
                    }
                }
                _ => Decision::Write,
            },
        }
    }

    /// Whether making something may replace what appeared after the decision.
    pub fn replace(self) -> Replace {
        match self {
            Self::Never => Replace::Never,
            Self::Always | Self::IfChanged | Self::IfNewer => Replace::Allowed,
        }
    }
}
