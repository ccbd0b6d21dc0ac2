//! Servers that speak S3.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::process::Server;
use super::{find, free_port, rclone, request};

/// The key of the one user who may do everything.
const ACCESS_KEY: &str = "ownkey-test";
const SECRET: &str = "ownkey-test-secret";

/// Longer than the 100 ms that rclone believes what it knows of a folder. With 0 it looks at every folder
/// again and again, and answers in half a minute.
const UNSEEN: Duration = Duration::from_millis(150);

/// A user of SeaweedFS who may read and list, and whatever a bucket's policy adds to that: its name, its
/// access key, and with `-secret` behind it its secret.
pub const READER: &str = "ownkey-reader";

/// A user of SeaweedFS who may list, and whatever a bucket's policy adds to that; with credentials like [`READER`]'s.
pub const LISTER: &str = "ownkey-lister";

/// What a fresh bucket keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// The present alone.
    Plain,
    /// Earlier versions.
    Versioned,
    /// Earlier versions, locked where a request asks for it.
    Locked,
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3Server {
    server: Server,
    port: u16,
    access_key: &'static str,
    secret: &'static str,
    /// Where buckets are folders, which is the way to make one without a signature.
    folders: Option<PathBuf>,
    buckets: AtomicUsize,
}

impl S3Server {
    /// SeaweedFS, one for the whole test binary: conditions, versions, locks, policies.
    pub fn seaweedfs() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3Server>> = OnceLock::new();
        SHARED.get_or_init(start_seaweedfs).as_ref()
    }

    /// moto, one for the whole test binary: conditions and archive storage classes; it checks no signature.
    pub fn moto() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3Server>> = OnceLock::new();
        SHARED.get_or_init(start_moto).as_ref()
    }

    /// rclone over a folder, one for the whole test binary: ignores every condition.
    pub fn rclone() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3Server>> = OnceLock::new();
        SHARED.get_or_init(start_rclone).as_ref()
    }

    /// s3rver over a folder, one for the whole test binary: ignores every condition.
    pub fn s3rver() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<S3Server>> = OnceLock::new();
        SHARED.get_or_init(start_s3rver).as_ref()
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port, for a proxy in between.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The access key of a user who may do everything.
    #[must_use]
    pub fn access_key(&self) -> &'static str {
        self.access_key
    }

    /// That user's secret.
    #[must_use]
    pub fn secret(&self) -> &'static str {
        self.secret
    }

    /// Makes a bucket that no other test knows, and returns its name.
    ///
    /// # Panics
    /// When the server refuses, as those do that keep no versions.
    pub fn fresh_bucket(&self, kind: Bucket) -> String {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        if let Some(folders) = &self.folders {
            assert_eq!(kind, Bucket::Plain, "this server keeps no versions");
            fs::create_dir(folders.join(&name)).expect("a folder for a bucket");
            std::thread::sleep(UNSEEN);
            return name;
        }
        let headers: &[&str] = match kind {
            Bucket::Locked => &["x-amz-bucket-object-lock-enabled: true"],
            Bucket::Plain | Bucket::Versioned => &[],
        };
        self.ask("PUT", &format!("/{name}"), headers, b"");
        if kind == Bucket::Versioned {
            let enabled =
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            self.ask("PUT", &format!("/{name}?versioning"), &[], enabled);
        }
        name
    }

    /// Sets a bucket's policy, as JSON.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn set_policy(&self, bucket: &str, policy: &str) {
        self.ask("PUT", &format!("/{bucket}?policy"), &[], policy.as_bytes());
    }

    /// What the server said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.server.folder().join("log")).unwrap_or_default()
    }

    /// Asks without a signature, as these servers allow their administrator on loopback.
    fn ask(&self, method: &str, target: &str, headers: &[&str], body: &[u8]) {
        let answer = request(self.port, method, target, headers, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        assert!(
            (200..300).contains(&answer.status),
            "{method} {target}: {}",
            answer.text
        );
    }

    fn new(server: Server, port: u16) -> Self {
        Self {
            server,
            port,
            access_key: ACCESS_KEY,
            secret: SECRET,
            folders: None,
            buckets: AtomicUsize::new(0),
        }
    }
}

