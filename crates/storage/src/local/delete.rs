//! Deletion in batches.
//!
//! Promise: what is reported as gone stays gone after a loss of power, for one flush a folder. The
//! folders themselves stay: removing one could pull it from under a creation next door.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;

use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;

use super::fault::Fault;
use super::root::Root;
use crate::name::{ObjectName, Prefix};

/// Folders in which something is removed at a time: removing a large file takes the kernel milliseconds of one core.
const AT_A_TIME: usize = 4;

/// Deletes objects; the results stand in the order of the names.
pub(super) fn batch(root: &Root, names: &[ObjectName]) -> Vec<Result<(), Fault>> {
    let mut folders: BTreeMap<Prefix, Vec<usize>> = BTreeMap::new();
    for (nth, name) in names.iter().enumerate() {
        folders.entry(name.folder()).or_default().push(nth);
    }
    let folders: Vec<Vec<usize>> = folders.into_values().collect();
    let share = folders.len().div_ceil(AT_A_TIME).max(1);
    let mut results = vec![Err(Fault::Stopped); names.len()];
    thread::scope(|scope| {
        let remove_from = |folders: &[Vec<usize>]| {
            let removed = folders.iter().flat_map(|folder| {
                let here: Vec<&ObjectName> =
                    folder.iter().filter_map(|nth| names.get(*nth)).collect();
                folder.iter().copied().zip(within_a_folder(root, &here))
            });
            removed.collect::<Vec<_>>()
        };
        let mut shares = folders.chunks(share);
        let own = shares.next().unwrap_or_default();
        let workers: Vec<_> = shares
            .map(|share| scope.spawn(move || remove_from(share)))
            .collect();
        let mut removed = remove_from(own);
        for worker in workers {
            removed.extend(worker.join().unwrap_or_default());
        }
        for (nth, removed) in removed {
            if let Some(result) = results.get_mut(nth) {
                *result = removed;
            }
        }
    });
    results
}

/// Deletes objects of one folder, in order.
fn within_a_folder(root: &Root, names: &[&ObjectName]) -> Vec<Result<(), Fault>> {
    let Some(first) = names.first() else {
        return Vec::new();
    };
    let folder = match root.open_folder(first) {
        Ok(folder) => folder,
        Err(Fault::Absent) => return vec![Ok(()); names.len()],
        Err(fault) => return vec![Err(fault); names.len()],
    };
    let removed = names
        .iter()
        .map(|name| remove(&folder, name.last_segment()));
    let removed: Vec<Result<(), Fault>> = removed.collect();
    let flushed = root.flush_folder(folder.as_fd());
    removed.into_iter().map(|it| it.and(flushed)).collect()
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
