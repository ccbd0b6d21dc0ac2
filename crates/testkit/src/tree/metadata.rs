//! Attributes, ACLs, owners, modes, times, flags.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::Path;

use rustix::fs::{IFlags, Timespec, XattrFlags, ioctl_getflags, ioctl_setflags, lsetxattr};

use super::generate::{Attempt, Growing};

/// Attributes of users.
pub(super) fn xattrs(tree: &mut Growing) {
    let plain = tree.file("xattrs", b"with attributes");
    let odd = OsStr::from_bytes(b"user.\xff\n odd");
    for (name, value) in [
        (OsStr::new("user.comment"), &b"a comment"[..]),
        (OsStr::new("user.empty"), b""),
        (OsStr::new("user.binary"), b"\0\x01\xff\0"),
        (odd, b"odd name"),
    ] {
        set_xattr(tree, &plain, name, value);
    }
    let large = tree.file("xattr-large", b"with a large attribute");
    // ext4 keeps all attributes of a file in its inode and one block of 4 KiB.
    let value = tree.random.bytes(3000);
    set_xattr(tree, &large, OsStr::new("user.large"), &value);
    let many = tree.folder("xattrs-many");
    for number in 0..24 {
        let name = format!("user.number-{number}");
        set_xattr(tree, &many, OsStr::new(&name), name.as_bytes());
    }
}

