//! A regular file, held open for reading.
//!
//! What is read is the inode the walk saw: a FIFO, a device or a link swapped in under its
//! name is noticed before a byte is read, and cannot make the backup wait.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Advice, Mode, OFlags};
use rustix::io::{Errno, pread, retry_on_intr};

use super::dir::Dir;
use super::error::SourceError;
use super::extents;
use super::stat::{Kind, Stat};
use crate::format::name::Name;
use crate::format::node::Extent;
use crate::format::time::Timestamp;

/// An open regular file. Reads name their offset, so threads may share it.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    stat: Stat,
}

/// `NONBLOCK`: opening a FIFO that was swapped in returns at once. `NOCTTY`: a terminal
/// swapped in does not become ours.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Bytes that the kernel reads ahead by itself.
const SHORT: u64 = 128 << 10;

impl File {
    pub(crate) fn open(dir: &Dir, name: &Name, expected: &Stat) -> Result<Self, SourceError> {
        let open =
            |flags| retry_on_intr(|| fs::openat(dir, name.as_os_str(), flags, Mode::empty()));
        let opened = match open(FLAGS | OFlags::NOATIME) {
            // Only the owner may leave the access time alone.
            Err(Errno::PERM) => open(FLAGS),
            other => other,
        };
        let fd = match opened {
            Err(Errno::AGAIN) => open_leased(dir, name, expected)?,
            // A link, a socket, or a device without a driver took the place.
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Err(SourceError::Replaced),
            other => other.map_err(|errno| SourceError::new("open it", errno))?,
        };
        let stat = Stat::of(&fd).map_err(|errno| SourceError::new("look at it", errno))?;
        if stat.kind != Kind::File || stat.id != expected.id {
            return Err(SourceError::Replaced);
        }
        // Only a hint: read-ahead doubles. What is short is read at once anyway.
        if stat.size > SHORT {
            let _ = fs::fadvise(&fd, 0, None, Advice::Sequential);
        }
        Ok(Self { fd, stat })
    }

    /// Asks the kernel for the content of a short file, without waiting for it. Of a longer one it reads
    /// ahead by itself, once somebody reads.
    pub(crate) fn will_be_read(&self) {
        if (1..=SHORT).contains(&self.stat.size) {
            let _ = fs::fadvise(&self.fd, 0, None, Advice::WillNeed);
        }
    }

    /// What the file was when it was opened: the metadata to record.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Fills `buffer` from `offset`; fewer bytes than asked for mean the end of the file.
    ///
    /// Where the file ended when it was opened it is not asked for more: who reads a file to its
    /// end asks afterwards whether it [changed](Self::changed_since), and then it has another size.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        read_at(&self.fd, offset, buffer, self.stat.size)
    }

    /// Where the data lies, ascending and not touching; `None` if all of it is data.
    ///
    /// File systems have reported data not yet written back as a hole. Where the file changed
    /// within the clock's granularity of `now`, holes are therefore read, and believed only if
    /// they are zero.
    pub fn extents(&self, now: Timestamp) -> Result<Option<Vec<Extent>>, SourceError> {
        if !self.stat.may_have_holes() {
            return Ok(None);
        }
        let found =
            extents::find(&self.fd, self.stat.size).map_err(|errno| SourceError::Refused {
                doing: "find its holes",
                source: errno.into(),
            })?;
        match found {
            Some(data)
                if self.stat.fingerprint().is_fresh_at(now) && !self.is_zero_outside(&data)? =>
            {
                Ok(None)
            }
            found => Ok(found),
        }
    }

    /// Whether everything but `data` reads as zeros.
    fn is_zero_outside(&self, data: &[Extent]) -> Result<bool, SourceError> {
        let end = Extent {
            offset: self.stat.size,
            length: 0,
        };
        let mut buffer = vec![0; 256 << 10];
        let mut at = 0;
        for extent in data.iter().chain([&end]) {
            while at < extent.offset {
                let room = usize::try_from(extent.offset - at)
                    .map_or(buffer.len(), |left| left.min(buffer.len()));
                let read = self.read_at(at, buffer.get_mut(..room).unwrap_or_default())?;
                if read == 0 {
                    break;
                }
                if buffer.iter().take(read).any(|byte| *byte != 0) {
                    return Ok(false);
                }
                at += read as u64;
            }
            at = extent.offset.saturating_add(extent.length);
        }
        Ok(true)
    }

    /// Whether content or metadata changed since `before` was taken of the same file.
    ///
    /// Asked after the last byte was read: what was read then may be a mixture.
    pub fn changed_since(&self, before: &Stat) -> Result<bool, SourceError> {
        Ok(self.stat_now()?.fingerprint() != before.fingerprint())
    }

    /// What the file is now.
    pub fn stat_now(&self) -> Result<Stat, SourceError> {
        Stat::of(&self.fd).map_err(|errno| SourceError::Refused {
            doing: "look at it again",
            source: errno.into(),
        })
    }
}

