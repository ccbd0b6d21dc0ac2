//! Removing what a snapshot does not have.
//!
//! Never through a link, never into another file system, whatever the depth. The caller has
//! asked the user; this module only does it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::dir::TargetDir;
use super::marker::Marker;
use crate::format::name::Name;
use crate::problem::Problem;
use crate::source::{Descent, Dir, Kind, SourceError, Stat};

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries that were no directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// What could not be removed.
    pub problems: Vec<Problem>,
}

/// Removes every entry of `dir` that `keep` does not hold on to, except the sign of a running
/// restore. `path` is where `dir` is, for people.
pub fn remove_extra<F>(dir: &TargetDir, path: &Path, keep: F) -> Removed
where
    F: Fn(&Name) -> bool,
{
    let mut removed = Removed::default();
    let listing = dir.list();
    if let Some(error) = listing.error {
        let path = path.to_owned();
        removed.problems.push(Problem {
            path,
            message: error.message(),
        });
    }
    for name in listing
        .names
        .iter()
        .filter(|name| !keep(name) && !Marker::owns(name))
    {
        let one = remove_entry(dir, path, name);
        removed.files += one.files;
        removed.directories += one.directories;
        removed.problems.extend(one.problems);
    }
    removed
}

/// Removes the entry `name` of `dir` with all that is in it.
pub fn remove_entry(dir: &TargetDir, path: &Path, name: &Name) -> Removed {
    let mut removal = Removal {
        removed: Removed::default(),
        path: path.as_os_str().as_bytes().to_vec(),
        levels: Vec::new(),
    };
    match dir.dir().stat_self() {
        Ok(stat) => removal.run(dir.dir(), &stat, name),
        Err(error) => removal.problem(error.message()),
    }
    removal.removed
}

#[derive(Debug)]
struct Removal {
    removed: Removed,
    path: Vec<u8>,
    levels: Vec<Level>,
}

/// A directory being emptied.
#[derive(Debug)]
struct Level {
    /// Its own name; none for where the removal starts.
    name: Option<Name>,
    names: VecDeque<Name>,
    path_length: usize,
    problems_before: usize,
}

impl Removal {
    fn run(&mut self, start: &Arc<Dir>, stat: &Stat, name: &Name) {
        let mut descent = Descent::new(Arc::clone(start), stat.id);
        let device = stat.id.dev;
        self.push_level(None, VecDeque::from([name.clone()]));
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop_front() else {
                self.leave(&mut descent);
                continue;
            };
            let Some(dir) = descent.dir().cloned() else {
                continue;
            };
            self.path.push(b'/');
            self.path.extend_from_slice(name.as_bytes());
            match self.remove_one(&dir, &name, device) {
                Ok(Some((below, id, names))) => {
                    self.push_level(Some(name.clone()), names);
                    descent.enter(below, id, name);
                    continue;
                }
                Ok(None) | Err(SourceError::Vanished) => {}
                Err(error) => self.problem(error.message()),
            }
            self.shorten();
        }
    }

    /// Removes one entry, or returns the directory it is with what is to be removed first.
    fn remove_one(&mut self, dir: &Dir, name: &Name, device: u64) -> Entered {
        let stat = dir.stat(name)?;
        if stat.kind != Kind::Directory {
            unlinkat(dir, name.as_os_str(), AtFlags::empty())
                .map_err(|errno| SourceError::new("remove it", errno))?;
            self.removed.files += 1;
            return Ok(None);
        }
        let below = dir.open_child(name)?;
        // Asked of the handle: what was looked at may not be what was opened.
        let stat = below.stat_self()?;
        if stat.mount_root || stat.id.dev != device {
            self.problem("another file system is mounted there, so it was not removed".into());
            return Ok(None);
        }
        let listing = below.list();
        if let Some(error) = listing.error {
            self.problem(error.message());
        }
        Ok(Some((Arc::new(below), stat.id, listing.names.into())))
    }

    fn leave(&mut self, descent: &mut Descent) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        let Some(name) = level.name else { return };
        let returned = descent.leave();
        let untouched = self.removed.problems.len() == level.problems_before;
        match (returned, descent.dir()) {
            (Ok(()), Some(dir)) => match unlinkat(dir, name.as_os_str(), AtFlags::REMOVEDIR) {
                Ok(()) => self.removed.directories += 1,
                Err(Errno::NOENT) => {}
                // Full because of a problem that was already told.
                Err(Errno::NOTEMPTY | Errno::EXIST) if !untouched => {}
                Err(errno) => self.problem(SourceError::new("remove the folder", errno).message()),
            },
            _ => {
                self.problem("it was moved while it was removed".into());
                if let Some(above) = self.levels.last_mut() {
                    above.names.clear();
                }
            }
        }
        self.shorten();
    }

    fn push_level(&mut self, name: Option<Name>, names: VecDeque<Name>) {
        self.levels.push(Level {
            name,
            names,
            path_length: self.path.len(),
            problems_before: self.removed.problems.len(),
        });
    }

    fn shorten(&mut self) {
        if let Some(level) = self.levels.last() {
            self.path.truncate(level.path_length);
        }
    }

    fn problem(&mut self, message: String) {
        let path = Path::new(OsStr::from_bytes(&self.path)).to_owned();
        self.removed.problems.push(Problem { path, message });
    }
}

