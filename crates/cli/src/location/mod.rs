//! Where a repository is, as the user writes it.
//!
//! One grammar: a path, or a URL; restic's spellings are read too. Promises: what is shown can be
//! read back and means the same place; a URL never holds a secret, and one that does is refused
//! without being repeated; kinds of storage that are not reached are refused by name, so that
//! `b2:bucket` never becomes a folder called `b2:bucket`.

mod folder;
mod rclone;
mod s3;
mod sftp;
mod web;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use ownkey_storage::http::EndpointError;

use crate::failure::Failure;

pub(crate) use rclone::RcloneUrl;
pub(crate) use s3::S3Url;
pub(crate) use sftp::SftpUrl;
pub(crate) use web::WebUrl;

/// The place of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepositoryUrl {
    /// A folder of a mounted file system; absolute.
    Folder(PathBuf),
    /// A bucket of an S3 service, or a part of one.
    S3(S3Url),
    /// A folder that a user of another machine reaches through ssh.
    Sftp(SftpUrl),
    /// A folder of a WebDAV server.
    Webdav(WebUrl),
    /// A repository of a server that speaks restic's REST protocol.
    Rest(WebUrl),
    /// A path of a remote of rclone.
    Rclone(RcloneUrl),
}

impl RepositoryUrl {
    /// Reads what the user wrote; a relative path starts at `here`.
    pub(crate) fn parse(written: &OsStr, here: Option<&Path>) -> Result<Self, Failure> {
        if written.is_empty() {
            return Err(Failure::usage("the repository's place is empty").hint(WHERE_HINT));
        }
        let Some((scheme, rest)) = written.to_str().and_then(split_scheme) else {
            return folder::from_path(Path::new(written), here).map(Self::Folder);
        };
        if scheme != "file" && rest.contains(|c: char| c.is_control() || c == '\\') {
            return Err(Failure::usage(
                "the repository's URL holds a control character or a backslash",
            ));
        }
        match scheme {
            "file" => folder::from_url(rest).map(Self::Folder),
            "s3" | "s3+http" => S3Url::parse(scheme, rest).map(Self::S3),
            "sftp" => SftpUrl::parse(rest).map(Self::Sftp),
            "webdav" | "webdavs" | "dav" | "davs" | "webdav+https" | "webdav+http" => {
                WebUrl::parse(scheme, rest).map(Self::Webdav)
            }
            "rest" | "rest+https" | "rest+http" => WebUrl::parse(scheme, rest).map(Self::Rest),
            "rclone" => RcloneUrl::parse(rest).map(Self::Rclone),
            _ => Err(unknown(scheme)),
        }
    }

    /// The folder of this machine that it is, if it is one.
    pub(crate) fn as_folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            _ => None,
        }
    }

    /// What stays the same however the way there is described: the key of what this machine
    /// remembers of the place, and the storage's own name for it.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::S3(url) => url.identity(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => out.write_str(&crate::ui::sanitize::path(path)),
            Self::S3(url) => url.fmt(out),
            Self::Sftp(url) => url.fmt(out),
            Self::Webdav(url) => write!(out, "webdav+{url}"),
            Self::Rest(url) => write!(out, "rest:{url}"),
            Self::Rclone(url) => url.fmt(out),
        }
    }
}

/// How to name a repository, wherever one is missing.
pub(crate) const WHERE_HINT: &str = "say where it is with --repo, with OWNKEY_REPOSITORY, or in a profile of config.toml; \
     `ownkey help places` lists the ways to write it";

/// Kinds that are read here.
const REACHED: [&str; 14] = [
    "file",
    "s3",
    "s3+http",
    "sftp",
    "webdav",
    "webdavs",
    "dav",
    "davs",
    "webdav+https",
    "webdav+http",
    "rest",
    "rest+https",
    "rest+http",
    "rclone",
];

/// Kinds known by name, and how to reach the same place all the same.
const ELSEWHERE: [(&str, &str); 11] = [
    ("http", HTTP_HINT),
    ("https", HTTP_HINT),
    ("ssh", "write sftp://USER@HOST/PATH"),
    (
        "b2",
        "write its S3 endpoint: s3://s3.REGION.backblazeb2.com/BUCKET",
    ),
    ("azure", RCLONE_HINT),
    ("gs", RCLONE_HINT),
    ("swift", RCLONE_HINT),
    ("ftp", RCLONE_HINT),
    ("opendal", RCLONE_HINT),
    ("smb", MOUNT_HINT),
    ("nfs", MOUNT_HINT),
];

const HTTP_HINT: &str = "say what it speaks: webdav+https://HOST/PATH, rest:https://HOST/PATH, or s3:https://HOST/BUCKET";
const RCLONE_HINT: &str = "rclone reaches it: configure it there and write rclone:REMOTE:PATH";
const MOUNT_HINT: &str = "mount it and give the path of the folder";

/// `scheme://rest` of any scheme, or `scheme:rest` of a known one.
fn split_scheme(written: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = written.split_once(':')?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_known = REACHED.contains(&scheme) || ELSEWHERE.iter().any(|(known, _)| *known == scheme);
    (is_scheme && (is_known || rest.starts_with("//"))).then_some((scheme, rest))
}

fn unknown(scheme: &str) -> Failure {
    match ELSEWHERE.iter().find(|(known, _)| *known == scheme) {
        Some((_, instead)) => Failure::usage(format!(
            "`{scheme}:` does not say how to reach a repository"
        ))
        .hint(*instead)
        .hint(format!(
            "a folder really called `{scheme}:…` can be written as ./{scheme}:…"
        )),
        None => Failure::usage(format!("there is no kind of repository called {scheme}://"))
            .hint(WHERE_HINT),
    }
}

/// Refuses a password before the host. What it is is not repeated: messages end up in logs too.
fn without_password(authority: &str) -> Result<(), Failure> {
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err(Failure::usage("the repository's URL has a password in it")
            .hint("take it out: URLs end up in logs and process lists; `ownkey help storage` tells where passwords go"));
    }
    Ok(())
}

/// What a service's address was refused for, with the way out where it is encryption.
pub(crate) fn unencrypted(error: &EndpointError) -> Failure {
    let failure = Failure::usage("the repository's URL cannot be used").caused_by(error);
    match error {
        EndpointError::Cleartext { .. } => {
            failure.hint("write https://, or say --insecure-http if the network is yours alone")
        }
        _ => failure.hint("`ownkey help places` lists the ways to write a place"),
    }
}

/// Percent-encodes what is not plain in every URL; slashes stay.
fn encoded(path: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~@+=,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The bytes behind percent-encoding.
fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
    let bad = || Failure::usage("the URL holds a % that is not followed by two hex digits");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
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

/// A path of plain names: decoded, without doubled or trailing slashes, without `.` and `..`.
fn names(encoded: &str) -> Result<String, Failure> {
    let text = String::from_utf8(decoded(encoded)?)
        .map_err(|_| Failure::usage("the path in the URL is not UTF-8"))?;
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) || text.contains(char::is_control) {
        return Err(Failure::usage(
            "the path in the URL holds `.`, `..` or a control character",
        ));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests;
