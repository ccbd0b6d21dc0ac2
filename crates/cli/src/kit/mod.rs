//! The recovery kit: everything that is needed on an empty machine, on paper.
//!
//! It holds the recovery key, so whoever reads it can read the backups. It is made once, when the
//! repository is made, as text and as one printable page.

mod handing;
mod html;
mod qr;
mod reading;
mod text;

pub(crate) use handing::{KitFiles, kit_of};
pub(crate) use html::page;
pub(crate) use reading::{TypedKit, fingerprint, read};
pub(crate) use text::{command_lines, text};

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::storage_key::StorageKey;

/// What a kit says. The secrets in it are erased when it is dropped.
pub(crate) struct Kit {
    /// The repository, as for `--repo`.
    pub(crate) repository: String,
    /// Eight words: the repository, and one entry that today's state must extend.
    pub(crate) fingerprint: String,
    /// The recovery key in 7 groups of 4.
    pub(crate) recovery_key: Zeroizing<String>,
    /// What the password needs beside it, if the repository was made so.
    pub(crate) kit_secret: Option<Zeroizing<String>>,
    /// The key of the storage, if the owner wants it there.
    pub(crate) storage_key: Option<StorageKey>,
    /// The day it was made.
    pub(crate) made: String,
    /// The machine that made it.
    pub(crate) machine: String,
    /// The program's version.
    pub(crate) version: &'static str,
}

/// A new file for a secret, opened before the secret exists: mode 0600, never an existing file.
///
/// Dropped without [`SecretFile::write`], it removes the empty file again.
pub(crate) struct SecretFile {
    path: PathBuf,
    file: Option<fs::File>,
}

impl SecretFile {
    /// Makes the file.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::usage(format!("there is already a file {}", path.display()))
                    .hint("it may be the kit of another repository; choose another name")
            }
            _ => {
                Failure::usage(format!("cannot make the file {}", path.display())).caused_by(&error)
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
        })
    }

    /// Fills it; returns when it is on the disk.
    pub(crate) fn write(mut self, contents: &str) -> Result<(), Failure> {
        self.fill(contents)
    }

    /// The same for who needs its name afterwards.
    pub(crate) fn fill(&mut self, contents: &str) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        let path = self.path.display();
        file.write_all(contents.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| Failure::other(format!("cannot write {path}")).caused_by(&error))
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // It is empty and ours; if it cannot go, it does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
pub(crate) fn sample() -> Kit {
    Kit {
        repository: "/mnt/backup/it's <here>".to_owned(),
        fingerprint: "robust erupt end cluster fantasy plate armor hybrid".to_owned(),
        recovery_key: Zeroizing::new("ABCD-EFGH-JKMN-PQRS-TVWX-YZ01-2345".to_owned()),
        kit_secret: None,
        storage_key: None,
        made: "2026-11-21".to_owned(),
        machine: "laptop<script>".to_owned(),
        version: "0.1.0",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_file_is_private_and_never_replaces_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kit.txt");
        SecretFile::create(&path)
            .expect("made")
            .write("secret")
            .expect("written");
        assert_eq!(
            fs::metadata(&path).expect("a file").permissions().mode() & 0o777,
            0o600
        );
        let failure = SecretFile::create(&path).map(drop).expect_err("it exists");
        assert!(failure.message.contains("already"));
        assert_eq!(fs::read_to_string(&path).expect("kept"), "secret");
    }

    #[test]
    fn an_unused_secret_file_goes_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kit.txt");
        drop(SecretFile::create(&path).expect("made"));
        assert!(!path.exists());
    }
}
