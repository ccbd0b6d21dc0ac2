//! A sign in the target that a restore is not finished.
//!
//! Files get their names before their bytes are on the disk: waiting for each would make a
//! restore many times slower. After a power cut a file may so have its size and its time and
//! zeros inside. One `syncfs` at the end makes everything durable, and only then does the
//! sign go; where it is found, size and time prove nothing.

use rustix::fs::{self, AtFlags, Mode, OFlags};

use super::dir::TargetDir;
use crate::format::name::Name;

/// Whether size and time prove the content of what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// They do: the last restore into this target, if any, was finished.
    SizeAndTime,
    /// They do not: a restore into this target was interrupted, or nobody could tell.
    ContentOnly,
}

/// A restore that has begun.
#[derive(Debug)]
pub struct Marker {
    root: TargetDir,
    trust: Trust,
}

const NAME: &str = ".ownkey-restore.marker";

impl Marker {
    /// Puts up the sign, durable before anything else is written.
    pub fn begin(root: &TargetDir) -> Self {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let trust = match fs::openat(root, NAME, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) if fs::fsync(&file).and_then(|()| fs::fsync(root)).is_ok() => {
                Trust::SizeAndTime
            }
            // It is there already, or cannot be put up: a restore before this one may have
            // been interrupted without leaving a sign.
            Ok(_) | Err(_) => Trust::ContentOnly,
        };
        Self {
            root: root.clone(),
            trust,
        }
    }

    /// What is known about a restore before this one.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Takes the sign down; the caller has made everything durable.
    pub fn finish(self) {
        // If this is refused or lost, the next restore compares more than it has to.
        let _ = fs::unlinkat(&self.root, NAME, AtFlags::empty());
        let _ = fs::fsync(&self.root);
    }

    /// Whether `name` is the sign of some restore.
    pub fn owns(name: &Name) -> bool {
        name.as_bytes() == NAME.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_time_are_trusted_only_after_a_restore_that_was_finished() {
        let temp = tempfile::tempdir().unwrap();
        let root = TargetDir::open_root(temp.path()).unwrap();
        let first = Marker::begin(&root);
        assert_eq!(first.trust(), Trust::SizeAndTime);
        first.finish();
        let second = Marker::begin(&root);
        assert_eq!(second.trust(), Trust::SizeAndTime);
        // Interrupted: nobody takes the sign down.
        drop(second);
        let third = Marker::begin(&root);
        assert_eq!(third.trust(), Trust::ContentOnly);
        third.finish();
        assert_eq!(Marker::begin(&root).trust(), Trust::SizeAndTime);
    }
}