type Entered = Result<Option<(Arc<Dir>, crate::source::FileId, VecDeque<Name>)>, SourceError>;

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::source::unprivileged::without_privileges;

    fn open(path: &Path) -> TargetDir {
        TargetDir::open_root(path).unwrap()
    }

    #[test]
    fn what_is_extra_goes_and_what_is_kept_stays() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::create_dir_all(temp.path().join("extra/sub/sub")).unwrap();
        std_fs::write(temp.path().join("extra/sub/file"), b"x").unwrap();
        std_fs::write(temp.path().join("keep"), b"x").unwrap();
        std_fs::write(temp.path().join("old"), b"x").unwrap();
        let dir = open(temp.path());
        let marker = Marker::begin(&dir);
        let removed = remove_extra(&dir, temp.path(), |name| name.as_bytes() == b"keep");
        assert_eq!(
            removed,
            Removed {
                files: 2,
                directories: 3,
                problems: vec![]
            }
        );
        marker.finish();
        let left: Vec<_> = std_fs::read_dir(temp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["keep"]);
    }

    #[test]
    fn links_are_removed_and_what_they_point_to_is_not() {
        let outside = tempfile::tempdir().unwrap();
        std_fs::write(outside.path().join("precious"), b"x").unwrap();
        let temp = tempfile::tempdir().unwrap();
        std_fs::create_dir(temp.path().join("d")).unwrap();
        symlink(outside.path(), temp.path().join("d/link")).unwrap();
        symlink(outside.path(), temp.path().join("link")).unwrap();
        let removed = remove_extra(&open(temp.path()), temp.path(), |_| false);
        assert_eq!(
            removed,
            Removed {
                files: 2,
                directories: 1,
                problems: vec![]
            }
        );
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn what_is_mounted_stays_and_is_told_even_on_the_same_device() {
        let temp = tempfile::tempdir().unwrap();
        let bound = tempfile::tempdir().unwrap();
        let (inner, bind) = (temp.path().join("d/inner"), temp.path().join("d/bind"));
        std_fs::create_dir_all(&inner).unwrap();
        std_fs::create_dir_all(&bind).unwrap();
        std_fs::write(bound.path().join("precious"), b"x").unwrap();
        let run = |program: &str, arguments: &[&OsStr]| {
            let status = std::process::Command::new(program).args(arguments).output();
            status.is_ok_and(|output| output.status.success())
        };
        let (kind, none) = (OsStr::new("tmpfs"), OsStr::new("none"));
        if !run("mount", &["-t".as_ref(), kind, none, inner.as_ref()]) {
            println!("skipped: mounting needs root");
            return;
        }
        let is_bound = run(
            "mount",
            &["--bind".as_ref(), bound.path().as_ref(), bind.as_ref()],
        );
        std_fs::write(inner.join("precious"), b"x").unwrap();
        let removed = remove_extra(&open(temp.path()), temp.path(), |_| false);
        let stays = inner.join("precious").exists() && bound.path().join("precious").exists();
        assert!(run("umount", &[inner.as_ref()]) && run("umount", &[bind.as_ref()]));
        assert!(is_bound && stays);
        let told: Vec<_> = removed
            .problems
            .iter()
            .map(|problem| &problem.path)
            .collect();
        assert_eq!(told, [&bind, &inner]);
    }

    #[test]
    fn what_refuses_is_told_with_its_path_and_the_rest_goes() {
        let test = "what_refuses_is_told_with_its_path_and_the_rest_goes";
        without_privileges(module_path!(), test, || {
            use std::os::unix::fs::PermissionsExt;
            let temp = tempfile::tempdir().unwrap();
            let shut = temp.path().join("d/shut");
            std_fs::create_dir_all(&shut).unwrap();
            std_fs::write(shut.join("file"), b"x").unwrap();
            std_fs::write(temp.path().join("d/z"), b"x").unwrap();
            std_fs::set_permissions(&shut, PermissionsExt::from_mode(0o500)).unwrap();
            let removed = remove_extra(&open(temp.path()), temp.path(), |_| false);
            std_fs::set_permissions(&shut, PermissionsExt::from_mode(0o700)).unwrap();
            let message = "cannot remove it: Permission denied (os error 13)".to_owned();
            let problem = Problem {
                path: shut.join("file"),
                message,
            };
            assert_eq!(
                removed,
                Removed {
                    files: 1,
                    directories: 0,
                    problems: vec![problem]
                }
            );
        });
    }
}