fn start_seaweedfs() -> Option<S3Server> {
    let folder = TempDir::new().expect("a folder");
    // Without a signature everything is allowed too, so that tests can make buckets; with one it must be right.
    let identities = format!(
        r#"{{"identities":[{{"name":"anonymous","actions":["Admin"]}},
            {{"name":"test","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET}"}}],
             "actions":["Admin","Read","Write","List","Tagging"]}},
            {{"name":"{READER}","credentials":[{{"accessKey":"{READER}","secretKey":"{READER}-secret"}}],
             "actions":["Read","List"]}},
            {{"name":"{LISTER}","credentials":[{{"accessKey":"{LISTER}","secretKey":"{LISTER}-secret"}}],
             "actions":["List"]}}]}}"#
    );
    fs::write(folder.path().join("s3.json"), identities).expect("the users");
    let port = free_port();
    let mut command = Command::new(find::program("weed")?);
    command.args(["-logtostderr", "server", "-dir=.", "-ip=127.0.0.1"]);
    command.args(["-ip.bind=127.0.0.1", "-master.telemetry=false"]);
    // Every bucket takes seven volumes, which are small until they are filled.
    command.args(["-volume.max=4000", "-master.volumeSizeLimitMB=64"]);
    command.args(["-filer", "-s3", "-s3.config=s3.json"]);
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
    command.arg(format!("-s3.port={port}"));
    for listener in [
        "s3.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
    ] {
        command.arg(format!("-{listener}={}", free_port()));
    }
    // It takes buckets before it takes objects; the bucket may be there from the try before.
    let stores = || {
        let put = |target: &str, body: &[u8]| {
            request(port, "PUT", target, &[], body).is_ok_and(|answer| answer.status == 200)
        };
        put("/ready", b"");
        put("/ready/object", b"x")
    };
    Some(S3Server::new(
        Server::start(folder, &command, stores)?,
        port,
    ))
}

fn start_moto() -> Option<S3Server> {
    let folder = TempDir::new().expect("a folder");
    let port = free_port();
    let mut command = Command::new(find::program("moto_server")?);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let server = Server::start(folder, &command, || answers(port))?;
    Some(S3Server::new(server, port))
}

fn start_rclone() -> Option<S3Server> {
    let folder = TempDir::new().expect("a folder");
    let port = free_port();
    let buckets = folder.path().join("buckets");
    fs::create_dir(&buckets).expect("a folder");
    let mut command = rclone("s3", folder.path())?;
    command
        .args(["--auth-key", &format!("{ACCESS_KEY},{SECRET}")])
        .args(["--addr", &format!("127.0.0.1:{port}")])
        // Buckets appear behind its back.
        .args(["--dir-cache-time", "100ms"])
        .arg(&buckets);
    let server = Server::start(folder, &command, || answers(port))?;
    let mut server = S3Server::new(server, port);
    server.folders = Some(buckets);
    Some(server)
}

fn start_s3rver() -> Option<S3Server> {
    let folder = TempDir::new().expect("a folder");
    let port = free_port();
    let buckets = folder.path().join("buckets");
    fs::create_dir(&buckets).expect("a folder");
    let mut command = Command::new(find::program("s3rver")?);
    command
        .arg("-d")
        .arg(&buckets)
        .args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    let server = Server::start(folder, &command, || answers(port))?;
    let mut server = S3Server::new(server, port);
    server.folders = Some(buckets);
    // Its only user.
    server.access_key = "S3RVER";
    server.secret = "S3RVER";
    Some(server)
}

/// Whether anything that speaks HTTP is there.
fn answers(port: u16) -> bool {
    request(port, "GET", "/", &[], b"").is_ok()
}
