//! Hostile names, holes, pipes, sockets, devices.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::generate::{Attempt, Growing};
use super::names;

/// A file of each hostile name, and folders of some.
pub(super) fn hostile_names(tree: &mut Growing) {
    let home = tree.folder("hostile");
    for (number, name) in names::hostile_names().into_iter().enumerate() {
        let path = home.join(&name);
        let what = format!("the name {name:?}");
        if number % 5 == 4 {
            let made = fs::create_dir(&path);
            if tree.attempt(&what, made) == Attempt::Made {
                tree.add(&path);
                tree.file_at(&path.join(&name), name.as_encoded_bytes());
            }
        } else {
            let made = fs::write(&path, name.as_encoded_bytes());
            if tree.attempt(&what, made) == Attempt::Made {
                tree.add(&path);
            }
        }
    }
}

/// Files whose bytes are mostly not there.
pub(super) fn sparse(tree: &mut Growing) {
    const MIB: u64 = 1 << 20;
    let cases: [(&str, u64, &[u64]); 5] = [
        ("hole-only", 3 * MIB, &[]),
        ("hole-first", 2 * MIB, &[MIB + MIB / 2]),
        ("hole-last", 2 * MIB + 17, &[0]),
        (
            "holes-between",
            8 * MIB,
            &[0, 2 * MIB, 5 * MIB, 8 * MIB - 65_536],
        ),
        // Longer than a small machine's memory budget, if somebody reads it at once.
        ("hole-giant", 1 << 30, &[1 << 29]),
    ];
    for (name, size, data) in cases {
        let path = tree.place(name);
        let body = tree.random.bytes(65_536);
        let made = write_sparse(&path, size, data, &body);
        if tree.attempt(name, made) == Attempt::Made {
            tree.add(&path);
        }
    }
}

fn write_sparse(path: &Path, size: u64, data: &[u64], body: &[u8]) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    for offset in data {
        file.write_all_at(body, *offset)?;
    }
    Ok(())
}

/// Named pipes.
pub(super) fn fifos(tree: &mut Growing) {
    for name in ["pipe", "pipe with no reader"] {
        node(tree, name, FileType::Fifo, 0);
    }
}

/// Sockets nobody listens at.
pub(super) fn sockets(tree: &mut Growing) {
    node(tree, "socket", FileType::Socket, 0);
}

/// Devices, one with numbers that need more than 8 bits.
pub(super) fn devices(tree: &mut Growing) {
    node(tree, "null", FileType::CharacterDevice, makedev(1, 3));
    node(tree, "loop", FileType::BlockDevice, makedev(7, 99));
    let wide = makedev(0xabc, 0x1_2345);
    node(tree, "wide", FileType::CharacterDevice, wide);
}

fn node(tree: &mut Growing, name: &str, kind: FileType, device: u64) {
    let path = tree.place(name);
    let made = mknodat(CWD, &path, kind, Mode::RUSR | Mode::WUSR, device);
    if tree.attempt(name, made) == Attempt::Made {
        tree.add(&path);
    }
}
