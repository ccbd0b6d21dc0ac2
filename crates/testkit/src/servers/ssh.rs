//! Servers that speak SFTP, and an `ssh` that knows them: keys, known hosts and settings made for the test.

use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::Server;
use super::{find, free_port, rclone};

/// A running SFTP server for the user that runs the tests.
#[derive(Debug)]
pub struct SshServer {
    // Taken only while it is started again.
    server: Option<Server>,
    command: Command,
    port: u16,
    data: PathBuf,
    settings: PathBuf,
    /// What stands before the path of a file in paths over SFTP.
    prefix: PathBuf,
}

impl SshServer {
    /// OpenSSH's own server.
    #[must_use]
    pub fn openssh() -> Option<Self> {
        let folder = prepare()?;
        let port = free_port();
        let path = |name: &str| folder.path().join(name);
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPidFile none\nPasswordAuthentication no\nMaxStartups 100\n\
             Subsystem sftp internal-sftp\n",
            path("host").display(),
            path("user.pub").display(),
        );
        fs::write(path("sshd_config"), settings).expect("settings");
        // Where it locks itself up before it knows who is calling; only root needs it, and may make it.
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("a folder for sshd");
        }
        let mut command = Command::new(find::program("sshd")?);
        command.args(["-D", "-e", "-f"]).arg(path("sshd_config"));
        let prefix = path("data");
        Self::start(folder, command, port, prefix)
    }

    /// rclone's server, which creates and renames over whatever is there.
    #[must_use]
    pub fn rclone() -> Option<Self> {
        let folder = prepare()?;
        let port = free_port();
        let path = |name: &str| folder.path().join(name);
        let mut command = rclone("sftp", folder.path())?;
        command
            .args(["--addr", &format!("127.0.0.1:{port}"), "--key"])
            .arg(path("host"))
            .arg("--authorized-keys")
            .arg(path("user.pub"))
            .arg(path("data"));
        Self::start(folder, command, port, PathBuf::from("/"))
    }

    /// The `ssh` to connect with: the program and its first arguments.
    #[must_use]
    pub fn ssh(&self) -> Vec<OsString> {
        vec!["ssh".into(), "-F".into(), self.settings.clone().into()]
    }

    /// Always `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port, also for a proxy in between.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that is served, on the disk.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The path of a file in the served folder, as clients have to say it.
    #[must_use]
    pub fn path(&self, inner: &str) -> String {
        let path = self.prefix.join(inner);
        path.to_str()
            .expect("a temporary folder in UTF-8")
            .to_owned()
    }

    /// Kills the server and all its connections.
    pub fn kill(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
    }

    /// Starts a killed server again.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn restart(&mut self) {
        let server = self.server.take().expect("a server");
        let port = self.port;
        self.server = Some(server.restart(&self.command, || listens(port)));
    }

    fn start(folder: TempDir, command: Command, port: u16, prefix: PathBuf) -> Option<Self> {
        let (data, settings) = (folder.path().join("data"), folder.path().join("ssh_config"));
        let server = Server::start(folder, &command, || listens(port))?;
        Some(Self {
            server: Some(server),
            command,
            port,
            data,
            settings,
            prefix,
        })
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A folder with data to serve, keys for both sides, and the settings of an `ssh` that uses nothing else.
fn prepare() -> Option<TempDir> {
    find::program("ssh")?;
    let keygen = find::program("ssh-keygen")?;
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("data")).expect("a folder");
    for key in ["host", "user"] {
        let made = Command::new(&keygen)
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(path(key))
            .stdin(Stdio::null())
            .status()
            .expect("ssh-keygen runs");
        assert!(made.success(), "ssh-keygen makes a key");
    }
    let host = fs::read_to_string(path("host.pub")).expect("a key");
    fs::write(path("known_hosts"), format!("* {host}")).expect("known hosts");
    let settings = format!(
        "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\n\
         GlobalKnownHostsFile none\nStrictHostKeyChecking yes\n",
        path("user").display(),
        path("known_hosts").display(),
    );
    fs::write(path("ssh_config"), settings).expect("settings");
    Some(folder)
}
