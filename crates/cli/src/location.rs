//! Where a repository is, as the user writes it.
//!
//! One grammar: a path, or a URL. Kinds of storage that this program does not reach are recognised
//! and refused by name, so that `s3://bucket` never becomes a folder called `s3:`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;
use crate::ui::sanitize;

/// The place of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepositoryUrl {
    /// A folder of a mounted file system; absolute.
    Folder(PathBuf),
}

impl RepositoryUrl {
    /// Reads what the user wrote; a relative path starts at `here`.
    pub(crate) fn parse(written: &OsStr, here: Option<&Path>) -> Result<Self, Failure> {
        if written.is_empty() {
            return Err(Failure::usage("the repository's place is empty").hint(WHERE_HINT));
        }
        match written.to_str().and_then(split_scheme) {
            None => folder(Path::new(written), here),
            Some(("file", rest)) => file_url(rest),
            Some((scheme, rest)) => Err(refuse(scheme, rest)),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        let Self::Folder(path) = self;
        path
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&sanitize::path(self.folder()))
    }
}

/// How to name a repository, wherever one is missing.
pub(crate) const WHERE_HINT: &str =
    "say where it is with --repo PATH, with OWNKEY_REPOSITORY, or in a profile of config.toml";

/// Kinds of storage known by name: as this program's URLs, and as restic's users write them.
const KNOWN: [(&str, &str); 17] = [
    ("s3", "S3"),
    ("sftp", "SFTP"),
    ("ssh", "SFTP"),
    ("rest", "a REST server"),
    ("http", "WebDAV"),
    ("https", "WebDAV"),
    ("webdav", "WebDAV"),
    ("webdavs", "WebDAV"),
    ("rclone", "rclone"),
    ("b2", "Backblaze B2"),
    ("azure", "Azure"),
    ("gs", "Google Cloud Storage"),
    ("swift", "Swift"),
    ("ftp", "FTP"),
    ("smb", "SMB"),
    ("nfs", "NFS"),
    ("opendal", "OpenDAL"),
];

/// `scheme://rest` of any scheme, or `scheme:rest` of a known one.
fn split_scheme(written: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = written.split_once(':')?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_known = scheme == "file" || KNOWN.iter().any(|(known, _)| *known == scheme);
    (is_scheme && (is_known || rest.starts_with("//"))).then_some((scheme, rest))
}

fn refuse(scheme: &str, rest: &str) -> Failure {
    let authority = rest
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    if authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
    {
        return Failure::usage("the repository's URL has a password in it")
            .hint("take it out: URLs end up in logs and process lists");
    }
    match KNOWN.iter().find(|(known, _)| *known == scheme) {
        Some((_, kind)) => Failure::usage(format!(
            "this build cannot reach {kind}: it keeps repositories in folders only"
        ))
        .hint("mount that storage as a folder and give its path")
        .hint(format!(
            "a folder really called `{scheme}:…` can be written as ./{scheme}:…"
        )),
        None => Failure::usage(format!("there is no kind of repository called {scheme}://"))
            .hint(WHERE_HINT),
    }
}

fn file_url(rest: &str) -> Result<RepositoryUrl, Failure> {
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
    let path = PathBuf::from(OsString::from_vec(percent_decoded(path.as_bytes())?));
    folder(&path, None)
}

fn percent_decoded(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let bad = || Failure::usage("a file URL holds a % that is not followed by two hex digits");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            digit
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(bad)
        };
        out.push(digit()? << 4 | digit()?);
    }
    Ok(out)
}

/// Absolute, without `.` and doubled slashes; `..` stays, for only the file system can resolve it.
fn folder(path: &Path, here: Option<&Path>) -> Result<RepositoryUrl, Failure> {
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
    Ok(RepositoryUrl::Folder(
        whole
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Class;

    fn parse(written: &str) -> Result<RepositoryUrl, Failure> {
        RepositoryUrl::parse(OsStr::new(written), Some(Path::new("/here")))
    }

    fn path(written: &str) -> PathBuf {
        parse(written).expect("a folder").folder().to_owned()
    }

    #[test]
    fn paths_become_absolute() {
        assert_eq!(path("/srv/backup"), Path::new("/srv/backup"));
        assert_eq!(path("backup/./mine//"), Path::new("/here/backup/mine"));
        assert_eq!(path("a:b"), Path::new("/here/a:b"));
        assert_eq!(path("./s3:x"), Path::new("/here/s3:x"));
    }

    #[test]
    fn file_urls_are_folders() {
        assert_eq!(path("file:///srv/my%20backup"), Path::new("/srv/my backup"));
        assert_eq!(path("file:/srv"), Path::new("/srv"));
        assert_eq!(path("file://localhost/srv"), Path::new("/srv"));
        assert!(parse("file://server/share").is_err());
        assert!(parse("file:///a%2").is_err());
        assert!(parse("file:///a%00").is_err());
    }

    #[test]
    fn other_kinds_of_storage_are_refused_by_name() {
        for written in [
            "s3://host/bucket",
            "s3:https://host/bucket",
            "sftp:me@host:/x",
            "sftp://h/x",
            "rclone:x:",
        ] {
            let failure = parse(written).expect_err("not reachable");
            assert_eq!(failure.class, Class::Usage);
            assert!(
                failure.message.starts_with("this build cannot reach"),
                "{}",
                failure.message
            );
        }
        assert!(
            parse("gopher://x")
                .expect_err("unknown")
                .message
                .contains("gopher://")
        );
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let failure = parse("sftp://me:hunter2@host/x").expect_err("a secret");
        assert!(failure.message.contains("password"));
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_place_is_an_error() {
        assert_eq!(parse("").expect_err("empty").class, Class::Usage);
    }
}
