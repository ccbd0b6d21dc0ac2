//! Makes a tree deletable again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::facts::open;

/// Gives the owner all rights to every folder, and takes the flags away that forbid changes, as far
/// as this user may. Whoever is not root calls it before deleting a tree with read-only folders.
pub fn unlock(folder: &Path) {
    release(folder);
    // A folder that stays closed shows when it is deleted.
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => unlock(&entry.path()),
            Ok(kind) if kind.is_file() => release(&entry.path()),
            _ => {}
        }
    }
}

fn release(path: &Path) {
    if let Ok(file) = open(path)
        && let Ok(flags) = ioctl_getflags(&file)
    {
        let fixed = IFlags::IMMUTABLE | IFlags::APPEND;
        if flags.intersects(fixed) {
            let _ = ioctl_setflags(&file, flags - fixed);
        }
    }
}
