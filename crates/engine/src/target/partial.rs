//! Names of what is not whole yet.
//!
//! Everything is made as `.ownkey-….partial` beside its place and renamed when it is whole.
//! A crash leaves only such names, and the next restore removes them.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};

use super::dir::TargetDir;
use crate::format::name::Name;
use crate::source::Kind;

/// Gives out names nobody else uses.
#[derive(Debug)]
pub struct Partials {
    session: u128,
    next: AtomicU64,
}

const PREFIX: &str = ".ownkey-";
const SUFFIX: &str = ".partial";
/// Hex digits of the session and of the number.
const DIGITS: usize = 32 + 16;

impl Partials {
    /// Names of one restore; `session` is random, so that two restores into one folder do not
    /// meet. Guessing it gains nothing: what exists is never opened, only another name taken.
    pub fn new(session: [u8; 16]) -> Self {
        Self {
            session: u128::from_le_bytes(session),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> Option<Name> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{PREFIX}{:032x}{number:016x}{SUFFIX}", self.session);
        Name::new(text.as_bytes()).ok()
    }

    /// Whether `name` is one that some restore gives out.
    pub fn owns(name: &Name) -> bool {
        name.as_bytes()
            .strip_prefix(PREFIX.as_bytes())
            .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
            .is_some_and(|digits| {
                digits.len() == DIGITS
                    && digits
                        .iter()
                        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            })
    }

    /// Removes what a crashed restore left in `dir`; returns how many. Files that a restore
    /// still running writes are locked and stay.
    pub fn sweep(dir: &TargetDir) -> u64 {
        let leftovers = dir.dir().list().names;
        let removed = leftovers
            .iter()
            .filter(|name| Self::owns(name) && is_abandoned(dir, name))
            .filter(|name| unlinkat(dir.dir(), name.as_os_str(), AtFlags::empty()).is_ok());
        removed.count() as u64
    }
}

fn is_abandoned(dir: &TargetDir, name: &Name) -> bool {
    match dir.dir().stat(name).map(|stat| stat.kind) {
        Ok(Kind::File) => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match openat(dir.dir(), name.as_os_str(), flags, Mode::empty()) {
                Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok(),
                // It cannot be asked, for example as mode 0: leave it rather than guess.
                Err(_) => false,
            }
        }
        Ok(Kind::Directory) | Err(_) => false,
        // Links and special files are renamed in the same moment they are made.
        Ok(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_are_recognised() {
        let partials = Partials::new([0xab; 16]);
        let (one, two) = (partials.next().unwrap(), partials.next().unwrap());
        assert_ne!(one, two);
        assert!(Partials::owns(&one) && Partials::owns(&two));
        for other in [
            ".ownkey-.partial",
            ".ownkey-0.partial",
            "x.partial",
            ".ownkey-restore.marker",
        ] {
            assert!(
                !Partials::owns(&Name::new(other.as_bytes()).unwrap()),
                "{other}"
            );
        }
    }
}
