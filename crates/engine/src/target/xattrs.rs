//! Making the extended attributes of an inode those that were recorded.

use std::ffi::CString;

use rustix::io::Errno;

use super::error::MetadataProblem;
use super::inode::Inode;
use super::shortfalls::{Shortfall, Shortfalls};
use crate::format::node::Xattr;

/// When an attribute has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// `user.` attributes need a writable file.
    BeforeMode,
    /// ACLs follow the mode; capabilities and labels follow the owner.
    AfterMode,
}

impl Turn {
    fn of(name: &[u8]) -> Self {
        if name.starts_with(b"user.") {
            Self::BeforeMode
        } else {
            Self::AfterMode
        }
    }
}

/// The attributes that are there already.
pub(crate) fn present(inode: Inode<'_>, problems: &mut Vec<MetadataProblem>) -> Vec<CString> {
    match inode.attributed().names() {
        Ok(names) => names,
        Err(errno) => {
            // Links and special files without /proc: what was made anew has none.
            if inode.open().is_some() {
                problems.push(MetadataProblem::ListXattrs(errno.into()));
            }
            Vec::new()
        }
    }
}

/// Sets the `wanted` attributes of this turn and removes those that are there and not wanted.
pub(crate) fn apply(
    inode: Inode<'_>,
    wanted: &[Xattr],
    (turn, present): (Turn, &[CString]),
    shortfalls: &Shortfalls,
) -> Vec<MetadataProblem> {
    let mut problems = Vec::new();
    let attributed = inode.attributed();
    for xattr in wanted.iter().filter(|xattr| Turn::of(&xattr.name) == turn) {
        match attributed.set(&xattr.name, &xattr.value) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::ACCESS) if !xattr.name.starts_with(b"user.") => {
                shortfalls.add(Shortfall::PrivilegedXattr);
            }
            Err(Errno::NOTSUP) => shortfalls.add(Shortfall::UnsupportedXattr),
            Err(errno) => problems.push(problem(&xattr.name, errno)),
        }
    }
    let extra = present.iter().filter(|name| {
        Turn::of(name.as_bytes()) == turn
            && is_removable(name)
            && wanted.iter().all(|xattr| xattr.name != name.as_bytes())
    });
    for name in extra {
        match attributed.remove(name) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(errno) => problems.push(problem(name.as_bytes(), errno)),
        }
    }
    problems
}

/// Attributes that say what the owner wants. Security labels and what else the system keeps
/// on its files are its own business.
fn is_removable(name: &CString) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"user.")
        || name.starts_with(b"system.posix_acl_")
        || name == b"security.capability"
}

fn problem(name: &[u8], errno: Errno) -> MetadataProblem {
    MetadataProblem::Xattr {
        name: String::from_utf8_lossy(name).into_owned(),
        source: errno.into(),
    }
}
