//! From an inode to the metadata a snapshot keeps.
//!
//! A file is never left out because an attribute could not be read: it is kept without it,
//! and the caller hears what is missing.

use rustix::fd::AsFd;
use rustix::io::Errno;

use super::dir::Dir;
use super::file::File;
use super::flags;
use super::owners::OwnerNames;
use super::stat::Stat;
use super::xattr::{Attributed, is_absent};
use crate::format::name::Name;
use crate::format::node::{Metadata, Xattr};

/// Reads metadata; shares its owner names among threads.
#[derive(Debug, Default)]
pub struct MetadataReader {
    owners: OwnerNames,
}

/// Metadata, and what of it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// What is recorded; without a hard-link group, which only the whole snapshot knows.
    pub metadata: Metadata,
    /// One sentence for each thing that is missing.
    pub problems: Vec<String>,
}

impl MetadataReader {
    /// A reader that knows no owner yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of an open file, as it was when it was opened.
    pub fn of_file(&self, file: &File) -> Gathered {
        self.of_open(file, file.stat())
    }

    /// Of an open directory; `stat` is the walk's.
    pub fn of_dir(&self, dir: &Dir, stat: &Stat) -> Gathered {
        if dir.is_readable() {
            self.of_open(dir, stat)
        } else {
            self.without_flags(stat, &Attributed::held(dir))
        }
    }

    /// Of anything that is not opened: links, special files, what could not be opened.
    ///
    /// Attributes are read through `/proc/self/fd`; flags need an open file and are not read.
    pub fn of_entry(&self, parent: &Dir, name: &Name, stat: &Stat) -> Gathered {
        self.without_flags(stat, &Attributed::entry(parent, name))
    }

    fn of_open<Fd: AsFd>(&self, fd: &Fd, stat: &Stat) -> Gathered {
        let mut gathered = self.without_flags(stat, &Attributed::open(fd));
        match flags::read(fd) {
            Ok(flags) => gathered.metadata.flags = flags,
            Err(errno) => gathered
                .problems
                .push(format!("cannot read its flags: {errno}")),
        }
        gathered
    }

    fn without_flags(&self, stat: &Stat, attributed: &Attributed<'_>) -> Gathered {
        let mut problems = Vec::new();
        let xattrs = match attributed.read() {
            Ok(read) => {
                if read.left_out > 0 {
                    problems.push(format!(
                        "{} of its extended attributes are too many to keep",
                        read.left_out
                    ));
                }
                read.xattrs
            }
            Err(errno) => {
                problems.extend(complaint(attributed, errno));
                Vec::new()
            }
        };
        Gathered {
            metadata: self.plain(stat, xattrs),
            problems,
        }
    }

    fn plain(&self, stat: &Stat, xattrs: Vec<Xattr>) -> Metadata {
        Metadata {
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            user: self.owners.user(stat.uid),
            group: self.owners.group(stat.gid),
            mtime: stat.mtime,
            btime: stat.btime,
            link_group: None,
            xattrs,
            flags: None,
        }
    }
}

