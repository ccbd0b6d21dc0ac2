//! The target as a whole: directories by their path, and durability at the end.
//!
//! A restore writes in the order of packs, not of folders, so directories are opened again as
//! they are needed. A path is resolved beneath the root by the kernel, links refused.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::dir::{Made, Replace, TargetDir};
use super::error::TargetError;
use super::partial::Partials;
use crate::format::name::Name;
use crate::source::Dir;

/// The target of one restore; shared by its threads.
#[derive(Debug)]
pub struct TargetTree {
    root: TargetDir,
    partials: Partials,
    open: Mutex<HashMap<Vec<Name>, TargetDir>>,
    /// One directory of every file system met, for the sync.
    devices: Mutex<HashMap<u64, TargetDir>>,
}

/// Handles kept open: below the usual limit of 1,024, with room for files and sockets.
const KEPT: usize = 256;
/// Bytes of a path handed to the kernel at once; its limit is 4,096 with the NUL.
const PIECE: usize = 3_500;

impl TargetTree {
    /// Opens the target at `path`, made if missing; `session` is random.
    pub fn open(path: &Path, session: [u8; 16]) -> Result<Self, TargetError> {
        let root = TargetDir::open_root(path)?;
        let tree = Self {
            root: root.clone(),
            partials: Partials::new(session),
            open: Mutex::default(),
            devices: Mutex::default(),
        };
        tree.note_device(&root)?;
        Ok(tree)
    }

    /// The target itself.
    pub fn root(&self) -> &TargetDir {
        &self.root
    }

    /// Names for what is not whole yet.
    pub fn partials(&self) -> &Partials {
        &self.partials
    }

    /// The existing directory at `path` below the root. A link or anything else on the way is
    /// [`TargetError::Replaced`].
    pub fn dir(&self, path: &[Name]) -> Result<TargetDir, TargetError> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        let (start, rest) = self.nearest(path);
        if rest.is_empty() {
            return Ok(start);
        }
        let dir = beneath(&start, rest)?;
        self.remember(path, &dir)?;
        Ok(dir)
    }

    /// Makes the directory at `path`, or opens it if it is there; those above it exist.
    pub fn make_dir(
        &self,
        path: &[Name],
        replace: Replace,
    ) -> Result<(TargetDir, Made), TargetError> {
        let Some((name, above)) = path.split_last() else {
            let stat = self.root.stat_self()?;
            return Ok((self.root.clone(), Made::Existing(stat)));
        };
        let (dir, made) = self.dir(above)?.make_dir(name, replace)?;
        self.remember(path, &dir)?;
        Ok((dir, made))
    }

    fn remember(&self, path: &[Name], dir: &TargetDir) -> Result<(), TargetError> {
        self.note_device(dir)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= KEPT {
            // Which to drop hardly matters: restores go on nearby, and opening is one call.
            open.clear();
        }
        open.insert(path.to_vec(), dir.clone());
        Ok(())
    }

    /// The directory itself if it is open, or its parent, or the root; and what is left to go.
    fn nearest<'a>(&self, path: &'a [Name]) -> (TargetDir, &'a [Name]) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = open.get(path) {
            return (dir.clone(), &[]);
        }
        if let Some((last, above)) = path.split_last()
            && let Some(dir) = open.get(above)
        {
            return (dir.clone(), std::slice::from_ref(last));
        }
        (self.root.clone(), path)
    }

    fn note_device(&self, dir: &TargetDir) -> Result<(), TargetError> {
        let dev = dir.stat_self()?.id.dev;
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.entry(dev).or_insert_with(|| dir.clone());
        Ok(())
    }

    /// Makes everything written durable, on every file system that was written to. One call
    /// each instead of one for every file: see [`Marker`](super::Marker) for the price.
    ///
    /// The handles were opened before anything was written, so the first call after a failed
    /// write-back is told of it, and only the first: its error must not be dropped.
    pub fn sync(&self) -> Result<(), TargetError> {
        let devices: Vec<TargetDir> = {
            let met = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
            met.values().cloned().collect()
        };
        // The lock is free again: who opens a folder does not wait for the disk.
        for dir in devices {
            fs::syncfs(dir).map_err(|errno| TargetError::new("write it to the disk", errno))?;
        }
        Ok(())
    }
}

