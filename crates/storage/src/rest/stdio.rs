//! HTTP/2 over the pipes of a child process.
//!
//! Promise: the child is started by the first request, started again by the first one after it died, and ended
//! with us; a request that was under way when it died is an error that repeats the child's last words.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;

use async_trait::async_trait;
use futures_util::stream;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::last_words::{LastWords, Said};
use crate::http::{Download, Transport, TransportError, TransportErrorKind, Upload};

/// How much may be on its way to us at once: of one answer, and of all.
const WINDOWS: (u32, u32) = (4 << 20, 16 << 20);

/// A child that serves HTTP/2 on its standard input and output.
pub struct StdioTransport {
    program: PathBuf,
    arguments: Vec<OsString>,
    running: Mutex<Option<Running>>,
    words: std::sync::Mutex<LastWords>,
}

struct Running {
    sender: SendRequest<Upload>,
    /// Killed when dropped.
    _child: Child,
}

/// Why a request over the pipes failed.
#[derive(Debug, thiserror::Error)]
enum StdioError {
    #[error("cannot start {program}: install it, or say where it is")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error("the child has no pipes")]
    Pipes,
    #[error("{0}")]
    Said(Said),
    #[error(transparent)]
    Http(hyper::Error),
}

impl StdioTransport {
    /// A child that is yet to be started.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            program,
            arguments,
            running: Mutex::default(),
            words: std::sync::Mutex::default(),
        }
    }

    /// What the child complained about last.
    pub(super) fn last_words(&self) -> Option<Said> {
        self.words().complaint()
    }

    fn words(&self) -> LastWords {
        let words = self.words.lock();
        words
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// A way to the child, which is started where there is none.
    async fn sender(&self) -> Result<SendRequest<Upload>, StdioError> {
        let mut running = self.running.lock().await;
        if let Some(running) = running
            .as_ref()
            .filter(|running| !running.sender.is_closed())
        {
            return Ok(running.sender.clone());
        }
        let started = self.start().await?;
        let sender = started.sender.clone();
        *running = Some(started);
        Ok(sender)
    }

    async fn start(&self) -> Result<Running, StdioError> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Whoever interrupts us at a terminal does not interrupt it: we may have to finish first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| StdioError::Start {
                program: self
                    .program
                    .display()
                    .to_string()
                    .escape_debug()
                    .to_string(),
                source,
            })?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).ok_or(StdioError::Pipes)?;
        if let Some(complaints) = child.stderr.take() {
            let words = LastWords::default();
            tokio::spawn(words.clone().listen(complaints));
            *self
                .words
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = words;
        }
        let pipes = TokioIo::new(tokio::io::join(output, input));
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .handshake(pipes)
            .await
            .map_err(StdioError::Http)?;
        // Ends with the child; what went wrong is told by the requests.
        tokio::spawn(connection);
        Ok(Running {
            sender,
            _child: child,
        })
    }

    /// The child's words tell more than the broken pipe does.
    fn broken(&self, error: hyper::Error) -> TransportError {
        let error = match self.last_words() {
            Some(said) => StdioError::Said(said),
            None => StdioError::Http(error),
        };
        TransportError::new(TransportErrorKind::Broken, error)
    }
}

impl fmt::Debug for StdioTransport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may hold what a user would not say aloud.
        write!(out, "StdioTransport({:?})", self.program)
    }
}

#[async_trait]
impl Transport for StdioTransport {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let mut sender = self
            .sender()
            .await
            .map_err(|error| TransportError::new(TransportErrorKind::Unreachable, error))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| self.broken(error))?;
        Ok(response.map(download))
    }
}

fn download(mut body: Incoming) -> Download {
    Box::pin(stream::poll_fn(move |context| {
        let part = Pin::new(&mut body).poll_frame(context);
        part.map(|part| {
            part.map(|frame| match frame {
                // Trailers are nothing.
                Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                Err(error) => Err(TransportError::new(TransportErrorKind::Broken, error)),
            })
        })
    }))
}
