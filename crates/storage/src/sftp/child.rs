//! The user's own `ssh`, which brings their settings, keys, agents and known hosts.
//!
//! Promise: it ends with us; it never asks anybody where nobody is; and what it says is kept for the error, bounded.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::channel::Ended;
use super::fault::{Fault, plain};
use super::place::{Prompts, SftpOptions, SftpPlace};

/// As OpenSSH's own `sftp` does, nothing of a session but the pipes; and a dead line is noticed within a minute.
const OPTIONS: [&str; 7] = [
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oPermitLocalCommand=no",
    "-oClearAllForwardings=yes",
    "-oConnectTimeout=30",
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
];

/// What is kept of its words: the last of them tell why it ended.
const MAX_SAID: usize = 4096;

/// How long it may take to say why it ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// A running `ssh`; killed when dropped.
#[derive(Debug)]
pub(super) struct Ssh {
    child: Child,
    said: Arc<Mutex<VecDeque<u8>>>,
    listener: JoinHandle<()>,
}

impl Ssh {
    /// Starts `ssh` and gives the pipes to the server.
    pub(super) fn start(
        place: &SftpPlace,
        options: &SftpOptions,
    ) -> Result<(Self, ChildStdin, ChildStdout), Fault> {
        let mut command = command(place, options)?;
        let mut child = command
            .spawn()
            .map_err(|error| Fault::NoSsh(plain(error.to_string().as_bytes())))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Fault::NoSsh("no pipes".into()));
        };
        let said = Arc::default();
        let listener = tokio::spawn(listen(stderr, Arc::clone(&said)));
        let ssh = Self {
            child,
            said,
            listener,
        };
        Ok((ssh, stdin, stdout))
    }

    /// What the end of its connection means, by what it said last.
    pub(super) async fn farewell(&mut self, ended: Ended) -> Fault {
        if matches!(ended, Ended::Lost | Ended::Closed) && !self.listener.is_finished() {
            // It ends by itself when its connection does, and says why before that.
            let _ = tokio::time::timeout(FAREWELL, &mut self.listener).await;
        }
        // Where it did not, there is nobody to tell.
        let _ = self.child.start_kill();
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        Fault::of_end(ended, plain(&said.iter().copied().collect::<Vec<_>>()))
    }
}

fn command(place: &SftpPlace, options: &SftpOptions) -> Result<Command, Fault> {
    let mut words = options.command.iter();
    let program = words
        .next()
        .ok_or_else(|| Fault::NoSsh("no command".into()))?;
    let mut command = Command::new(program);
    command.args(words).args(OPTIONS);
    if options.prompts == Prompts::Refused {
        command.arg("-oBatchMode=yes");
        // Interrupting us at a keyboard must not break the line under what we still finish. Where it may ask, it has
        // to stay in our group, because only that may read the terminal.
        command.process_group(0);
    }
    let arguments: Vec<OsString> = place.arguments();
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// Keeps the last of what is said. Reading goes on to the end: a full pipe would stop the speaker.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<VecDeque<u8>>>) {
    let mut some = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut some).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(some.iter().take(count));
        let excess = said.len().saturating_sub(MAX_SAID);
        said.drain(..excess);
    }
}
