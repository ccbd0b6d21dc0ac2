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

#[cfg(test)]
mod tests {
    use std::fmt;

    use async_trait::async_trait;
    use futures_util::stream;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::http::TransportError;

    const WINDOW: Duration = Duration::from_secs(10);

    /// A service that waits, and then sends a body of so many parts with waits between them.
    #[derive(Clone)]
    struct Slow {
        head: Duration,
        between: Duration,
        parts: Vec<&'static [u8]>,
        announced: Option<&'static str>,
        at_once: Arc<AtomicU64>,
        most_at_once: Arc<AtomicU64>,
    }

    impl fmt::Debug for Slow {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a slow service")
        }
    }

    impl Slow {
        fn sending(parts: Vec<&'static [u8]>) -> Self {
            Self {
                head: Duration::ZERO,
                between: Duration::ZERO,
                parts,
                announced: None,
                at_once: Arc::default(),
                most_at_once: Arc::default(),
            }
        }

        async fn asked(self, most: u64) -> Result<Answer, HttpFailure> {
            let patience = Patience {
                window: WINDOW,
                least: 4,
            };
            let client = HttpClient::new(Arc::new(self), 2, patience);
            client.exchange(Request::new(Bytes::new()), most).await
        }
    }

    #[async_trait]
    impl Transport for Slow {
        async fn send(&self, _: Request<Upload>) -> Result<Response<Download>, TransportError> {
            let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(now, Ordering::Relaxed);
            sleep(self.head).await;
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            let between = self.between;
            let parts = stream::iter(self.parts.clone()).then(move |part| async move {
                sleep(between).await;
                Ok(Bytes::from_static(part))
            });
            let mut response = Response::new(Box::pin(parts) as Download);
            if let Some(length) = self.announced {
                let length = http::HeaderValue::from_static(length);
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            Ok(response)
        }
    }

    /// Runs on a clock that jumps from wait to wait.
    fn paused<F: Future>(work: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(work)
    }

    #[test]
    fn a_service_that_never_answers_is_left_after_the_window() {
        paused(async {
            let mut slow = Slow::sending(vec![]);
            slow.head = Duration::from_secs(1_000_000);
            let began = Instant::now();
            let failure = slow.asked(10).await.expect_err("no answer");
            assert!(matches!(failure, HttpFailure::Stalled(window) if window == WINDOW));
            assert_eq!(failure.kind(), crate::StorageErrorKind::Timeout);
            assert_eq!(began.elapsed(), WINDOW);
        });
    }

    #[test]
    fn a_trickle_is_a_stall_and_a_slow_stream_is_not() {
        paused(async {
            // One byte in 3 s is fewer than four in ten.
            let mut trickle = Slow::sending(vec![b"x"; 1000]);
            trickle.between = Duration::from_secs(3);
            let failure = trickle.asked(1000).await.expect_err("a trickle");
            assert!(matches!(failure, HttpFailure::Stalled(_)), "{failure}");

            // Four bytes in 9 s: slow, for fifteen minutes, and whole.
            let mut slow = Slow::sending(vec![b"slow"; 100]);
            slow.between = Duration::from_secs(9);
            let began = Instant::now();
            let answer = slow.asked(1000).await.expect("a slow answer");
            assert_eq!(answer.body.len(), 400);
            assert!(began.elapsed() > 50 * WINDOW);
        });
    }

    #[test]
    fn bodies_are_as_long_as_announced_and_no_longer_than_wanted() {
        paused(async {
            let body = |announced| Slow {
                announced,
                ..Slow::sending(vec![b"12345", b"67890"])
            };
            for announced in [None, Some("10")] {
                let answer = body(announced).asked(10).await.expect("whole");
                assert_eq!(answer.body, "1234567890");
                let failure = body(announced).asked(9).await.expect_err("longer");
                assert!(matches!(failure, HttpFailure::TooLong(9)), "{failure}");
            }
            for announced in ["11", "9"] {
                let failure = body(Some(announced)).asked(20).await.expect_err("another");
                assert!(
                    matches!(failure, HttpFailure::CutShort { got: 10, .. }),
                    "{failure}"
                );
                assert_eq!(failure.kind(), crate::StorageErrorKind::Unavailable);
            }
        });
    }

    #[test]
    fn no_more_requests_are_in_flight_than_allowed() {
        paused(async {
            let mut slow = Slow::sending(vec![b"x"]);
            slow.head = Duration::from_secs(1);
            let most = slow.most_at_once.clone();
            let client = HttpClient::new(Arc::new(slow), 2, Patience::default());
            let asked = (0..7).map(|_| client.exchange(Request::new(Bytes::new()), 10));
            let answers = futures_util::future::join_all(asked).await;
            assert!(answers.iter().all(Result::is_ok));
            assert_eq!(most.load(Ordering::Relaxed), 2);
        });
    }
}
