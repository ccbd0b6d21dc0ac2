//! Bodies that tell how far they came, so that a stalled transfer can be told from a slow one.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::transport::TransportError;
use crate::pace::Pace;

/// A body on its way down, part by part.
pub type Download = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// The most bytes handed to the transport at once: how finely progress is seen.
const PART: usize = 64 << 10;

/// A body on its way up; counts what the transport has taken.
pub struct Upload {
    rest: Bytes,
    taken: Arc<AtomicU64>,
    slowly: Option<Slowly>,
}

/// How a body keeps to a rate: each part waits for its place in the line.
struct Slowly {
    pace: Pace,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Slowly {
    /// Whether so many bytes may pass. Asked again while it waits, it keeps its place.
    fn poll_place(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<()> {
        if self.wait.is_none() {
            let wait = self.pace.reserve(bytes as u64);
            if wait.is_zero() {
                return Poll::Ready(());
            }
            self.wait = Some(Box::pin(tokio::time::sleep(wait)));
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(context));
        }
        self.wait = None;
        Poll::Ready(())
    }
}

impl Upload {
    /// A body of known length.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self {
            rest: body,
            taken: Arc::new(AtomicU64::new(0)),
            slowly: None,
        }
    }

    /// The same body at a steady rate.
    #[must_use]
    pub(super) fn paced(self, pace: Pace) -> Self {
        Self {
            slowly: Some(Slowly { pace, wait: None }),
            ..self
        }
    }

    /// The counter of bytes that the transport has taken.
    #[must_use]
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.taken)
    }

    /// Takes the whole rest at once, for a transport without connections.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.taken
            .fetch_add(self.rest.len() as u64, Ordering::Relaxed);
        self.rest
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes left", self.rest.len())
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let mut most = self.rest.len().min(PART);
        if let Some(slowly) = &mut self.slowly {
            most = most.min(slowly.pace.piece());
            ready!(slowly.poll_place(most, context));
        }
        let part = self.rest.split_to(most);
        self.taken.fetch_add(part.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    /// Exact, so that the length is announced and the service refuses a torn body.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
