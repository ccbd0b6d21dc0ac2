//! rclone as a server over HTTP: WebDAV, and restic's REST protocol.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::process::Server;
use super::{free_port, rclone, request};

const USER: &str = "test";
const PASSWORD: &str = "test-password";

/// A running server over a folder, with a user and a password.
#[derive(Debug)]
pub struct HttpServer {
    server: Server,
    port: u16,
}

impl HttpServer {
    /// `rclone serve webdav`.
    #[must_use]
    pub fn webdav() -> Option<Self> {
        Self::start("webdav", &[])
    }

    /// `rclone serve restic`.
    #[must_use]
    pub fn rest() -> Option<Self> {
        Self::start("restic", &[])
    }

    /// `rclone serve restic --append-only`.
    #[must_use]
    pub fn rest_append_only() -> Option<Self> {
        Self::start("restic", &["--append-only"])
    }

    /// `http://127.0.0.1:PORT/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The port, for a proxy in between.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The folder that is served.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.server.folder().join("data")
    }

    fn start(service: &str, options: &[&str]) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        let port = free_port();
        let mut command = rclone(service, folder.path())?;
        command
            .args(["--user", USER, "--pass", PASSWORD])
            .args(["--addr", &format!("127.0.0.1:{port}")])
            .args(options)
            .arg(&data);
        let ready = || request(port, "GET", "/", &[], b"").is_ok();
        let server = Server::start(folder, &command, ready)?;
        Some(Self { server, port })
    }
}
