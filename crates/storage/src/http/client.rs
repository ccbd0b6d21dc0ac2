//! One request, one whole answer: bounded in time, in memory and in number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::failure::HttpFailure;
use super::progress::{Download, Upload};
use super::transport::Transport;

/// How long a transfer may stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// In each such time something must happen: [`least`](Self::least) bytes, or the end of a phase.
    pub window: Duration,
    /// Fewer bytes than these in a window count as none: a service that sends one byte a second is
    /// as dead as one that sends nothing.
    pub least: u64,
}

impl Default for Patience {
    /// A minute, and 4 KiB in it: slower than any line that a backup could use, and long enough
    /// for a service to commit a large object.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            least: 4 << 10,
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Sends requests over one transport, so many at a time.
#[derive(Debug, Clone)]
pub struct HttpClient {
    transport: Arc<dyn Transport>,
    in_flight: Arc<Semaphore>,
    patience: Patience,
}

/// The body of an answer that is not a success is for one line of a message.
const MAX_ERROR_BODY: u64 = 64 << 10;

impl HttpClient {
    /// A client with at most `connections` requests in flight, whoever asks.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, connections: usize, patience: Patience) -> Self {
        Self {
            transport,
            in_flight: Arc::new(Semaphore::new(connections.max(1))),
            patience,
        }
    }

    /// Sends a request and takes its answer, with a body of at most `most` bytes.
    ///
    /// # Errors
    /// Where no whole answer came; an answer of any status is not an error here.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        most: u64,
    ) -> Result<Answer, HttpFailure> {
        // Never closed, so that this always is a place.
        let _place = self.in_flight.acquire().await;
        let asked = request.method().clone();
        let request = request.map(Upload::new);
        let sent = request.body().counter();
        let head = self.transport.send(request);
        let head = self.watched(&sent, head).await?;
        self.collect(&asked, head?, most).await
    }

    /// Waits for a future as long as it or the counter beside it moves on.
    async fn watched<T>(
        &self,
        moved: &AtomicU64,
        work: impl Future<Output = T>,
    ) -> Result<T, HttpFailure> {
        tokio::pin!(work);
        let mut before = moved.load(Ordering::Relaxed);
        loop {
            if let Ok(done) = tokio::time::timeout(self.patience.window, &mut work).await {
                return Ok(done);
            }
            let now = moved.load(Ordering::Relaxed);
            if now.saturating_sub(before) < self.patience.least {
                return Err(HttpFailure::Stalled(self.patience.window));
            }
            before = now;
        }
    }

    async fn collect(
        &self,
        asked: &Method,
        head: Response<Download>,
        most: u64,
    ) -> Result<Answer, HttpFailure> {
        let (head, body) = head.into_parts();
        let most = if head.status.is_success() {
            most
        } else {
            most.max(MAX_ERROR_BODY)
        };
        let announced = (*asked != Method::HEAD)
            .then(|| announced(&head.headers))
            .flatten();
        if announced.is_some_and(|length| length > most) {
            return Err(HttpFailure::TooLong(most));
        }
        let got = AtomicU64::new(0);
        let gather = gather(body, announced, most, &got);
        let body = self.watched(&got, gather).await??;
        if let Some(announced) = announced.filter(|length| *length != body.len() as u64) {
            let got = body.len() as u64;
            return Err(HttpFailure::CutShort { announced, got });
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Space is taken as bytes come, not as they are announced: an announcement costs nothing.
async fn gather(
    mut body: Download,
    announced: Option<u64>,
    most: u64,
    got: &AtomicU64,
) -> Result<Bytes, HttpFailure> {
    let mut whole = BytesMut::new();
    while let Some(part) = body.next().await {
        let part = part?;
        let length = got.fetch_add(part.len() as u64, Ordering::Relaxed) + part.len() as u64;
        if length > most {
            return Err(HttpFailure::TooLong(most));
        }
        if announced == Some(part.len() as u64) {
            return Ok(part);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
