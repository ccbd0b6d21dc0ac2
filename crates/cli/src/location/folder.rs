//! Folders: paths and `file:` URLs.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use super::decoded;
use crate::failure::Failure;

/// Absolute, without `.` and doubled slashes; `..` stays, for only the file system can resolve it.
pub(super) fn from_path(path: &Path, here: Option<&Path>) -> Result<PathBuf, Failure> {
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(Failure::usage("the repository's path holds a zero byte"));
    }
    let whole = match (path.is_absolute(), here) {
        (true, _) => path.to_owned(),
        (false, Some(here)) => here.join(path),
        (false, None) => {
            return Err(Failure::usage(
                "the current folder is gone, so a relative path leads nowhere",
            )
            .hint("give the repository's absolute path"));
        }
    };
    Ok(whole
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect())
}

/// What follows `file:`.
pub(super) fn from_url(rest: &str) -> Result<PathBuf, Failure> {
    let path = match rest.strip_prefix("//") {
        Some(after) if after.starts_with('/') => after,
        Some(after) => after.strip_prefix("localhost").unwrap_or_default(),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err(
            Failure::usage("a file URL needs an absolute path on this machine")
                .hint("write it with three slashes: file:///srv/backup"),
        );
    }
    let path = PathBuf::from(OsString::from_vec(decoded(path)?));
    from_path(&path, None)
}
