//! Backing up what a program writes.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use ownkey_engine::backup::{self, Labels, Report};
use ownkey_engine::monitor::Monitor;
use ownkey_engine::repository::Repository;

use crate::failure::Failure;
use crate::signals::{Interrupt, is_readable};

/// What to read instead of files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instead of files")]
pub(crate) struct StdinArgs {
    /// Back up standard input as one file
    #[arg(long)]
    stdin: bool,
    /// Back up what the command prints: ownkey backup --stdin-from-command -- pg_dump mydb
    #[arg(long, conflicts_with = "stdin")]
    stdin_from_command: bool,
    /// The file's name in the snapshot; alone it means --stdin
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<String>,
}

impl StdinArgs {
    /// Whether any of it was given.
    pub(crate) fn is_wanted(&self) -> bool {
        self.stdin || self.stdin_from_command || self.stdin_filename.is_some()
    }
}

/// A stream with a name.
pub(crate) struct Source {
    name: String,
    command: Option<Vec<OsString>>,
}

impl Source {
    /// Reads the command line; `words` are its positional arguments.
    pub(crate) fn new(args: &StdinArgs, words: &[OsString]) -> Result<Self, Failure> {
        let name = args
            .stdin_filename
            .clone()
            .unwrap_or_else(|| "stdin".to_owned());
        let name = name.trim_start_matches('/').to_owned();
        if name.is_empty()
            || name.len() > 255
            || name.contains(['/', '\0'])
            || name == "."
            || name == ".."
        {
            return Err(Failure::usage("--stdin-filename takes one plain file name"));
        }
        let command = match (args.stdin_from_command, words) {
            (true, []) => {
                return Err(Failure::usage("which command?")
                    .hint("write it behind two hyphens: ownkey backup --stdin-from-command -- pg_dump mydb"));
            }
            (true, words) => Some(words.to_vec()),
            (false, []) => None,
            (false, _) => {
                return Err(Failure::usage(
                    "paths and standard input cannot be backed up in one snapshot",
                ));
            }
        };
        if command.is_none() && io::stdin().is_terminal() {
            return Err(Failure::usage(
                "standard input is a terminal: there is nothing to back up",
            )
            .hint(
                "pipe something into it: pg_dump mydb | ownkey backup --stdin-filename mydb.sql",
            ));
        }
        Ok(Self { name, command })
    }

    /// Backs it up; a command that fails leaves no snapshot, nor does Ctrl-C.
    pub(crate) fn back_up(
        &self,
        repository: &mut Repository,
        labels: &Labels,
        (monitor, interrupt): (&dyn Monitor, &Interrupt),
    ) -> Result<Report, Failure> {
        let mut running = self.command.as_deref().map(Running::start).transpose()?;
        let mut content: Box<dyn Read> = match running.as_mut().and_then(Running::take_output) {
            Some(output) => Box::new(Patient {
                from: output,
                interrupt,
            }),
            None => Box::new(Patient {
                from: io::stdin(),
                interrupt,
            }),
        };
        let mut finish = || match running.as_mut() {
            // The end of a pipe may be our Ctrl-C reaching the program at its other end.
            _ if interrupt.is_raised() => Err(STOPPED.to_owned()),
            Some(running) => running.finish(),
            None => Ok(()),
        };
        let report = backup::run_stream(
            repository,
            &self.name,
            &mut content,
            &mut finish,
            labels,
            monitor,
        );
        report.map_err(|error| {
            if interrupt.is_raised() {
                Failure::interrupted()
            } else {
                error.into()
            }
        })
    }
}

const STOPPED: &str = "stopped before the end";

/// Reads what comes, and stops waiting when the user does.
struct Patient<'a, F> {
    from: F,
    interrupt: &'a Interrupt,
}

impl<F: Read + AsFd> Read for Patient<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.interrupt.is_raised() {
                // Not `Interrupted`: that kind asks for another try.
                return Err(io::Error::other(STOPPED));
            }
            if is_readable(&self.from)? {
                return self.from.read(buffer);
            }
        }
    }
}

/// A command whose output is being backed up; ended if the backup does not finish.
struct Running {
    name: String,
    child: Option<Child>,
}

impl Running {
    fn start(words: &[OsString]) -> Result<Self, Failure> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| Failure::usage("which command?"))?;
        let name = program.to_string_lossy().into_owned();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::usage(format!("cannot start {name}")).caused_by(&error))?;
        Ok(Self {
            name,
            child: Some(child),
        })
    }

    fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    /// Waits for the end; anything but success makes the snapshot worthless.
    fn finish(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let name = &self.name;
        let status = child
            .wait()
            .map_err(|error| format!("{name} was lost: {error}"))?;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(format!("{name} ended with code {code}")),
            (None, Some(signal)) => Err(format!("{name} was ended by signal {signal}")),
            (None, None) => Err(format!("{name} failed")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It writes into a pipe that nobody reads any more; waiting leaves no zombie.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
