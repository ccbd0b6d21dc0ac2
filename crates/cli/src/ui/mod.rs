//! The program's one mouth: lines and JSON on standard output, notes and errors on standard error.
//!
//! Promises: nothing that was read from a file system or a repository reaches a terminal with
//! control characters in it; a reader that goes away ends the program quietly; with `--json`
//! standard output carries JSON lines and nothing else.

pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod sanitize;
pub(crate) mod show;
pub(crate) mod table;
pub(crate) mod timings;

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

use crate::failure::{Failure, Voice};
use timings::Timings;

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// The bytes of a file or archive; messages keep away from it.
    Content,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Results, problems and errors only.
    Quiet,
    /// What most people want to know.
    Normal,
    /// Every file as well.
    Verbose,
}

/// Shows everything the program says.
pub(crate) struct Ui {
    format: Format,
    verbosity: Verbosity,
    colour: Colour,
    terminal: bool,
    timings: Option<Timings>,
    out: Mutex<BufWriter<Stdout>>,
    /// The line that moves below everything else on standard error.
    moving: Mutex<Option<ProgressBar>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Ansi,
}

/// Bytes written to standard output at once.
const GATHERED: usize = 64 << 10;

impl Ui {
    /// A mouth for standard output and standard error as they are.
    pub(crate) fn new(format: Format, verbosity: Verbosity) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
            || !io::stderr().is_terminal();
        Self {
            format,
            verbosity,
            colour: if plain { Colour::Plain } else { Colour::Ansi },
            terminal: io::stdout().is_terminal(),
            timings: None,
            out: Mutex::new(BufWriter::with_capacity(GATHERED, io::stdout())),
            moving: Mutex::default(),
        }
    }

    /// The same, which also tells where the time went.
    pub(crate) fn telling(self, timings: Option<Timings>) -> Self {
        Self { timings, ..self }
    }

    /// What is measured, if anything is.
    pub(crate) fn timings(&self) -> Option<&Timings> {
        self.timings.as_ref()
    }

    /// What standard output carries.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// How much is said.
    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Several lines, the empty ones too.
    pub(crate) fn lines(&self, text: &str) -> Result<(), Failure> {
        text.split('\n').try_for_each(|line| self.line(line))
    }

    /// A result for people; nothing with `--json`.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        if self.format != Format::Text {
            return Ok(());
        }
        self.write_line(&sanitize::text(text))
    }

    /// A result for people that `--quiet` leaves out.
    pub(crate) fn remark(&self, text: &str) -> Result<(), Failure> {
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        self.line(text)
    }

    /// A result for programs; nothing without `--json`.
    pub(crate) fn json(
        &self,
        message_type: &str,
        fields: serde_json::Value,
    ) -> Result<(), Failure> {
        if self.format != Format::Json {
            return Ok(());
        }
        self.write_line(&json::line(message_type, fields))
    }

    /// Bytes as they are, for scripts that the user asked for (completions) and for content.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.locked()
            .write_all(bytes)
            .map_err(|error| Failure::output(&error))
    }

    /// Something about the run as a whole, on standard error.
    pub(crate) fn note(&self, text: &str) {
        match self.format {
            Format::Json => {
                // A reader that has gone is noticed by the next result.
                let _ = self.json("note", serde_json::json!({ "message": text }));
            }
            _ if self.verbosity == Verbosity::Quiet => {}
            _ => self.tell("note", text),
        }
    }

    /// Something that a person must not miss even with `--quiet`; with `--json` the summary has it.
    pub(crate) fn tell_person(&self, text: &str) {
        if self.format != Format::Json {
            self.tell("note", text);
        }
    }

    /// Shows why the program ends; the one error printer.
    pub(crate) fn fail(&self, failure: &Failure) {
        if failure.voice == Voice::Silent {
            return;
        }
        if self.format == Format::Json {
            let _ = self.json("exit_error", json::failure(failure));
            return;
        }
        self.tell("error", &failure.message);
        for cause in failure
            .causes
            .iter()
            .filter(|cause| !failure.message.contains(*cause))
        {
            self.tell("caused by", cause);
        }
        for hint in &failure.hints {
            self.tell("hint", hint);
        }
    }

    /// One line of a kind on standard error: `ownkey: kind: text`.
    pub(crate) fn tell(&self, kind: &str, text: &str) {
        let text = sanitize::text(text.trim_end().trim_end_matches('.'));
        let colour = match (self.colour, kind) {
            (Colour::Plain, _) => None,
            (Colour::Ansi, "error" | "problem") => Some(31),
            (Colour::Ansi, "hint") => Some(36),
            (Colour::Ansi, _) => Some(33),
        };
        let line = match colour {
            Some(code) => format!("ownkey: \x1b[{code}m{kind}:\x1b[0m {text}\n"),
            None => format!("ownkey: {kind}: {text}\n"),
        };
        self.write_error(&line);
    }

    /// The storage is waited for: a note, or with `--json` a status.
    pub(crate) fn waiting(&self, text: &str, status: serde_json::Value) {
        match self.format {
            Format::Json => {
                let _ = self.json("status", status);
                // Whoever reads status lines wants them now.
                let _ = self.flush();
            }
            _ => self.note(text),
        }
    }

    /// From now on this line moves below everything that is said on standard error.
    pub(crate) fn moves(&self, line: Option<ProgressBar>) {
        *self.moving.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// A line on standard error, above the one that moves.
    fn write_error(&self, line: &str) {
        let moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell if standard error is closed.
        let write = || {
            let _ = io::stderr().write_all(line.as_bytes());
        };
        match &*moving {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// One path that is being handled, for `--verbose`.
    pub(crate) fn trace(&self, path: &std::path::Path) {
        if self.format == Format::Json {
            let mut fields = serde_json::json!({ "action": "handling" });
            json::put_bytes(&mut fields, "item", path.as_os_str().as_encoded_bytes());
            // A reader that has gone is noticed by the summary.
            let _ = self.json("verbose_status", fields);
            return;
        }
        self.write_error(&format!("{}\n", sanitize::path(path)));
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.locked()
            .flush()
            .map_err(|error| Failure::output(&error))
    }

    fn write_line(&self, line: &str) -> Result<(), Failure> {
        let mut out = self.locked();
        out.write_all(line.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| if self.terminal { out.flush() } else { Ok(()) })
            .map_err(|error| Failure::output(&error))
    }

    fn locked(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        // A panic elsewhere leaves at worst a torn line behind.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
