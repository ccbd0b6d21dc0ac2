//! Symbolic links and hard links.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use rustix::fs::{AtFlags, CWD, FileType, Mode, linkat, mknodat};

use super::generate::{Attempt, Growing};

/// Links of every kind; most lead nowhere, and none may ever be followed.
pub(super) fn symlinks(tree: &mut Growing) {
    let target = tree.file("linked-to", b"at the end of a link");
    let long = "up/../".repeat(170);
    let cases: [(&str, &OsStr); 10] = [
        ("link-to-file", target.file_name().unwrap_or_default()),
        ("link-to-folder", OsStr::new(".")),
        ("link-up", OsStr::new("..")),
        ("link-dangling", OsStr::new("no/such/thing")),
        ("link-absolute", OsStr::new("/etc/hostname")),
        ("link-to-itself", OsStr::new("link-to-itself")),
        ("link-far-up", OsStr::new("../../../../../../etc")),
        ("link-not-utf8", OsStr::from_bytes(b"\xff\xfe/\n")),
        ("link-long", OsStr::new(&long)),
        ("link-with-slashes", OsStr::new("a//b/./c/")),
    ];
    for (name, to) in cases {
        let path = tree.place(name);
        let made = symlink(to, &path);
        if tree.attempt(name, made) == Attempt::Made {
            tree.add(&path);
        }
    }
}

/// Several names of one file, in several folders; and of things that are no files.
pub(super) fn hard_links(tree: &mut Growing) {
    for (group, names) in [2, 3, 5].into_iter().enumerate() {
        let size = 1000 * (group + 1);
        let body = tree.random.bytes(size);
        let first = tree.file(format!("group-{group}-name-0"), &body);
        for number in 1..names {
            let path = tree.place(format!("group-{group}-name-{number}"));
            let made = fs::hard_link(&first, &path);
            if tree.attempt("a hard link", made) == Attempt::Made {
                tree.add(&path);
            }
        }
    }
    // Equal bytes, yet two files: to be told apart from one file with two names.
    tree.file("twin-1", b"twins");
    tree.file("twin-2", b"twins");
    let link = tree.place("linked-link-0");
    if tree.attempt("a link", symlink("nowhere", &link)) == Attempt::Made {
        tree.add(&link);
        again(tree, &link, "linked-link-1");
    }
    let pipe = tree.place("linked-pipe-0");
    let made = mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0);
    if tree.attempt("a pipe", made) == Attempt::Made {
        tree.add(&pipe);
        again(tree, &pipe, "linked-pipe-1");
    }
}

fn again(tree: &mut Growing, first: &std::path::Path, name: &str) {
    let path = tree.place(name);
    let made = linkat(CWD, first, CWD, &path, AtFlags::empty());
    if tree.attempt(name, made) == Attempt::Made {
        tree.add(&path);
    }
}
