//! Listing: walkdir proposes, the open handle confirms.
//!
//! Promise: complete and sorted by the bytes of the names, or an error; never an entry that is not a
//! regular file reached without links, and never the contents of another folder that took the place
//! of ours.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;
use walkdir::{DirEntry, WalkDir};

use super::fault::Fault;
use super::read::{modified, size};
use super::root::Root;
use crate::name::{MAX_SEGMENTS, ObjectName, Prefix};
use crate::object::{ObjectMeta, Page};

/// One page of the objects under a prefix, after a name.
pub(super) fn page(
    root: &Root,
    prefix: &Prefix,
    after: Option<&ObjectName>,
    limit: usize,
) -> Result<Page, Fault> {
    let walk = WalkDir::new(root.path())
        .min_depth(1)
        .max_depth(MAX_SEGMENTS)
        .sort_by(by_name_bytes)
        .into_iter()
        .filter_entry(|entry| may_matter(root.path(), entry, prefix, after));
    let mut objects = Vec::new();
    for entry in walk {
        let entry = entry.map_err(walk_fault)?;
        let Some(name) = name_of(root.path(), &entry) else {
            continue;
        };
        let wanted = prefix.contains(&name) && after.is_none_or(|after| name > *after);
        if !wanted {
            continue;
        }
        objects.extend(confirm(root, name)?);
        if objects.len() > limit {
            break;
        }
    }
    // Asked after the walk: a disk unmounted before or during it would look like an empty storage,
    // or like the end of the listing.
    root.check_path()?;
    let more = objects.len() > limit;
    objects.truncate(limit);
    Ok(Page { objects, more })
}

/// Loops, the only failures without an error of the system, cannot be met: no link is followed.
fn walk_fault(error: walkdir::Error) -> Fault {
    error
        .into_io_error()
        .map_or(Fault::System(Errno::IO), Fault::from)
}

/// Orders the entries of a folder as the names beneath them are ordered: a folder's come with a `/`,
/// which is greater than `-` and smaller than every letter and digit.
fn by_name_bytes(a: &DirEntry, b: &DirEntry) -> Ordering {
    let slash = |entry: &DirEntry| entry.file_type().is_dir().then_some(b'/');
    let bytes = |name: &OsStr, slash: Option<u8>| -> Vec<u8> {
        let mut bytes = name.as_encoded_bytes().to_vec();
        bytes.extend(slash);
        bytes
    };
    bytes(a.file_name(), slash(a)).cmp(&bytes(b.file_name(), slash(b)))
}

/// Whether an entry, or anything beneath it, can be on the page. Keeps the walk out of staging,
/// foreign folders, and folders that earlier pages have been through.
fn may_matter(root: &Path, entry: &DirEntry, prefix: &Prefix, after: Option<&ObjectName>) -> bool {
    let Some(name) = name_of(root, entry) else {
        return false;
    };
    if !entry.file_type().is_dir() {
        return entry.file_type().is_file() && prefix.contains(&name);
    }
    let passed = after.is_some_and(|after| {
        // Everything beneath begins with `name/`; it is passed unless `after` is among it.
        let beneath = format!("{name}/");
        *after.as_str() > *beneath && !after.as_str().starts_with(&beneath)
    });
    !passed && prefix.may_reach_into(name.as_str())
}

/// The path of an entry as a name of an object, if it is one.
fn name_of(root: &Path, entry: &DirEntry) -> Option<ObjectName> {
    let path = entry.path().strip_prefix(root).ok()?;
    ObjectName::new(path.to_str()?).ok()
}

/// What the open handle finds at a name; nothing if that was deleted or is not an object.
fn confirm(root: &Root, name: ObjectName) -> Result<Option<ObjectMeta>, Fault> {
    let folder = match root.open_folder(&name) {
        Ok(folder) => folder,
        Err(Fault::Absent) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let stat = match statat(&folder, name.last_segment(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    Ok(Some(ObjectMeta {
        name,
        size: size(&stat),
        modified: modified(&stat),
        version: None,
    }))
}