/// What to say about attributes that could not be read; nothing if there is nothing to miss.
fn complaint(attributed: &Attributed<'_>, errno: Errno) -> Option<String> {
    match attributed {
        // The entry vanished, or /proc is not mounted. Links and special files carry no
        // attributes but security labels, which the next system sets anew; a sentence for
        // each of them would bury what matters.
        Attributed::Proc(..) if is_absent(errno) => None,
        _ => Some(format!("cannot read its extended attributes: {errno}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{XattrFlags, lsetxattr, setxattr};

    use super::*;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    #[test]
    fn mode_owner_times_and_attributes_of_a_file_are_gathered() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"x").unwrap();
        std_fs::set_permissions(&path, std_fs::Permissions::from_mode(0o4751)).unwrap();
        // Longer than the first guess, and not in order.
        let long = vec![7; 1000];
        setxattr(&path, "user.b", &long, XattrFlags::empty()).unwrap();
        setxattr(&path, "user.a", b"", XattrFlags::empty()).unwrap();

        let dir = Dir::open_root(temp.path()).unwrap();
        let stat = dir.stat(&name(b"f")).unwrap();
        let file = dir.open_file(&name(b"f"), &stat).unwrap();
        let gathered = MetadataReader::new().of_file(&file);
        assert!(gathered.problems.is_empty(), "{:?}", gathered.problems);
        let metadata = gathered.metadata;
        assert_eq!(metadata.mode, 0o4751);
        assert_eq!(metadata.uid, stat.uid);
        assert_eq!(metadata.mtime, stat.mtime);
        assert!(metadata.btime.is_some());
        let wanted = [
            Xattr {
                name: b"user.a".to_vec(),
                value: vec![],
            },
            Xattr {
                name: b"user.b".to_vec(),
                value: long,
            },
        ];
        assert_eq!(metadata.xattrs, wanted);
        // The same inode, reached by its name.
        let by_name = MetadataReader::new()
            .of_entry(&dir, &name(b"f"), &stat)
            .metadata;
        assert_eq!(by_name.xattrs, wanted);
    }

    #[test]
    fn attributes_beyond_the_limits_of_the_format_are_told_and_not_kept() {
        // ext4 has room for one block of them; tmpfs takes many.
        let Ok(temp) = tempfile::tempdir_in("/dev/shm") else {
            println!("skipped: no /dev/shm");
            return;
        };
        let path = temp.path().join("f");
        std_fs::write(&path, b"x").unwrap();
        for number in 0..1_030 {
            let name = format!("user.{number:04}");
            if setxattr(&path, name, b"v", XattrFlags::empty()).is_err() {
                println!("skipped: no room for so many attributes");
                return;
            }
        }
        let dir = Dir::open_root(temp.path()).unwrap();
        let stat = dir.stat(&name(b"f")).unwrap();
        let file = dir.open_file(&name(b"f"), &stat).unwrap();
        let gathered = MetadataReader::new().of_file(&file);
        assert_eq!(gathered.metadata.xattrs.len(), 1_024);
        assert_eq!(
            gathered.problems,
            ["6 of its extended attributes are too many to keep"]
        );
    }

    #[test]
    fn attributes_of_a_link_are_its_own() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("f"), b"x").unwrap();
        setxattr(
            temp.path().join("f"),
            "user.of_target",
            b"1",
            XattrFlags::empty(),
        )
        .unwrap();
        let link = temp.path().join("link");
        symlink("f", &link).unwrap();
        let marked = lsetxattr(&link, "trusted.of_link", b"2", XattrFlags::empty()).is_ok();
        let dir = Dir::open_root(temp.path()).unwrap();
        let stat = dir.stat(&name(b"link")).unwrap();
        let gathered = MetadataReader::new().of_entry(&dir, &name(b"link"), &stat);
        assert!(gathered.problems.is_empty(), "{:?}", gathered.problems);
        let names: Vec<_> = gathered
            .metadata
            .xattrs
            .iter()
            .map(|x| x.name.as_slice())
            .collect();
        // Only root may mark it.
        let wanted: &[&[u8]] = if marked { &[b"trusted.of_link"] } else { &[] };
        assert_eq!(names, wanted);
    }

    #[test]
    fn flags_are_gathered_within_the_documented_set() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"x").unwrap();
        let nodump = rustix::fs::IFlags::NODUMP.bits();
        if flags::write(
            std_fs::File::open(&path).unwrap(),
            nodump,
            flags::KEPT_FLAGS,
        )
        .is_err()
        {
            println!("skipped: this file system has no flags");
            return;
        }
        let dir = Dir::open_root(temp.path()).unwrap();
        let stat = dir.stat(&name(b"f")).unwrap();
        let file = dir.open_file(&name(b"f"), &stat).unwrap();
        assert_eq!(
            MetadataReader::new().of_file(&file).metadata.flags,
            Some(nodump)
        );
    }
}
