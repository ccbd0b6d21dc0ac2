//! Real servers on loopback, for tests that should meet what people really run.
//!
//! - [`S3Server`]: SeaweedFS, moto, rclone, s3rver, each with fresh buckets;
//! - [`SshServer`]: OpenSSH with its own sftp, and rclone's, with keys made for the test;
//! - [`HttpServer`]: rclone as a WebDAV server and as a server of restic's REST protocol.
//!
//! Programs are looked for in the folder that `OWNKEY_SERVERS` names (its `bin`, as `.ci/servers FOLDER` fills it), in
//! `target/servers`, and in `PATH`. Where one is missing its constructor says so and gives `None`, and the test
//! skips; with `OWNKEY_SERVERS_REQUIRED=1` it panics instead.
//!
//! Promise: every server listens on 127.0.0.1 alone, keeps its data in a temporary folder, is killed with all
//! its children when its guard is dropped, and dies with the test binary however that ends, folder included.

mod find;
mod http;
mod port;
mod process;
mod rclone;
mod s3;
mod ssh;

pub use find::program;
pub use http::{Answer, request};
pub use port::free_port;
pub use process::Server;
pub use rclone::HttpServer;
pub use s3::{Bucket, LISTER, READER, S3Server};
pub use ssh::SshServer;

use std::path::Path;
use std::process::Command;

/// rclone that reads nothing of the user's.
fn rclone(service: &str, folder: &Path) -> Option<Command> {
    let mut command = Command::new(program("rclone")?);
    command
        .args(["serve", service])
        .arg("--config")
        .arg(folder.join("rclone.conf"))
        .arg("--cache-dir")
        .arg(folder.join("cache"));
    Some(command)
}
