//! Everything that rclone reaches, through an rclone that we start.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use http::Method;

use super::naming::Naming;
use super::{MAX_TALK, RestStorage, StdioTransport};
use crate::capabilities::CreateIfAbsent;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::{Cleartext, Endpoint, HttpClient, Patience};
use crate::location::Location;
use crate::site::Site;

/// How rclone is started.
#[derive(Debug, Clone)]
pub struct RcloneOptions {
    /// The program.
    pub program: PathBuf,
    /// What it is told besides what to serve: `--config FILE`, for example.
    pub arguments: Vec<OsString>,
    /// How many requests may be under way at a time.
    pub connections: usize,
    /// How long a transfer may stand still.
    pub patience: Patience,
}

impl Default for RcloneOptions {
    fn default() -> Self {
        Self {
            program: "rclone".into(),
            arguments: Vec::new(),
            connections: 8,
            patience: Patience::default(),
        }
    }
}

/// A folder of one of rclone's remotes, as rclone spells it: `remote:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcloneRemote(String);

/// Why a text names no remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RcloneRemoteError {
    /// Not `remote:path`.
    #[error("a remote of rclone is spelled remote:path")]
    Spelling,
    /// Settings within the name.
    #[error(
        "settings of a remote belong into rclone's own configuration, where no message shows them"
    )]
    Settings,
}

impl RcloneRemote {
    /// Checks and keeps a remote.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, RcloneRemoteError> {
        let name = text.strip_prefix(':').unwrap_or(text);
        let (name, _) = name.split_once(':').ok_or(RcloneRemoteError::Spelling)?;
        if name.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(RcloneRemoteError::Spelling);
        }
        // `:s3,secret_access_key=...:bucket`.
        if name.contains([',', '=']) {
            return Err(RcloneRemoteError::Settings);
        }
        Ok(Self(text.to_owned()))
    }
}

impl RestStorage {
    /// Starts rclone on a remote and sees that it answers.
    ///
    /// # Errors
    /// Where rclone cannot be started or gives up, with its own words.
    pub async fn through_rclone(
        remote: &RcloneRemote,
        options: &RcloneOptions,
        creation: CreateIfAbsent,
    ) -> Result<Self, StorageError> {
        let mut arguments = options.arguments.clone();
        // Without its memory of what exists, which would hide what others do.
        let serve = ["serve", "restic", "--stdio", "--cache-objects=false"];
        arguments.extend(serve.map(OsString::from));
        arguments.push(remote.0.as_str().into());
        let child = Arc::new(StdioTransport::new(options.program.clone(), arguments));
        let http = HttpClient::new(child.clone(), options.connections, options.patience);
        let location = Location::remote(&format!("rclone:{}", remote.0));
        let nowhere =
            Endpoint::new("http://localhost/", Cleartext::OnLoopback).map_err(|error| {
                StorageError::new(StorageErrorKind::Other, Operation::Open, &location)
                    .caused_by(error)
            })?;
        let storage = Self {
            site: Site::new("rclone", &nowhere, None).called(location),
            http,
            naming: Naming::Dotted,
            creation,
            child: Some(child),
            known: Arc::default(),
        };
        storage.see_that_it_answers().await?;
        Ok(storage)
    }

    /// Asks for something small. That rclone does not even begin will not pass by itself, so it is no error
    /// that may pass.
    async fn see_that_it_answers(&self) -> Result<(), StorageError> {
        let request = self.site.request(Method::HEAD, "_/ownkey");
        match self.ask(Operation::Open, request, MAX_TALK).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == StorageErrorKind::Unavailable => Err(self
                .error(StorageErrorKind::Other, Operation::Open)
                .saying("rclone does not serve it: try `rclone lsf` with the same remote")
                .caused_by(error)),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_spelled_as_rclone_does_and_hold_no_settings() {
        for text in [
            "drive:backup/ownkey",
            "drive:",
            ":memory:",
            ":local:/srv/x",
            "b2:a,b=c",
        ] {
            assert!(RcloneRemote::new(text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("", RcloneRemoteError::Spelling),
            ("drive", RcloneRemoteError::Spelling),
            (":", RcloneRemoteError::Spelling),
            ("::", RcloneRemoteError::Spelling),
            ("--config=x:", RcloneRemoteError::Spelling),
            ("a\n:", RcloneRemoteError::Spelling),
            (
                ":s3,secret_access_key=sesame:bucket",
                RcloneRemoteError::Settings,
            ),
            ("drive,token=sesame:x", RcloneRemoteError::Settings),
        ] {
            let error = RcloneRemote::new(text).expect_err(text);
            assert_eq!(error, why, "{text}");
            assert!(!error.to_string().contains("sesame"));
        }
    }
}
