//! Places behind rclone: one of its configured remotes, and a path there.

use std::fmt;

use crate::failure::Failure;

/// `REMOTE:PATH` as rclone takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RcloneUrl {
    remote: String,
    path: String,
}

impl RcloneUrl {
    /// Reads `remote:path`.
    pub(super) fn parse(rest: &str) -> Result<Self, Failure> {
        let (remote, path) = rest
            .split_once(':')
            .ok_or_else(|| Failure::usage("`rclone:` needs a remote and a path").hint(FORM))?;
        // Parameters of a remote made on the fly are where people put keys.
        let is_configured = remote
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.+@ ".contains(c));
        if remote.is_empty() || remote.starts_with(['-', ' ']) || !is_configured {
            return Err(Failure::usage(
                "rclone's remote is not named by a name of its configuration",
            )
            .hint("make one with `rclone config`: keys do not belong into URLs")
            .hint(FORM));
        }
        Ok(Self {
            remote: remote.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// As rclone takes it.
    pub(crate) fn target(&self) -> String {
        format!("{}:{}", self.remote, self.path)
    }
}

const FORM: &str = "write rclone:REMOTE:PATH";

impl fmt::Display for RcloneUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rclone:{}:{}", self.remote, self.path)
    }
}