/// Opens a directory some levels below `start`, links refused at every level.
fn beneath(start: &TargetDir, path: &[Name]) -> Result<TargetDir, TargetError> {
    let mut dir = start.clone();
    let mut rest = path;
    while !rest.is_empty() {
        let (piece, levels) = next_piece(rest);
        dir = match open_beneath(&dir, &piece) {
            Ok(dir) => dir,
            // An old kernel, or a sandbox that does not know the call: level by level.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG) => {
                let mut dir = dir;
                for name in rest.iter().take(levels) {
                    dir = dir.open_dir(name)?;
                }
                dir
            }
            Err(Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => return Err(TargetError::Replaced),
            Err(errno) => return Err(TargetError::new("open the folder", errno)),
        };
        rest = rest.get(levels..).unwrap_or_default();
    }
    Ok(dir)
}

/// As many levels as fit one call, at least one.
fn next_piece(path: &[Name]) -> (Vec<u8>, usize) {
    let mut piece = Vec::new();
    let mut levels = 0;
    for name in path {
        if levels > 0 && piece.len() + name.as_bytes().len() >= PIECE {
            break;
        }
        if levels > 0 {
            piece.push(b'/');
        }
        piece.extend_from_slice(name.as_bytes());
        levels += 1;
    }
    (piece, levels)
}

fn open_beneath(dir: &TargetDir, piece: &[u8]) -> Result<TargetDir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // AGAIN: something was renamed while the kernel walked; it asks to be called again.
    for _ in 0..64 {
        match fs::openat2(dir, piece, flags, Mode::empty(), resolve) {
            Ok(fd) => return Ok(TargetDir::holding(Arc::new(Dir::from_fd(fd)))),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(path: &str) -> Vec<Name> {
        path.split('/')
            .map(|part| Name::new(part.as_bytes()).unwrap())
            .collect()
    }

    #[test]
    fn folders_are_found_by_their_path_and_links_on_the_way_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        std_fs::create_dir(outside.path().join("sub")).unwrap();
        let temp = tempfile::tempdir().unwrap();
        std_fs::create_dir_all(temp.path().join("a/b/c")).unwrap();
        symlink(outside.path(), temp.path().join("a/evil")).unwrap();
        symlink("b", temp.path().join("a/inner")).unwrap();
        let tree = TargetTree::open(temp.path(), [0; 16]).unwrap();
        let wanted = std_fs::metadata(temp.path().join("a/b/c")).unwrap();
        for _ in 0..2 {
            let found = tree.dir(&names("a/b/c")).unwrap().stat_self().unwrap();
            assert_eq!(found.id.ino, std::os::unix::fs::MetadataExt::ino(&wanted));
        }
        for path in ["a/evil", "a/evil/sub", "a/inner", "a/inner/c"] {
            assert!(
                matches!(tree.dir(&names(path)), Err(TargetError::Replaced)),
                "{path}"
            );
            // The same level by level, as on kernels without openat2.
            let slow = names(path)
                .iter()
                .try_fold(tree.root().clone(), |dir, name| dir.open_dir(name));
            assert!(matches!(slow, Err(TargetError::Replaced)), "{path}");
        }
        assert!(matches!(
            tree.dir(&names("a/none")),
            Err(TargetError::Refused { .. })
        ));
        tree.sync().unwrap();
    }

    #[test]
    fn folders_five_thousand_deep_are_made_and_found_by_their_path() {
        let temp = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let tree = TargetTree::open(temp.path(), [0; 16]).unwrap();
        let name = Name::new(b"deep").unwrap();
        let mut dir = tree.root().clone();
        for _ in 0..5_000 {
            dir = dir.make_dir(&name, Replace::Never).unwrap().0;
        }
        let path = vec![name.clone(); 5_000];
        let found = tree.dir(&path).unwrap();
        assert_eq!(found.stat_self().unwrap().id, dir.stat_self().unwrap().id);
        let removed = super::super::remove_entry(tree.root(), temp.path(), &name);
        assert_eq!((removed.directories, removed.problems.len()), (5_000, 0));
    }

    #[test]
    fn many_folders_keep_few_handles() {
        let temp = tempfile::tempdir().unwrap();
        let tree = TargetTree::open(temp.path(), [0; 16]).unwrap();
        for number in 0..(KEPT + 10) {
            let name = Name::new(number.to_string().as_bytes()).unwrap();
            let made = tree.make_dir(std::slice::from_ref(&name), Replace::Never);
            let made = made.unwrap().0;
            let found = tree.dir(&[name]).unwrap();
            assert_eq!(made.stat_self().unwrap().id, found.stat_self().unwrap().id);
        }
        assert!(tree.open.lock().unwrap().len() <= KEPT);
    }
}
