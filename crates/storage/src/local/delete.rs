//! Deletion in batches.
//!
//! Promise: what is reported as gone stays gone after a loss of power, for one flush a folder. The
//! folders themselves stay: removing one could pull it from under a creation next door.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;

use super::fault::Fault;
use super::root::Root;
use crate::name::{ObjectName, Prefix};

/// Deletes objects; the results stand in the order of the names.
pub(super) fn batch(root: &Root, names: &[ObjectName]) -> Vec<Result<(), Fault>> {
    let mut folders: BTreeMap<Prefix, Result<OwnedFd, Fault>> = BTreeMap::new();
    let removed: Vec<Result<(), Fault>> = names
        .iter()
        .map(|name| {
            let folder = folders
                .entry(name.folder())
                .or_insert_with(|| root.open_folder(name));
            match folder {
                Ok(folder) => remove(folder, name.last_segment()),
                Err(fault) => Err(*fault),
            }
        })
        .collect();
    let flushed: BTreeMap<Prefix, Result<(), Fault>> = folders
        .into_iter()
        .map(|(prefix, folder)| {
            let flushed = folder.and_then(|folder| root.flush_folder(folder.as_fd()));
            (prefix, flushed)
        })
        .collect();
    names
        .iter()
        .zip(removed)
        .map(|(name, removed)| {
            let flushed = flushed.get(&name.folder()).copied().unwrap_or(Ok(()));
            match removed.and(flushed) {
                Err(Fault::Absent) => Ok(()),
                outcome => outcome,
            }
        })
        .collect()
}

/// Removes a regular file; what is none was never an object, so the object is absent.
fn remove(folder: &OwnedFd, last: &str) -> Result<(), Fault> {
    match statat(folder, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    match unlinkat(folder, last, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
