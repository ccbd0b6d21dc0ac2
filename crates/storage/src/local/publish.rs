//! Creation: stage, write, flush, give the final name, flush the folder.
//!
//! Promise: the name appears in one step, with all bytes on the disk, and never in place of another.
//! In whatever step a machine dies, the worst that stays is a staging file that no listing shows.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::fault::Fault;
use super::read::modified;
use super::reserve;
use super::root::Root;
use crate::name::ObjectName;
use crate::unguessable::unguessable_name;

/// Where creations are staged. The dot keeps it out of every object's name.
pub(super) const STAGING: &str = ".staging";

/// Objects are for their owner alone.
const OBJECT_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Bytes written at once. For 16 MiB at once the kernel takes its largest free pages, which under a
/// hypervisor are those that it gave back: eight times the time (2.4 s a GB against 0.3).
const PIECE: usize = 256 << 10;

/// Creates an object, atomically and durably, if its name is free. A small one finds room where there is none.
pub(super) fn create(root: &Root, name: &ObjectName, body: &[u8]) -> Result<(), Fault> {
    let created = match create_once(root, name, body) {
        Err(fault) if reserve::give_up_for(root, body, &fault) => create_once(root, name, body),
        created => created,
    };
    if created.is_ok() {
        reserve::keep(root);
    }
    created
}

fn create_once(root: &Root, name: &ObjectName, body: &[u8]) -> Result<(), Fault> {
    root.check_trust()?;
    let folder = root.open_or_make_folder(name)?;
    // Not what decides (publishing does), but it spares staging what is there already.
    if let Some(fault) = taken(&folder, name)? {
        return settle(root, &folder, fault);
    }
    let staged = Staged::write(root, body)?;
    match staged.publish(&folder, name.last_segment()) {
        Ok(()) => root.flush_folder(folder.as_fd()),
        Err(Fault::Taken) => {
            let fault = taken(&folder, name)?.unwrap_or(Fault::Taken);
            settle(root, &folder, fault)
        }
        Err(fault) => Err(fault),
    }
}

/// Removes staging files last written before a moment; returns how many.
pub(super) fn sweep(root: &Root, older_than: SystemTime) -> Result<u64, Fault> {
    let staging = match open_staging(root) {
        Ok(staging) => staging,
        Err(Fault::System(Errno::NOENT)) => return Ok(0),
        Err(fault) => return Err(fault),
    };
    let mut swept = 0;
    for entry in Dir::read_from(&staging)? {
        let entry = entry?;
        let stat = match statat(&staging, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let stale = modified(&stat).is_some_and(|modified| modified < older_than);
        if !stale || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            continue;
        }
        match unlinkat(&staging, entry.file_name(), AtFlags::empty()) {
            Ok(()) => swept += 1,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(swept)
}

/// What stands at a name, if anything does.
fn taken(folder: &OwnedFd, name: &ObjectName) -> Result<Option<Fault>, Fault> {
    match statat(folder, name.last_segment(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Fault::Taken,
            FileType::Directory => Fault::Nested,
            _ => Fault::NotAnObject,
        })),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Before anybody hears that an object exists its name is made durable: its creator may be between
/// the two last steps. (C4)
fn settle(root: &Root, folder: &OwnedFd, fault: Fault) -> Result<(), Fault> {
    if fault == Fault::Taken {
        root.flush_folder(folder.as_fd())?;
    }
    Err(fault)
}

/// A whole and durable file without its final name. Dropped before it is published, it is removed.
pub(super) struct Staged {
    staging: OwnedFd,
    name: String,
    published: bool,
}

impl Staged {
    pub(super) fn write(root: &Root, body: &[u8]) -> Result<Self, Fault> {
        let staging = open_or_make_staging(root)?;
        let name = unguessable_name()?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&staging, &name, flags, OBJECT_MODE)?);
        let staged = Self {
            staging,
            name,
            published: false,
        };
        for piece in body.chunks(PIECE) {
            file.write_all(piece)?;
        }
        if file.metadata()?.len() != body.len() as u64 {
            return Err(Fault::LengthChanged);
        }
        // If this fails the file is removed and never flushed again: the kernel would call it
        // clean, and the bytes would still be lost.
        root.flush_file(file.as_fd())?;
        Ok(staged)
    }

    /// Gives the final name if nothing has it.
    fn publish(mut self, folder: &OwnedFd, last: &str) -> Result<(), Fault> {
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(&self.staging, &self.name, folder, last, flags) {
            Ok(()) => {
                self.published = true;
                Ok(())
            }
            Err(Errno::EXIST) => Err(Fault::Taken),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link(folder, last),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The same where renaming always replaces, as on NFS. The second name goes when `self` does.
    pub(super) fn link(&self, folder: &OwnedFd, last: &str) -> Result<(), Fault> {
        match linkat(&self.staging, &self.name, folder, last, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(Fault::Taken),
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
                Err(Fault::NoExclusiveCreation)
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed here is invisible, and swept later.
            let _ = unlinkat(&self.staging, &self.name, AtFlags::empty());
        }
    }
}

fn open_staging(root: &Root) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(root.handle(), STAGING, flags, Mode::empty())?)
}

fn open_or_make_staging(root: &Root) -> Result<OwnedFd, Fault> {
    match open_staging(root) {
        Err(Fault::System(Errno::NOENT)) => {}
        other => return other,
    }
    match mkdirat(root.handle(), STAGING, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open_staging(root),
        Err(errno) => Err(errno.into()),
    }
}
