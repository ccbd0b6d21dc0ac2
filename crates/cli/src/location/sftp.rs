//! Places behind ssh.

use std::fmt;

use super::{encoded, names, without_password};
use crate::failure::Failure;

/// A folder of another machine. The host may be a name from ssh's own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SftpUrl {
    /// The user there; without one ssh decides.
    pub(crate) user: Option<String>,
    /// A host name, an address, or a name of ssh's configuration.
    pub(crate) host: String,
    /// The port; without one ssh decides.
    pub(crate) port: Option<u16>,
    /// Where the path starts.
    pub(crate) start: Start,
    /// The path, without slashes around it.
    pub(crate) path: String,
}

/// Where a path on the other machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At its root.
    Root,
    /// In the user's home folder.
    Home,
}

impl SftpUrl {
    /// Reads `//user@host:port/path`, or as scp writes it `user@host:path`.
    pub(super) fn parse(rest: &str) -> Result<Self, Failure> {
        let Some(rest) = rest.strip_prefix("//") else {
            return scp(rest);
        };
        without_password(rest)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (start, path) = match path.strip_prefix("~/").or((path == "~").then_some("")) {
            Some(below_home) => (Start::Home, below_home),
            None => (Start::Root, path),
        };
        let (user, address) = split_user(authority);
        let (host, port) = split_port(address)?;
        Self::checked(user, host, port, (start, names(path)?))
    }

    fn checked(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        (start, path): (Start, String),
    ) -> Result<Self, Failure> {
        let is_plain = |text: &str, also: &str| {
            // A dash in front would be an option of ssh.
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || also.contains(c))
        };
        if !is_plain(host, "._-:") || user.is_some_and(|user| !is_plain(user, "._-+@")) {
            return Err(Failure::usage(
                "the repository's URL names no host, or one that ssh cannot take",
            )
            .hint("write sftp://USER@HOST/PATH, with ~/ before a path in the home folder"));
        }
        if start == Start::Root && path.is_empty() {
            return Err(Failure::usage(
                "the repository's URL names no folder on the other machine",
            )
            .hint("write sftp://USER@HOST/PATH, with ~/ before a path in the home folder"));
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            start,
            path,
        })
    }

    /// The path as the other machine takes it; a relative one starts in the home folder.
    pub(crate) fn remote_path(&self) -> String {
        match (self.start, self.path.as_str()) {
            (Start::Root, path) => format!("/{path}"),
            (Start::Home, "") => ".".to_owned(),
            (Start::Home, path) => path.to_owned(),
        }
    }
}

impl fmt::Display for SftpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("sftp://")?;
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(out, "[{}]", self.host)?,
            false => out.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        let home = match self.start {
            Start::Root => "/",
            Start::Home => "/~/",
        };
        write!(out, "{home}{}", encoded(&self.path))
    }
}

/// `user@host:path`: a path without a slash in front starts in the home folder.
fn scp(rest: &str) -> Result<SftpUrl, Failure> {
    without_password(rest)?;
    let (authority, path) = rest.split_once(':').ok_or_else(|| {
        Failure::usage("`sftp:` needs a host and a path").hint("write sftp://USER@HOST/PATH")
    })?;
    let start = match path.starts_with('/') {
        true => Start::Root,
        false => Start::Home,
    };
    let path = path.strip_prefix("~/").unwrap_or(path);
    let (user, host) = split_user(authority);
    SftpUrl::checked(user, host, None, (start, names(&encoded(path))?))
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, authority),
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), Failure> {
    let (host, port) = match address
        .strip_prefix('[')
        .and_then(|six| six.split_once(']'))
    {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let number = |port: &str| {
        port.parse()
            .map_err(|_| Failure::usage("the port in the repository's URL is not a number"))
    };
    Ok((host, port.map(number).transpose()?))
}