/// Opens a file on which a server holds a lease: not waiting is refused then, and waiting is
/// safe only for what is known to be a file. So the inode is held first, then opened.
fn open_leased(dir: &Dir, name: &Name, expected: &Stat) -> Result<OwnedFd, SourceError> {
    let refused = |errno| SourceError::new("open it", errno);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = fs::openat(dir, name.as_os_str(), flags, Mode::empty()).map_err(refused)?;
    let stat = Stat::of(&held).map_err(refused)?;
    if stat.kind != Kind::File || stat.id != expected.id {
        return Err(SourceError::Replaced);
    }
    // The kernel resolves this to the held inode, and breaks the lease within its time limit.
    let path = format!("/proc/self/fd/{}", held.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    retry_on_intr(|| fs::open(&path, flags, Mode::empty())).map_err(|errno| SourceError::Refused {
        doing: "open it while another program holds it",
        source: errno.into(),
    })
}

/// Reads until `buffer` is full or the file ends: where nothing follows, or at `end`.
pub(crate) fn read_at<Fd: AsFd>(
    fd: Fd,
    offset: u64,
    buffer: &mut [u8],
    end: u64,
) -> Result<usize, SourceError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(filled as u64);
        match pread(&fd, &mut *rest, at) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                if read < rest.len() && at.saturating_add(read as u64) == end {
                    break;
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => {
                return Err(SourceError::Refused {
                    doing: "read it",
                    source: errno.into(),
                });
            }
        }
    }
    Ok(filled)
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self as std_fs, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt, symlink};
    use std::path::Path;

    use rustix::fs::{CWD, mkfifoat};

    use super::*;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes).unwrap()
    }

    fn open(path: &Path, file: &[u8]) -> Result<File, SourceError> {
        let dir = Dir::open_root(path).unwrap();
        let stat = dir.stat(&name(file))?;
        dir.open_file(&name(file), &stat)
    }

    const LATER: Timestamp = Timestamp {
        seconds: i64::MAX,
        nanoseconds: 0,
    };

    #[test]
    fn a_file_is_read_from_any_offset_to_its_end() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::write(temp.path().join("f"), b"0123456789").unwrap();
        let file = open(temp.path(), b"f").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 8);
        assert_eq!(&buffer, b"01234567");
        assert_eq!(file.read_at(8, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"89");
        assert_eq!(file.read_at(10, &mut buffer).unwrap(), 0);
        assert_eq!(file.read_at(99, &mut buffer).unwrap(), 0);
        assert_eq!(file.read_at(0, &mut []).unwrap(), 0);
    }

    #[test]
    fn what_was_swapped_in_after_the_look_is_refused_and_never_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"x").unwrap();
        let dir = Dir::open_root(temp.path()).unwrap();
        let seen = dir.stat(&name(b"f")).unwrap();
        let refused = || {
            matches!(
                dir.open_file(&name(b"f"), &seen),
                Err(SourceError::Replaced)
            )
        };

        std_fs::rename(&path, temp.path().join("old")).unwrap();
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        assert!(refused(), "a FIFO without a writer");

        std_fs::remove_file(&path).unwrap();
        symlink("old", &path).unwrap();
        assert!(refused(), "a link, even to the same inode");

        std_fs::remove_file(&path).unwrap();
        std_fs::write(&path, b"y").unwrap();
        assert!(refused(), "another file");

        std_fs::remove_file(&path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(refused(), "a socket");
        drop(_socket);

        std_fs::remove_file(&path).unwrap();
        assert!(matches!(
            dir.open_file(&name(b"f"), &seen),
            Err(SourceError::Vanished)
        ));
    }

    #[test]
    fn reading_leaves_the_access_time_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"x").unwrap();
        let old = std_fs::File::open(&path).unwrap();
        old.set_times(std_fs::FileTimes::new().set_accessed(std::time::UNIX_EPOCH))
            .unwrap();
        let file = open(temp.path(), b"f").unwrap();
        assert_eq!(file.read_at(0, &mut [0; 1]).unwrap(), 1);
        assert_eq!(std_fs::metadata(&path).unwrap().atime(), 0);
    }

    #[test]
    fn a_file_under_a_lease_is_waited_for_and_read() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"leased").unwrap();
        // The signal that asks for the lease ends the holder.
        let program = "import fcntl, sys, time\n\
                       f = open(sys.argv[1], 'r+')\n\
                       fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
                       print('held', flush=True)\n\
                       time.sleep(30)";
        let holder = std::process::Command::new("python3")
            .args(["-c", program])
            .arg(&path)
            .stdout(std::process::Stdio::piped())
            .spawn();
        let Ok(mut holder) = holder else {
            println!("skipped: no python3 to hold a lease");
            return;
        };
        let mut told = [0; 4];
        let output = holder.stdout.as_mut().unwrap();
        if std::io::Read::read_exact(output, &mut told).is_err() {
            println!("skipped: no leases here");
            return;
        }
        let file = open(temp.path(), b"f").unwrap();
        let mut buffer = [0; 9];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 6);
        assert!(!holder.wait().unwrap().success());
    }

    #[test]
    fn a_change_while_reading_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std_fs::write(&path, b"before").unwrap();
        let file = open(temp.path(), b"f").unwrap();
        let before = *file.stat();
        assert!(!file.changed_since(&before).unwrap());
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"!")
            .unwrap();
        assert!(file.changed_since(&before).unwrap());
    }

    #[test]
    fn holes_are_found_and_those_of_a_fresh_file_are_read_first() {
        let temp = tempfile::tempdir().unwrap();
        let sparse = std_fs::File::create(temp.path().join("f")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        sparse.write_at(&[1; 4096], 1 << 20).unwrap();
        sparse.write_at(&[2; 100], (1 << 29) + 4096).unwrap();
        sparse.sync_all().unwrap();
        let file = open(temp.path(), b"f").unwrap();

        let extents = file
            .extents(LATER)
            .unwrap()
            .expect("this file system has holes");
        let covers = |at: u64| {
            extents
                .iter()
                .any(|e| e.offset <= at && at < e.offset + e.length)
        };
        assert!(covers(1 << 20) && covers((1 << 20) + 4095) && covers((1 << 29) + 4096 + 99));
        assert!(!covers(0) && !covers(1 << 28) && !covers((1 << 30) - 1));
        assert!(extents.iter().map(|e| e.length).sum::<u64>() < 1 << 20);
        assert!(
            extents
                .windows(2)
                .all(|pair| pair[0].offset + pair[0].length < pair[1].offset)
        );

        let fresh = file.extents(file.stat().mtime).unwrap();
        assert_eq!(fresh.as_ref(), Some(&extents));
        assert!(file.is_zero_outside(&extents).unwrap());
        let without_first = extents.get(1..).unwrap();
        assert!(!file.is_zero_outside(without_first).unwrap());
    }

    #[test]
    fn a_file_that_is_one_hole_has_no_extent_and_a_dense_one_no_map() {
        let temp = tempfile::tempdir().unwrap();
        let hole = std_fs::File::create(temp.path().join("hole")).unwrap();
        hole.set_len(8 << 40).unwrap();
        assert_eq!(
            open(temp.path(), b"hole").unwrap().extents(LATER).unwrap(),
            Some(vec![])
        );
        let dense = std_fs::File::create(temp.path().join("dense")).unwrap();
        dense.write_all_at(&[7; 8192], 0).unwrap();
        dense.sync_all().unwrap();
        assert_eq!(
            open(temp.path(), b"dense").unwrap().extents(LATER).unwrap(),
            None
        );
    }
}
