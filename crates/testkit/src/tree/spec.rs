//! What a generated tree has in it.

use std::collections::BTreeSet;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// How many ordinary files.
    pub files: usize,
    /// How many folders.
    pub folders: usize,
    /// The most bytes of an ordinary file.
    pub largest_file: u64,
    /// What else.
    pub ingredients: BTreeSet<Ingredient>,
}

impl Spec {
    /// A few ordinary files and folders: quick, and possible for every user on every file system.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            files: 24,
            folders: 6,
            largest_file: 256 << 10,
            ingredients: BTreeSet::new(),
        }
    }

    /// Everything that a file system can hold, with files of several MiB.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            files: 60,
            folders: 14,
            largest_file: 5 << 20,
            ingredients: Ingredient::ALL.into(),
        }
    }

    /// The same with one more ingredient.
    #[must_use]
    pub fn with(mut self, ingredient: Ingredient) -> Self {
        self.ingredients.insert(ingredient);
        self
    }

    /// The same without an ingredient.
    #[must_use]
    pub fn without(mut self, ingredient: Ingredient) -> Self {
        self.ingredients.remove(&ingredient);
        self
    }
}

/// Something beyond ordinary files and folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ingredient {
    /// Names that are not UTF-8, look like options, or would do harm on a terminal or in a shell.
    HostileNames,
    /// Links to files and folders, dangling, circular, absolute, long, not UTF-8.
    Symlinks,
    /// Groups of names of one file, across folders; also of a link and of a pipe.
    HardLinks,
    /// Files with holes at their begin, middle and end, and of nothing else.
    Sparse,
    /// Named pipes.
    Fifos,
    /// Sockets.
    Sockets,
    /// Block and character devices; needs root.
    Devices,
    /// Extended attributes of users: empty, binary, large, many, with odd names.
    Xattrs,
    /// `security.capability` and `trusted.*`; needs root.
    PrivilegedXattrs,
    /// POSIX access control lists of files and folders.
    Acls,
    /// Files and links of other users; needs root.
    Owners,
    /// setuid, setgid, sticky, and (as root) no rights at all.
    Modes,
    /// Folders that take no new names. Call [`unlock`](super::unlock) before deleting such a tree.
    ReadOnlyFolders,
    /// Times before 1970, before 1902 plus a second, after 2106, and with odd nanoseconds.
    OddTimes,
    /// File flags as of `chattr`: no dump, no access times.
    Flags,
}

impl Ingredient {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::HostileNames,
        Self::Symlinks,
        Self::HardLinks,
        Self::Sparse,
        Self::Fifos,
        Self::Sockets,
        Self::Devices,
        Self::Xattrs,
        Self::PrivilegedXattrs,
        Self::Acls,
        Self::Owners,
        Self::Modes,
        Self::ReadOnlyFolders,
        Self::OddTimes,
        Self::Flags,
    ];
}

/// What was made.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// How many names, the root not among them.
    pub entries: usize,
    /// The lengths of all ordinary files together.
    pub bytes: u64,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// A part that this machine, user or file system cannot make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Of which ingredient.
    pub ingredient: Ingredient,
    /// What, and why.
    pub reason: String,
}
