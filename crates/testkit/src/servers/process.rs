//! Children that die with us.
//!
//! Three ways out are covered. Dropping the guard kills the server and everything it started. A test binary
//! that ends (shared servers are never dropped) or is killed takes its servers along: the kernel signals a
//! keeper shell when its parent is gone (`setpriv --pdeathsig`), which kills the server and removes its folder.
//! And because that signal follows the *thread* that started the child, and tests run in threads of their own,
//! all children are started by one thread that lives as long as the process.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::find;

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `$2...`; when told to end, kills it; when our process is gone, also removes the folder `$1`.
const KEEPER: &str = r#"folder=$1; shift
trap 'kill -KILL $server; wait; exit' TERM
trap 'kill -KILL $server; wait; rm -rf "$folder"; exit' HUP
"$@" & server=$!
wait $server"#;

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    keeper: Child,
    // Dropped after the server is dead.
    folder: TempDir,
}

impl Server {
    /// Starts a program and waits until it is ready. `None` where a program is missing.
    ///
    /// # Panics
    /// When it does not get ready; with what it said.
    pub fn start(folder: TempDir, command: &Command, ready: impl Fn() -> bool) -> Option<Self> {
        let keeper = spawn(command, folder.path())?;
        let mut server = Self { keeper, folder };
        let since = Instant::now();
        while !ready() {
            let ended = server.keeper.try_wait().expect("a child's state").is_some();
            if ended || since.elapsed() > PATIENCE {
                let said = fs::read_to_string(server.folder.path().join(LOG)).unwrap_or_default();
                panic!("{command:?} is not ready; it said:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// The temporary folder of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the server and whatever it started, at once. Its folder stays until the guard is dropped.
    pub fn kill(&mut self) {
        let mut family = children(self.keeper.id());
        let mut at = 0;
        while let Some(parent) = family.get(at) {
            family.extend(children(*parent));
            at += 1;
        }
        // The keeper ends when the server has: from then on nobody listens.
        signal(self.keeper.id(), Signal::TERM);
        let _ = self.keeper.wait();
        for process in family {
            signal(process, Signal::KILL);
        }
    }

    /// Starts a killed server again, in its old folder.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn restart(self, command: &Command, ready: impl Fn() -> bool) -> Self {
        let mut old = self;
        old.kill();
        // The folder moves on; what is left of the old guard has nothing to kill.
        let folder = std::mem::replace(&mut old.folder, TempDir::new().expect("a folder"));
        drop(old);
        Self::start(folder, command, ready).expect("it was there before")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Who is dead already needs no signal, so nobody asks whether it arrived.
fn signal(process: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// What servers say, in their folder.
const LOG: &str = "log";

fn spawn(command: &Command, folder: &Path) -> Option<Child> {
    let mut keeper = Command::new(find::program("setpriv")?);
    keeper
        .args(["--pdeathsig", "HUP", "sh", "-c", KEEPER, "keeper"])
        .arg(folder)
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            keeper.env(key, value);
        }
    }
    let log = fs::File::create(folder.join(LOG)).expect("a log");
    keeper
        .current_dir(folder)
        // Nothing of the user's is read or written.
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log);
    Some(from_the_lasting_thread(keeper).expect("setpriv starts"))
}

type Order = (Command, Sender<io::Result<Child>>);

fn from_the_lasting_thread(command: Command) -> io::Result<Child> {
    static THREAD: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let orders = THREAD.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Who ordered waits for it.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = channel();
    orders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .expect("the thread lives as long as the process");
    child.recv().expect("an answer")
}

/// The children of a process, as the kernel tells them.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| parent_of(*process) == Some(parent))
        .collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may contain anything; state and parent follow the last of them.
    stat.rsplit_once(')')?.1.split(' ').nth(2)?.parse().ok()
}
