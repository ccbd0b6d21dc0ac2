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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::name::Name;
    use crate::format::node::{Metadata, Stream};
    use crate::format::time::Timestamp;
    use crate::source::Dir;

    const THEN: Timestamp = Timestamp {
        seconds: 1_000,
        nanoseconds: 5,
    };

    fn node(kind: NodeKind) -> Node {
        let metadata = Metadata {
            mtime: THEN,
            ..Metadata::default()
        };
        Node {
            name: Name::new(b"n").unwrap(),
            metadata,
            kind,
        }
    }

    fn file() -> Node {
        node(NodeKind::File {
            size: 7,
            content: Stream::default(),
            extents: None,
        })
    }

    fn existing(kind: Kind) -> Stat {
        let temp = tempfile::tempdir().unwrap();
        let stat = Dir::open_root(temp.path()).unwrap().stat_self().unwrap();
        Stat {
            kind,
            size: 7,
            mtime: THEN,
            nlink: 1,
            ..stat
        }
    }

    fn decide(policy: Overwrite, existing: &Stat) -> Decision {
        policy.decide(Some(existing), &file(), Trust::SizeAndTime)
    }

    #[test]
    fn what_does_not_exist_is_written_under_every_policy() {
        for policy in [
            Overwrite::Always,
            Overwrite::IfChanged,
            Overwrite::IfNewer,
            Overwrite::Never,
        ] {
            assert_eq!(
                policy.decide(None, &file(), Trust::SizeAndTime),
                Decision::Write
            );
        }
    }

    #[test]
    fn only_a_file_of_the_same_size_and_time_with_one_name_is_kept() {
        let same = existing(Kind::File);
        assert_eq!(decide(Overwrite::IfChanged, &same), Decision::Keep);
        let later = Timestamp {
            seconds: 1_000,
            nanoseconds: 6,
        };
        let others = [
            Stat { size: 8, ..same },
            Stat {
                mtime: later,
                ..same
            },
            Stat { nlink: 2, ..same },
            Stat {
                kind: Kind::Symlink,
                ..same
            },
            Stat {
                kind: Kind::Directory,
                ..same
            },
        ];
        for other in others {
            assert_eq!(
                decide(Overwrite::IfChanged, &other),
                Decision::Write,
                "{other:?}"
            );
        }
        let doubted = Overwrite::IfChanged.decide(Some(&same), &file(), Trust::ContentOnly);
        assert_eq!(doubted, Decision::Compare);
        assert_eq!(decide(Overwrite::Always, &same), Decision::Write);
    }

    #[test]
    fn only_what_is_older_is_replaced_by_something_newer() {
        let same = existing(Kind::File);
        let at = |seconds| Stat {
            mtime: Timestamp {
                seconds,
                nanoseconds: 5,
            },
            ..same
        };
        assert_eq!(decide(Overwrite::IfNewer, &at(999)), Decision::Write);
        assert_eq!(decide(Overwrite::IfNewer, &at(1_000)), Decision::Skip);
        assert_eq!(decide(Overwrite::IfNewer, &at(1_001)), Decision::Skip);
    }

    #[test]
    fn folders_merge_and_never_means_never() {
        let folder = node(NodeKind::Directory {
            content: Stream::default(),
        });
        let there = existing(Kind::Directory);
        for policy in [Overwrite::Always, Overwrite::IfChanged, Overwrite::IfNewer] {
            assert_eq!(
                policy.decide(Some(&there), &folder, Trust::SizeAndTime),
                Decision::Keep
            );
            assert_eq!(policy.replace(), Replace::Allowed);
        }
        assert_eq!(
            Overwrite::Never.decide(Some(&there), &folder, Trust::SizeAndTime),
            Decision::Skip
        );
        assert_eq!(
            decide(Overwrite::Never, &existing(Kind::Symlink)),
            Decision::Skip
        );
        assert_eq!(Overwrite::Never.replace(), Replace::Never);
    }
}
