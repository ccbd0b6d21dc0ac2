//! `SNAPSHOT[:PATH]` as the user writes it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use ownkey_engine::Error;
use ownkey_engine::repository::{Repository, Snapshot};

use crate::clock;
use crate::failure::Failure;
use crate::keys::ObjectHash;

/// A snapshot, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    /// `latest`, `latest~N`, or the beginning of an id.
    pub(crate) snapshot: String,
    /// The absolute path in it.
    pub(crate) path: Option<PathBuf>,
}

/// How many snapshots are suggested where none fits.
const SUGGESTED: usize = 5;

impl Spec {
    /// Reads it; for clap. Snapshot names hold no colon, so the first one ends the name.
    pub(crate) fn read(written: &OsStr) -> Result<Self, Failure> {
        let bytes = written.as_bytes();
        let (name, path) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], bytes.get(colon + 1..)),
            None => (bytes, None),
        };
        let snapshot = String::from_utf8_lossy(name).into_owned();
        if snapshot.is_empty() {
            return Err(Failure::usage("which snapshot?")
                .hint("write latest, latest~1, or the beginning of an id"));
        }
        let path = path.filter(|path| !path.is_empty()).map(|path| {
            // What was backed up has absolute paths; a missing slash is forgiven.
            PathBuf::from("/").join(OsString::from_vec(path.to_vec()))
        });
        Ok(Self { snapshot, path })
    }

    /// Finds the snapshot; suggests others if there is none of that name.
    pub(crate) fn find(&self, repository: &Repository) -> Result<Snapshot, Failure> {
        repository.find_snapshot(&self.snapshot).map_err(|error| {
            let is_unknown = matches!(error, Error::NoSnapshot(_));
            let failure = Failure::from(error);
            if is_unknown {
                failure.hint(suggestion(&repository.snapshots()))
            } else {
                failure
            }
        })
    }

    /// The path in the snapshot.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// As people call a snapshot.
pub(crate) fn short_id(id: &ObjectHash) -> String {
    id.to_string().chars().take(8).collect()
}

fn suggestion(snapshots: &[Snapshot]) -> String {
    if snapshots.is_empty() {
        return "there are no snapshots in this repository yet; make one with: ownkey backup PATH…"
            .to_owned();
    }
    let newest: Vec<String> = snapshots
        .iter()
        .rev()
        .take(SUGGESTED)
        .map(|snapshot| {
            let started = snapshot.record.started;
            let time = clock::local(started.seconds, started.nanoseconds);
            format!(
                "{} ({time}, {})",
                short_id(&snapshot.id),
                snapshot.record.host
            )
        })
        .collect();
    format!("the newest are: {}", newest.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> (String, Option<PathBuf>) {
        let spec = Spec::read(OsStr::new(written)).expect("a spec");
        (spec.snapshot, spec.path)
    }

    #[test]
    fn a_snapshot_may_be_followed_by_a_path() {
        assert_eq!(read("latest"), ("latest".to_owned(), None));
        assert_eq!(read("latest:"), ("latest".to_owned(), None));
        assert_eq!(
            read("1a2b:/home/ann"),
            ("1a2b".to_owned(), Some("/home/ann".into()))
        );
        assert_eq!(
            read("latest~2:etc"),
            ("latest~2".to_owned(), Some("/etc".into()))
        );
        assert_eq!(
            read("latest:/odd:name"),
            ("latest".to_owned(), Some("/odd:name".into()))
        );
        assert!(Spec::read(OsStr::new(":/etc")).is_err());
    }
}
