//! What a user may say about the way to the storage: on the command line, in the environment, or as
//! `[profile.NAME.storage]` in config.toml, under the same names and in the same words.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::{size, span};

/// The way to the storage. Nothing here is needed to reach an ordinary one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[command(next_help_heading = "Storage (ownkey help storage)")]
pub(crate) struct StorageOptions {
    /// Upload no faster than this: 500 (KiB a second), 2M
    #[arg(
        long,
        global = true,
        value_name = "RATE",
        env = "OWNKEY_LIMIT_UPLOAD",
        hide_env = true
    )]
    pub(crate) limit_upload: Option<Rate>,
    /// Download no faster than this
    #[arg(
        long,
        global = true,
        value_name = "RATE",
        env = "OWNKEY_LIMIT_DOWNLOAD",
        hide_env = true
    )]
    pub(crate) limit_download: Option<Rate>,
    /// How long to try again when the storage does not answer (15m)
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "OWNKEY_RETRY_FOR",
        hide_env = true
    )]
    pub(crate) retry_for: Option<Span>,
    /// Requests in flight at once (8)
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "OWNKEY_CONNECTIONS",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) connections: Option<NonZeroUsize>,
    /// Read nothing from the local cache, and keep nothing in it
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,
    /// Trust the certificate authorities of this PEM file as well
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "OWNKEY_CACERT",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) cacert: Option<PathBuf>,
    /// Go through this proxy (else HTTPS_PROXY, ALL_PROXY, NO_PROXY)
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "OWNKEY_PROXY",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) proxy: Option<String>,
    /// Reach other machines by http:// too, where everybody on the way can read along
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) insecure_http: bool,
    /// S3: the storage class of what is large, for example STANDARD_IA
    #[arg(
        long,
        global = true,
        value_name = "CLASS",
        env = "OWNKEY_S3_STORAGE_CLASS",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) s3_storage_class: Option<String>,
    /// S3: ask the cloud machine that this runs on for credentials
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) s3_instance_credentials: bool,
    /// S3: lock what is stored against deletion: 30d, 30d:governance
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "OWNKEY_OBJECT_LOCK",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) object_lock: Option<LockWish>,
    /// SFTP: the command that connects, instead of ssh
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        env = "OWNKEY_SFTP_COMMAND",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) sftp_command: Option<String>,
    /// rclone: the program, instead of the rclone in PATH
    #[arg(
        long,
        global = true,
        value_name = "PROGRAM",
        env = "OWNKEY_RCLONE_PROGRAM",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) rclone_program: Option<PathBuf>,
}

impl StorageOptions {
    /// These where they say something, else the others.
    pub(crate) fn over(self, others: Self) -> Self {
        Self {
            limit_upload: self.limit_upload.or(others.limit_upload),
            limit_download: self.limit_download.or(others.limit_download),
            retry_for: self.retry_for.or(others.retry_for),
            connections: self.connections.or(others.connections),
            no_cache: self.no_cache || others.no_cache,
            cacert: self.cacert.or(others.cacert),
            proxy: self.proxy.or(others.proxy),
            insecure_http: self.insecure_http || others.insecure_http,
            s3_storage_class: self.s3_storage_class.or(others.s3_storage_class),
            s3_instance_credentials: self.s3_instance_credentials || others.s3_instance_credentials,
            object_lock: self.object_lock.or(others.object_lock),
            sftp_command: self.sftp_command.or(others.sftp_command),
            rclone_program: self.rclone_program.or(others.rclone_program),
        }
    }
}

/// Bytes a second; a bare number counts in KiB, as restic's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Rate(pub(crate) NonZeroU64);

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Span(pub(crate) Duration);

/// For how long what is stored is locked, and who could open the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct LockWish {
    pub(crate) period: Duration,
    pub(crate) keeper: Keeper,
}

/// Who can open an object lock before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// Nobody, the account's owner included ("compliance").
    Nobody,
    /// Who has the special permission ("governance").
    Privileged,
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let bare = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
        let bytes = match bare {
            true => size::parse(&format!("{written}K"))?,
            false => size::parse(written)?,
        };
        NonZeroU64::new(bytes).map(Self).ok_or_else(|| {
            "a rate of nothing would never end; leave it out for no limit".to_owned()
        })
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        span::parse(written).map(Self)
    }
}

/// A lock below this protects nobody: it is over before anybody looks.
const SHORTEST_LOCK: Duration = Duration::from_secs(24 * 3600);
/// A slip of the pen (`300d` for `30d`) cannot be taken back; a century certainly is one.
const LONGEST_LOCK: Duration = Duration::from_secs(3650 * 24 * 3600);

impl std::str::FromStr for LockWish {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (time, mode) = written.split_once(':').unwrap_or((written, "compliance"));
        let keeper = match mode {
            "compliance" => Keeper::Nobody,
            "governance" => Keeper::Privileged,
            _ => return Err(format!("`{mode}` is neither compliance nor governance")),
        };
        let period = span::parse(time)?;
        if !(SHORTEST_LOCK..=LONGEST_LOCK).contains(&period) {
            return Err(format!("`{time}` is not between a day and ten years"));
        }
        Ok(Self { period, keeper })
    }
}

/// A text of config.toml, or a number where one is meant.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Written {
    Text(String),
    Number(u64),
}

impl Written {
    /// As on the command line.
    pub(crate) fn read<T: std::str::FromStr<Err = String>>(self) -> Result<T, String> {
        match self {
            Self::Text(text) => text.parse(),
            Self::Number(number) => number.to_string().parse(),
        }
    }
}

impl TryFrom<Written> for Rate {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

impl TryFrom<Written> for Span {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

impl TryFrom<Written> for LockWish {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        written.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(written: &str) -> Result<u64, String> {
        written.parse::<Rate>().map(|rate| rate.0.get())
    }

    #[test]
    fn a_bare_rate_counts_in_kib_as_restics_does() {
        assert_eq!(rate("500"), Ok(500 << 10));
        assert_eq!(rate("2M"), Ok(2 << 20));
        for written in ["0", "", "-1", "fast"] {
            assert!(rate(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_lock_says_for_how_long_and_who_could_open_it() {
        let lock: LockWish = "30d".parse().expect("a lock");
        assert_eq!(lock.keeper, Keeper::Nobody);
        assert_eq!(lock.period, Duration::from_secs(30 * 86_400));
        let lock: LockWish = "2w:governance".parse().expect("a lock");
        assert_eq!(lock.keeper, Keeper::Privileged);
        for written in ["", "30", "1h", "30d:forever", "20000d"] {
            assert!(written.parse::<LockWish>().is_err(), "{written}");
        }
    }

    #[test]
    fn the_command_line_stands_over_the_profile() {
        let profile: StorageOptions = toml::from_str(
            "limit-upload = \"1M\"\nretry-for = \"5m\"\nconnections = 4\nobject-lock = \"30d\"\n",
        )
        .expect("options");
        let flags = StorageOptions {
            limit_upload: "2M".parse().ok(),
            ..StorageOptions::default()
        };
        let both = flags.over(profile);
        assert_eq!(both.limit_upload, "2M".parse().ok());
        assert_eq!(both.retry_for, Some(Span(Duration::from_secs(300))));
        assert_eq!(both.connections, NonZeroUsize::new(4));
        assert!(toml::from_str::<StorageOptions>("limit-uplaod = \"1M\"").is_err());
        assert!(toml::from_str::<StorageOptions>("limit-upload = \"0\"").is_err());
    }
}
