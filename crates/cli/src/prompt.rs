//! Questions on the terminal.
//!
//! Promises: nothing is asked unless standard input is a terminal, so no script ever hangs; what is
//! secret is not shown; Ctrl-C ends a question and the terminal echoes again afterwards.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::signals::{Interrupt, is_readable};
use crate::ui::sanitize;

/// Longest answer, in bytes; a terminal's own line limit is 4,096.
const LIMIT: usize = 4096;

/// Somebody to ask.
pub(crate) struct Prompt<'a> {
    interrupt: &'a Interrupt,
}

enum Echo {
    Shown,
    Hidden,
}

impl<'a> Prompt<'a> {
    /// Somebody to ask, if standard input and standard error are a terminal.
    pub(crate) fn find(interrupt: &'a Interrupt) -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Self { interrupt })
    }

    /// Shows lines before a question. They may hold a secret that the user must write down, so
    /// they go to the terminal and nowhere else.
    pub(crate) fn show(&self, text: &str) -> Result<(), Failure> {
        let mut terminal = io::stderr();
        for line in text.lines() {
            let line = Zeroizing::new(sanitize::text(line));
            writeln!(terminal, "{}", line.as_str()).map_err(|error| unreadable(&error))?;
        }
        Ok(())
    }

    /// Asks for something that may be seen.
    pub(crate) fn ask(&self, question: &str) -> Result<Zeroizing<String>, Failure> {
        self.answer(question, &Echo::Shown)
    }

    /// Asks for something that must not be seen.
    pub(crate) fn ask_secret(&self, question: &str) -> Result<Zeroizing<String>, Failure> {
        self.answer(question, &Echo::Hidden)
    }

    /// Asks a question whose only agreement is `yes` or `y`.
    pub(crate) fn agrees(&self, question: &str) -> Result<bool, Failure> {
        let answer = self.ask(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    fn answer(&self, question: &str, echo: &Echo) -> Result<Zeroizing<String>, Failure> {
        // First the silence, then the question: who answers at once is not shown either.
        let _hidden = match echo {
            Echo::Shown => None,
            Echo::Hidden => Some(Hidden::start().map_err(|error| unreadable(&error))?),
        };
        let mut error = io::stderr();
        error
            .write_all(sanitize::text(question).as_bytes())
            .and_then(|()| error.flush())
            .map_err(|error| unreadable(&error))?;
        self.read_line()
    }

    fn read_line(&self) -> Result<Zeroizing<String>, Failure> {
        let stdin = io::stdin();
        // Reserved once, so that growing leaves no copy of a secret behind.
        let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
        loop {
            self.wait()?;
            let mut buffer = Zeroizing::new([0u8; 256]);
            let count = rustix::io::read(&stdin, buffer.as_mut_slice())
                .map_err(|error| unreadable(&error.into()))?;
            let read = buffer.get(..count).unwrap_or_default();
            line.extend_from_slice(read);
            if read.contains(&b'\n') {
                break;
            }
            if read.is_empty() && line.is_empty() {
                return Err(Failure::usage("the terminal was closed before the answer"));
            }
            if read.is_empty() {
                break;
            }
            if line.len() > LIMIT - buffer.len() {
                return Err(Failure::usage("the answer is too long"));
            }
        }
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| Failure::usage("the answer is not UTF-8 text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Waits for input, or for Ctrl-C.
    fn wait(&self) -> Result<(), Failure> {
        let stdin = io::stdin();
        loop {
            if let Err(failure) = self.interrupt.check() {
                // What is said next begins on a line of its own.
                let _ = io::stderr().write_all(b"\n");
                return Err(failure);
            }
            if is_readable(&stdin).map_err(|error| unreadable(&error))? {
                return Ok(());
            }
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::other("cannot ask on the terminal").caused_by(error)
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn start() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing better can be done about a terminal that has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
