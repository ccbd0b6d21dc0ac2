//! Where a storage over SFTP is, and how to get there.

use std::ffi::OsString;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use crate::capabilities::CreateIfAbsent;

/// A folder of another machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SftpPlace {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// Why parts make no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SftpPlaceError {
    /// A host that `ssh` could take for an option, or that is none.
    #[error("not a host: it must not be empty, begin with -, or hold spaces, @ or /")]
    Host,
    /// The same of a user.
    #[error("not a user: it must not be empty, begin with -, or hold spaces, @, : or /")]
    User,
    /// A path that is empty or holds a control character.
    #[error("not a path: it must not be empty or hold control characters")]
    Path,
}

impl SftpPlace {
    /// A place from its parts: the host as `ssh` knows it (an IPv6 address without brackets), and a path that
    /// begins at the root if it begins with `/` and in the home folder otherwise.
    ///
    /// # Errors
    /// The part that cannot be one.
    pub fn new(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        path: &str,
    ) -> Result<Self, SftpPlaceError> {
        let word = |text: &str, forbidden: &[char]| {
            let bad = |c: char| c.is_control() || c.is_whitespace() || forbidden.contains(&c);
            !text.is_empty() && !text.starts_with('-') && !text.contains(bad)
        };
        if !word(host, &['@', '/']) {
            return Err(SftpPlaceError::Host);
        }
        if user.is_some_and(|user| !word(user, &['@', '/', ':'])) {
            return Err(SftpPlaceError::User);
        }
        if path.is_empty() || path.contains(char::is_control) {
            return Err(SftpPlaceError::Path);
        }
        let trimmed = path.trim_end_matches('/');
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: if trimmed.is_empty() { "/" } else { trimmed }.to_owned(),
        })
    }

    /// The path of something in the folder, as the server is told.
    pub(super) fn path_of(&self, inner: &str) -> String {
        if self.path == "/" {
            format!("/{inner}")
        } else {
            format!("{}/{inner}", self.path)
        }
    }

    /// The path of the folder itself.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What `ssh` is told after its options: who, where, and that SFTP is wanted.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        arguments.extend(["-s".into(), "--".into()]);
        arguments.extend([self.host.as_str().into(), "sftp".into()]);
        arguments
    }
}

/// The canonical URL: `sftp://user@host:port/path`, with `~` in front of a path in the home folder.
impl fmt::Display for SftpPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("sftp://")?;
        if let Some(user) = &self.user {
            percent_encoded(out, user)?;
            out.write_char('@')?;
        }
        if self.host.contains(':') {
            write!(out, "[{}]", self.host)?;
        } else {
            out.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        if !self.path.starts_with('/') {
            out.write_str("/~/")?;
        }
        percent_encoded(out, &self.path)
    }
}

/// Unreserved characters of RFC 3986 §2.3 and `/` as they are, everything else as bytes.
fn percent_encoded(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// How to connect and what to believe.
#[derive(Debug, Clone)]
pub struct SftpOptions {
    /// The program that connects, and its first arguments. What stands here wins over ours, as `ssh` takes the first
    /// value it is given.
    pub command: Vec<OsString>,
    /// Whether somebody is there to be asked.
    pub prompts: Prompts,
    /// What was found out about the server; [`CreateIfAbsent::Checked`] where nothing was.
    pub create_if_absent: CreateIfAbsent,
    /// How long nothing may move before the connection is given up.
    pub patience: Duration,
}

impl Default for SftpOptions {
    fn default() -> Self {
        Self {
            command: vec!["ssh".into()],
            prompts: Prompts::Refused,
            create_if_absent: CreateIfAbsent::Checked,
            patience: Duration::from_secs(120),
        }
    }
}

/// Whether `ssh` may ask for passwords and whether a host is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    /// At the terminal of this process.
    Allowed,
    /// Never: it must do with keys and agents.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_url() {
        let url = |user, host, port, path| {
            let place = SftpPlace::new(user, host, port, path).expect("a place");
            place.to_string()
        };
        assert_eq!(url(None, "nas", None, "/srv/b/"), "sftp://nas/srv/b");
        assert_eq!(url(None, "nas", None, "b c"), "sftp://nas/~/b%20c");
        assert_eq!(
            url(Some("me"), "::1", Some(2222), "/"),
            "sftp://me@[::1]:2222/"
        );
    }

    #[test]
    fn nothing_can_be_taken_for_an_option_of_ssh() {
        let host = |host| SftpPlace::new(None, host, None, "/x").expect_err("refused");
        assert_eq!(host("-oProxyCommand=x"), SftpPlaceError::Host);
        assert_eq!(host(""), SftpPlaceError::Host);
        assert_eq!(host("a b"), SftpPlaceError::Host);
        let user = SftpPlace::new(Some("-x"), "h", None, "/x");
        assert_eq!(user.expect_err("refused"), SftpPlaceError::User);
        let place = SftpPlace::new(Some("me"), "h", Some(1), "/x").expect("a place");
        assert_eq!(
            place.arguments(),
            ["-p", "1", "-l", "me", "-s", "--", "h", "sftp"]
        );
    }
}
