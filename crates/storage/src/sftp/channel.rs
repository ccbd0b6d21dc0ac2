//! Many requests at once over one pair of pipes.
//!
//! Each request has a number and waits for the answer with that number; one task writes, one reads. The first thing
//! that goes wrong ends the channel for all who wait, with one reason, and it never comes back: whoever wants to go on
//! makes a new one.
//!
//! Patience is measured by movement: as long as bytes go either way a request may wait, however slow the line is.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::sync::{mpsc, oneshot, watch};

use super::packet::{self, Answer, Fields, INIT, MAX_PACKET, Nonsense, VERSION, Verb};

/// Requests that may wait to be written; writing one waits for room, which is what holds back a fast creator.
const QUEUE: usize = 16;

/// Small requests are gathered up to this size before they are written.
const GATHERED: usize = 64 << 10;

/// Why a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The pipes were closed from the other side.
    Lost,
    /// Nothing moved for too long.
    Stalled,
    /// The other side does not keep to the protocol.
    Nonsense(Nonsense),
    /// Nobody needs it any more.
    Closed,
}

/// One end of a running conversation.
#[derive(Debug)]
pub(super) struct Channel {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Outgoing>,
}

/// A request that was sent and whose answer may be waited for. Who drops it does not care.
#[derive(Debug)]
pub(super) struct Pending {
    shared: Arc<Shared>,
    answer: oneshot::Receiver<Answer>,
}

#[derive(Debug)]
struct Outgoing {
    head: Bytes,
    payload: Bytes,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    ended: watch::Sender<Option<Ended>>,
    /// Bytes that went either way so far.
    moved: AtomicU64,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u32,
    answers: HashMap<u32, oneshot::Sender<Answer>>,
}

impl Channel {
    /// Greets the other side; gives the channel and the extensions that side offers.
    pub(super) async fn open<R, W>(
        mut from: R,
        mut to: W,
        patience: Duration,
    ) -> Result<(Self, Vec<Bytes>), Ended>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let greet = async {
            let mut init = BytesMut::from(&[0, 0, 0, 5, INIT][..]);
            init.extend_from_slice(&VERSION.to_be_bytes());
            let sent = async {
                to.write_all(&init).await?;
                to.flush().await
            };
            sent.await.map_err(|_| Ended::Lost)?;
            packet::hello(read_packet(&mut from).await?).map_err(Ended::Nonsense)
        };
        let greeted = tokio::time::timeout(patience, greet).await;
        let extensions = greeted.map_err(|_| Ended::Stalled)??;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            ended: watch::Sender::new(None),
            moved: AtomicU64::new(0),
            patience,
        });
        tokio::spawn(write_all(to, outgoing, shared.clone()));
        tokio::spawn(read_all(from, shared.clone()));
        Ok((Self { shared, queue }, extensions))
    }

    /// Sends a request, as soon as there is room for it.
    pub(super) async fn send(
        &self,
        verb: Verb,
        fields: Fields,
        payload: Bytes,
    ) -> Result<Pending, Ended> {
        let (answer, receiver) = oneshot::channel();
        let id = self.shared.register(answer)?;
        let head = fields.packet(verb, id, payload.len());
        let sent = self.queue.send(Outgoing { head, payload });
        let sent = self.shared.patiently(sent).await?;
        sent.map_err(|_| self.shared.reason())?;
        Ok(Pending {
            shared: self.shared.clone(),
            answer: receiver,
        })
    }

    /// Whether requests may still be answered.
    pub(super) fn is_open(&self) -> bool {
        self.shared.ended.borrow().is_none()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // The reading task would otherwise wait as long as the other side keeps its pipe open.
        self.shared.end(Ended::Closed);
    }
}

impl Pending {
    /// Waits for the answer.
    pub(super) async fn answer(self) -> Result<Answer, Ended> {
        let answer = self.shared.patiently(self.answer).await?;
        answer.map_err(|_| self.shared.reason())
    }
}

