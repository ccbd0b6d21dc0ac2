//! Small files that must survive a crash and be noticed when someone else changed them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ownkey_crypto::{LocalStateKey, Opened};

use crate::error::{Error, Result};

/// Makes a folder that only its owner reads.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::local("make the folder", path))
}

/// Reads a file of at most `limit` bytes; `None` if there is none.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::local("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::local("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::StateTampered(path.to_owned()));
    }
    Ok(Some(bytes))
}

/// Replaces a file durably: after a crash the old or the new bytes are there, whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let staged = stage(path, bytes)?;
    fs::rename(&staged, path).map_err(Error::local("replace", path))?;
    sync_parent(path)
}

/// Creates a file durably; fails if there is one.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let staged = stage(path, bytes)?;
    let linked = fs::hard_link(&staged, path).map_err(Error::local("create", path));
    fs::remove_file(&staged).map_err(Error::local("remove", &staged))?;
    linked?;
    sync_parent(path)
}

/// Writes and syncs a neighbour of `path`. One run at a time writes here, so one name will do.
fn stage(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    make_folder(parent(path))?;
    let staged = beside(path, &format!(".{}.new", std::process::id()));
    let synced = write_new(&staged, bytes).and_then(|file| file.sync_all());
    synced.map_err(Error::local("write", &staged))?;
    Ok(staged)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let folder = parent(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::local("sync", folder))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Reads `tag ‖ bytes`, refusing bytes that this device did not write.
pub(crate) fn read_authentic(
    path: &Path,
    key: &LocalStateKey,
    limit: u64,
) -> Result<Option<Vec<u8>>> {
    let opened = open_authentic(path, key, limit)?;
    Ok(opened.map(|opened| opened.as_bytes().to_vec()))
}

/// The same as what was opened, for decoders that take nothing else.
pub(crate) fn open_authentic(
    path: &Path,
    key: &LocalStateKey,
    limit: u64,
) -> Result<Option<Opened>> {
    let Some(bytes) = read_bounded(path, limit + 32)? else {
        return Ok(None);
    };
    let tampered = || Error::StateTampered(path.to_owned());
    let (tag, body) = bytes.split_first_chunk::<32>().ok_or_else(tampered)?;
    let opened = key.open(body.to_vec(), tag);
    opened.map(Some).map_err(|_| tampered())
}

/// Writes `tag ‖ bytes`.
pub(crate) fn write_authentic(path: &Path, key: &LocalStateKey, body: &[u8]) -> Result<()> {
    write_private(path, &tagged(key, body))
}

/// The same for what costs only time if it is lost, so that nobody waits for a disk. After a crash, or if two wrote at once,
/// it may be anything, and its tag says so.
pub(crate) fn keep_authentic(path: &Path, key: &LocalStateKey, body: &[u8]) -> Result<()> {
    make_folder(parent(path))?;
    // One name for all: what a run that was killed left there is overwritten.
    let staged = beside(path, ".new");
    write_new(&staged, &tagged(key, body)).map_err(Error::local("write", &staged))?;
    match fs::rename(&staged, path) {
        // Another run has just kept its own.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed.map_err(Error::local("replace", path)),
    }
}

fn tagged(key: &LocalStateKey, body: &[u8]) -> Vec<u8> {
    let mut bytes = key.tag(body).to_vec();
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let key = LocalStateKey::from_seed(&ownkey_crypto::IdentitySeed::from_file_bytes(&[1; 32]));
        assert!(read_authentic(&path, &key, 99).unwrap().is_none());
        write_authentic(&path, &key, b"seen").unwrap();
        assert_eq!(read_authentic(&path, &key, 99).unwrap().unwrap(), b"seen");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(
                    read_authentic(&path, &key, 99),
                    Err(Error::StateTampered(_))
                ),
                "byte {at}"
            );
        }
        fs::write(&path, &good[..20]).unwrap();
        assert!(read_authentic(&path, &key, 99).is_err());
    }

    #[test]
    fn create_private_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, b"one").unwrap();
        assert!(create_private(&path, b"two").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing staged is left"
        );
    }
}