/// Attributes that only root can set.
pub(super) fn privileged_xattrs(tree: &mut Growing) {
    let capable = tree.file("capable", b"#!/bin/sh\n");
    // struct vfs_cap_data (linux/capability.h): revision 2 with the effective bit, then permitted
    // and inheritable in two halves each, all little-endian. Permitted: CAP_NET_BIND_SERVICE.
    let words: [u32; 5] = [0x0200_0001, 1 << 10, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    set_xattr(tree, &capable, OsStr::new("security.capability"), &value);
    let trusted = tree.file("trusted", b"with a trusted attribute");
    set_xattr(
        tree,
        &trusted,
        OsStr::new("trusted.ownkey-test"),
        b"trusted",
    );
    let link = tree.place("trusted-link");
    if tree.attempt("a link", symlink("nowhere", &link)) == Attempt::Made {
        tree.add(&link);
        set_xattr(tree, &link, OsStr::new("trusted.ownkey-test"), b"of a link");
    }
}

/// Access control lists, as the bytes of their attributes (linux/posix_acl_xattr.h).
pub(super) fn acls(tree: &mut Growing) {
    let listed = tree.file("listed", b"with an access list");
    let value = acl(&[
        (USER_OBJ, 6, NO_ID),
        (USER, 4, 12_345),
        (GROUP_OBJ, 4, NO_ID),
        (GROUP, 6, 54_321),
        (MASK, 6, NO_ID),
        (OTHER, 0, NO_ID),
    ]);
    set_xattr(tree, &listed, OsStr::new(ACCESS), &value);
    let folder = tree.folder("listed-folder");
    let entered = acl(&[
        (USER_OBJ, 7, NO_ID),
        (USER, 1, 12_345),
        (GROUP_OBJ, 5, NO_ID),
        (MASK, 5, NO_ID),
        (OTHER, 0, NO_ID),
    ]);
    set_xattr(tree, &folder, OsStr::new(ACCESS), &entered);
    let inherited = acl(&[
        (USER_OBJ, 7, NO_ID),
        (USER, 5, 12_345),
        (GROUP_OBJ, 5, NO_ID),
        (MASK, 7, NO_ID),
        (OTHER, 1, NO_ID),
    ]);
    set_xattr(tree, &folder, OsStr::new(DEFAULT), &inherited);
    // Made after the default list was set, so it inherits.
    tree.file_at(&folder.join("heir"), b"with an inherited list");
}

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NO_ID: u32 = u32::MAX;

fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(rights.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

/// Things of other users.
pub(super) fn owners(tree: &mut Growing) {
    let cases = [("owned-low", 1, 1), ("owned-high", 2_000_000_000, 54_321)];
    for (name, user, group) in cases {
        let path = tree.file(name, b"of another user");
        tree.attempt(name, lchown(&path, Some(user), Some(group)));
    }
    let folder = tree.folder("owned-folder");
    tree.attempt("owned-folder", lchown(&folder, Some(12_345), Some(12_345)));
    let link = tree.place("owned-link");
    if tree.attempt("a link", symlink("nowhere", &link)) == Attempt::Made {
        tree.add(&link);
        tree.attempt("owned-link", lchown(&link, Some(12_345), Some(54_321)));
    }
}

/// Modes beyond the ordinary.
pub(super) fn modes(tree: &mut Growing) {
    for mode in [0o4755, 0o2755, 0o6711, 0o400, 0o777, 0o070, 0o007] {
        // Whoever is not root could not read the last two back.
        if mode & 0o400 == 0 && !rustix::process::geteuid().is_root() {
            continue;
        }
        let path = tree.file(format!("mode-{mode:o}"), b"with an odd mode");
        let set = fs::set_permissions(&path, Permissions::from_mode(mode));
        tree.attempt("a mode", set);
    }
    for mode in [0o1777, 0o2775, 0o700] {
        let path = tree.folder(format!("folder-mode-{mode:o}"));
        let set = fs::set_permissions(&path, Permissions::from_mode(mode));
        tree.attempt("a mode", set);
    }
}

/// Folders that take no new names, one in the other.
pub(super) fn read_only_folders(tree: &mut Growing) {
    let outer = tree.folder("read-only");
    let inner = outer.join("inner");
    let made = fs::create_dir(&inner);
    made.unwrap_or_else(|error| panic!("{}: {error}", inner.display()));
    tree.add(&inner);
    tree.file_at(&outer.join("file"), b"in a read-only folder");
    tree.file_at(&inner.join("file"), b"in another");
    for folder in [inner, outer] {
        let set = fs::set_permissions(&folder, Permissions::from_mode(0o555));
        tree.attempt("a read-only folder", set);
    }
}

/// Times that do not fit where programmers put them.
pub(super) fn odd_times(tree: &mut Growing) {
    for (name, tv_sec, tv_nsec) in [
        ("time-zero", 0, 0),
        ("time-before-1970", -1, 999_999_999),
        ("time-1950", -631_152_000, 123_456_789),
        ("time-oldest-32-bit", i64::from(i32::MIN) + 1, 1),
        ("time-after-2038", 1 << 31, 5),
        ("time-after-2106", 1 << 32, 999_999_999),
    ] {
        let path = tree.file(name, name.as_bytes());
        tree.keep_time(&path, Timespec { tv_sec, tv_nsec });
    }
    let folder = tree.folder("time-folder");
    let time = Timespec {
        tv_sec: -2,
        tv_nsec: 2,
    };
    tree.keep_time(&folder, time);
}

/// Flags that do no harm to whoever cleans up.
pub(super) fn flags(tree: &mut Growing) {
    let file = tree.file("flag-no-dump", b"not to be dumped");
    set_flags(tree, &file, IFlags::NODUMP);
    let file = tree.file("flags-two", b"neither dumped nor timed");
    set_flags(tree, &file, IFlags::NODUMP | IFlags::NOATIME);
    let folder = tree.folder("flag-folder");
    set_flags(tree, &folder, IFlags::NODUMP);
}

fn set_flags(tree: &mut Growing, path: &Path, more: IFlags) {
    let set = || -> std::io::Result<()> {
        let file = File::open(path)?;
        let flags = ioctl_getflags(&file)?;
        Ok(ioctl_setflags(&file, flags | more)?)
    };
    tree.attempt("a file flag", set());
}

fn set_xattr(tree: &mut Growing, path: &Path, name: &OsStr, value: &[u8]) {
    let set = lsetxattr(path, name, value, XattrFlags::empty());
    tree.attempt(&format!("the attribute {name:?}"), set);
}
