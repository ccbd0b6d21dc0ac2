//! The engine calls us back, and its loops end on the engine's errors only; a failure of ours
//! (standard output was closed) waits here until the loop has ended.

use std::cell::RefCell;
use std::io;

use ownkey_engine::Error;

use crate::failure::Failure;

/// Carries a failure past the engine.
#[derive(Default)]
pub(crate) struct Relay(RefCell<Option<Failure>>);

impl Relay {
    /// For the engine: go on, or stop for a reason that is kept here.
    pub(crate) fn pass<T>(&self, result: Result<T, Failure>) -> Result<T, Error> {
        result.map_err(|failure| {
            *self.0.borrow_mut() = Some(failure);
            Error::Cancelled
        })
    }

    /// The same for what reads and writes.
    pub(crate) fn pass_io<T>(&self, result: Result<T, Failure>) -> io::Result<T> {
        self.pass(result).map_err(io::Error::other)
    }

    /// For us: what the loop came to, or why we stopped it.
    pub(crate) fn settle<T>(self, result: Result<T, Error>) -> Result<T, Failure> {
        match (self.0.into_inner(), result) {
            (Some(failure), _) => Err(failure),
            (None, result) => Ok(result?),
        }
    }
}

/// An error of a reader or writer that may carry an engine's error inside.
pub(crate) fn from_io(error: io::Error, doing: &str) -> Failure {
    let text = error.to_string();
    let kind = error.kind();
    match error.into_inner().map(|inner| inner.downcast::<Error>()) {
        Some(Ok(engine)) => (*engine).into(),
        Some(Err(other)) => Failure::other(doing).caused_by(other.as_ref()),
        None => Failure::other(doing).caused_by(&io::Error::new(kind, text)),
    }
}
