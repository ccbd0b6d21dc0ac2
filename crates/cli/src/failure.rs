//! Why a command ended early: one sentence, the causes underneath, and what to do next.
//!
//! Sentences are lower case without a final period. Names of files may stand in them as they are:
//! the one printer (`ui::Ui::fail`) makes every control character harmless.

use std::error::Error;
use std::io;

use crate::exit::Class;

/// A command that could not be finished.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
    pub(crate) voice: Voice,
}

/// Whether anybody is left to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The printer shows the failure.
    Spoken,
    /// Nothing is shown: the reader of our output has gone, or everything was already said.
    Silent,
}

impl Failure {
    /// A failure of a class, in one sentence.
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            voice: Voice::Spoken,
        }
    }

    /// A command line or settings that do not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Class::Usage, message)
    }

    /// A failure without a class of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Class::Failure, message)
    }

    /// The user pressed Ctrl-C, or the system asked the program to end.
    pub(crate) fn interrupted() -> Self {
        Self::new(Class::Interrupted, "stopped before the end")
    }

    /// The reader of our output closed it (`ownkey ls latest | head`): a quiet, good end.
    pub(crate) fn reader_gone() -> Self {
        Self {
            voice: Voice::Silent,
            ..Self::new(Class::Ok, String::new())
        }
    }

    /// Output that could not be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::reader_gone();
        }
        let class = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Class::Full,
            _ => Class::Failure,
        };
        Self::new(class, "cannot write to standard output").caused_by(error)
    }

    /// Adds an error and everything underneath it, each sentence once.
    pub(crate) fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let sentence = error.to_string();
            if !sentence.is_empty() && !self.causes.contains(&sentence) {
                self.causes.push(sentence);
            }
            next = error.source();
        }
        self
    }

    /// Adds a sentence that says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_a_quiet_and_good_end() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.class, failure.voice), (Class::Ok, Voice::Silent));
    }

    #[test]
    fn a_full_disk_behind_standard_output_has_the_code_of_a_full_disk() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.class, Class::Full);
        assert_eq!(failure.causes.len(), 1);
    }
}