impl Shared {
    fn register(&self, answer: oneshot::Sender<Answer>) -> Result<u32, Ended> {
        let mut waiting = self.waiting();
        // Looked at under the lock: who ends the channel clears the answers after that under the same lock.
        if let Some(reason) = *self.ended.borrow() {
            return Err(reason);
        }
        // Numbers come round after four billion requests; those still unanswered are passed over.
        while waiting.answers.contains_key(&waiting.next) {
            waiting.next = waiting.next.wrapping_add(1);
        }
        let id = waiting.next;
        waiting.next = id.wrapping_add(1);
        waiting.answers.insert(id, answer);
        Ok(id)
    }

    /// Waits as long as something moves on the channel.
    async fn patiently<T>(&self, what: impl Future<Output = T>) -> Result<T, Ended> {
        let mut what = std::pin::pin!(what);
        loop {
            let before = self.moved.load(Ordering::Relaxed);
            match tokio::time::timeout(self.patience, &mut what).await {
                Ok(done) => return Ok(done),
                Err(_) if self.moved.load(Ordering::Relaxed) != before => {}
                Err(_) => {
                    self.end(Ended::Stalled);
                    return Err(self.reason());
                }
            }
        }
    }

    /// Ends the channel; the first reason given stays.
    fn end(&self, reason: Ended) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(reason);
            first
        });
        self.waiting().answers.clear();
    }

    fn reason(&self) -> Ended {
        self.ended.borrow().unwrap_or(Ended::Lost)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Writes what is queued until nobody can queue any more or the channel has ended.
async fn write_all<W: AsyncWrite + Unpin>(
    to: W,
    mut queue: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
) {
    let mut to = BufWriter::with_capacity(GATHERED, to);
    let mut ended = shared.ended.subscribe();
    let work = async {
        while let Some(next) = queue.recv().await {
            let mut next = Some(next);
            while let Some(outgoing) = next {
                to.write_all(&outgoing.head).await?;
                to.write_all(&outgoing.payload).await?;
                shared.count(outgoing.head.len() + outgoing.payload.len());
                next = queue.try_recv().ok();
            }
            to.flush().await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = ended.wait_for(Option::is_some) => {}
        done = work => {
            if done.is_err() {
                shared.end(Ended::Lost);
            }
        }
    }
}

/// Reads answers and hands them to who waits, until the channel has ended.
async fn read_all<R: AsyncRead + Unpin>(mut from: R, shared: Arc<Shared>) {
    let mut ended = shared.ended.subscribe();
    let work = async {
        loop {
            let packet = read_packet(&mut from).await?;
            shared.count(packet.len());
            let (id, answer) = packet::answer(packet).map_err(Ended::Nonsense)?;
            let Some(waiting) = shared.waiting().answers.remove(&id) else {
                return Err(Ended::Nonsense(Nonsense("an answer nobody asked for")));
            };
            // Nobody may be waiting any more.
            let _ = waiting.send(answer);
        }
    };
    let reason: Result<(), Ended> = tokio::select! {
        _ = ended.wait_for(Option::is_some) => Ok(()),
        done = work => done,
    };
    if let Err(reason) = reason {
        shared.end(reason);
    }
}

/// Reads one packet without its length.
async fn read_packet<R: AsyncRead + Unpin>(from: &mut R) -> Result<Bytes, Ended> {
    let mut length = [0; 4];
    from.read_exact(&mut length)
        .await
        .map_err(|_| Ended::Lost)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_PACKET {
        // What login scripts print looks like a length of a billion.
        return Err(Ended::Nonsense(Nonsense(
            "a packet of absurd length; does a login script of the account print something?",
        )));
    }
    let mut packet = vec![0; length];
    from.read_exact(&mut packet)
        .await
        .map_err(|_| Ended::Lost)?;
    Ok(packet.into())
}
