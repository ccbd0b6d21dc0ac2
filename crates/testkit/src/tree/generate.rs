//! Writes a tree from a seed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::content::Contents;
use super::spec::{Ingredient, Made, Skipped, Spec};
use super::{ingredients, links, metadata};
use crate::random::SeededRandom;

/// Writes the tree of a seed into a folder, which is made if it is missing and should be empty.
///
/// # Panics
/// When something fails that every user may do on every file system.
pub fn generate(folder: &Path, seed: u64, spec: &Spec) -> Made {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut tree = Growing::new(folder, seed);
    tree.grow_folders(spec.folders);
    tree.grow_files(spec);
    for (ingredient, add) in ADDERS {
        if spec.ingredients.contains(&ingredient) {
            // A sequence of its own for each, so that one left out changes no other.
            tree.random = SeededRandom::new(seed ^ (0x5bd1_e995 << (ingredient as u32)));
            tree.current = ingredient;
            add(&mut tree);
        }
    }
    tree.set_times(seed);
    tree.finish()
}

type Adder = fn(&mut Growing);

/// Who adds which ingredient. What others would disturb (times, rights to write) comes last.
const ADDERS: [(Ingredient, Adder); Ingredient::ALL.len()] = [
    (Ingredient::HostileNames, ingredients::hostile_names),
    (Ingredient::Symlinks, links::symlinks),
    (Ingredient::HardLinks, links::hard_links),
    (Ingredient::Sparse, ingredients::sparse),
    (Ingredient::Fifos, ingredients::fifos),
    (Ingredient::Sockets, ingredients::sockets),
    (Ingredient::Devices, ingredients::devices),
    (Ingredient::Owners, metadata::owners),
    (Ingredient::Xattrs, metadata::xattrs),
    (Ingredient::PrivilegedXattrs, metadata::privileged_xattrs),
    (Ingredient::Acls, metadata::acls),
    (Ingredient::Modes, metadata::modes),
    (Ingredient::OddTimes, metadata::odd_times),
    (Ingredient::Flags, metadata::flags),
    (Ingredient::ReadOnlyFolders, metadata::read_only_folders),
];

/// A tree that is being made.
pub(super) struct Growing {
    pub(super) random: SeededRandom,
    /// Folders that take new entries; the root is the first.
    folders: Vec<PathBuf>,
    /// Everything below the root, in the order of its making.
    entries: Vec<PathBuf>,
    /// Entries whose times are set already.
    timed: Vec<(PathBuf, Timespec)>,
    current: Ingredient,
    made: Made,
}

impl Growing {
    fn new(root: &Path, seed: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
            folders: vec![root.to_owned()],
            entries: Vec::new(),
            timed: Vec::new(),
            current: Ingredient::HostileNames,
            made: Made::default(),
        }
    }

    /// Notes something made at a path.
    pub(super) fn add(&mut self, path: &Path) {
        self.entries.push(path.to_owned());
    }

    /// A free path in some folder.
    pub(super) fn place(&mut self, name: impl AsRef<OsStr>) -> PathBuf {
        let folder = self.random.index(self.folders.len());
        self.folders[folder].join(name.as_ref())
    }

    /// A new file in some folder.
    pub(super) fn file(&mut self, name: impl AsRef<OsStr>, body: &[u8]) -> PathBuf {
        let path = self.place(name);
        self.file_at(&path, body);
        path
    }

    /// A new file.
    pub(super) fn file_at(&mut self, path: &Path, body: &[u8]) {
        let written = fs::write(path, body);
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.made.bytes += body.len() as u64;
        self.add(path);
    }

    /// A new folder in some folder; nothing else is put into it.
    pub(super) fn folder(&mut self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.place(name);
        let made = fs::create_dir(&path);
        made.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.add(&path);
        path
    }

    /// Notes a part that this machine refuses. Whether it worked is returned.
    pub(super) fn attempt<E: Into<io::Error>>(
        &mut self,
        what: &str,
        outcome: Result<(), E>,
    ) -> Attempt {
        match outcome {
            Ok(()) => Attempt::Made,
            Err(error) => {
                self.made.skipped.push(Skipped {
                    ingredient: self.current,
                    reason: format!("{what}: {}", error.into()),
                });
                Attempt::Skipped
            }
        }
    }

    /// Keeps a time that the general setting of times must not replace.
    pub(super) fn keep_time(&mut self, path: &Path, time: Timespec) {
        self.timed.push((path.to_owned(), time));
    }

    fn grow_folders(&mut self, count: usize) {
        for number in 0..count {
            // Every third goes into the newest one, so that some paths get long.
            let above = if number % 3 == 0 {
                self.folders.len() - 1
            } else {
                self.random.index(self.folders.len())
            };
            let path = self.folders[above].join(format!("folder-{number}"));
            let made = fs::create_dir(&path);
            made.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            self.add(&path);
            self.folders.push(path);
        }
    }

    fn grow_files(&mut self, spec: &Spec) {
        let mut contents = Contents::new(self.random.next_u64(), spec.largest_file);
        for number in 0..spec.files {
            let name = format!("file-{number}.{}", ["txt", "jpg", "bin"][number % 3]);
            let body = contents.next();
            self.file(name, &body);
        }
    }

    /// Times with nanoseconds for everything: deepest first, because a new name changes the time of
    /// its folder.
    fn set_times(&mut self, seed: u64) {
        let mut random = SeededRandom::new(!seed);
        let mut times: Vec<(PathBuf, Timespec)> = Vec::new();
        let paths = self.folders.first().into_iter().chain(&self.entries);
        for path in paths {
            let time = Timespec {
                tv_sec: 1_000_000_000 + random.below(700_000_000).cast_signed(),
                tv_nsec: random.below(1_000_000_000).cast_signed(),
            };
            times.push((path.clone(), time));
        }
        times.append(&mut self.timed);
        // Stable: a time that was kept comes after the general one of the same path.
        times.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
        for (path, time) in times {
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            let set = utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW);
            set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    fn finish(mut self) -> Made {
        self.made.entries = self.entries.len();
        self.made
    }
}

/// Whether something could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Made,
    Skipped,
}
