//! One direction of one connection: bytes wait for their turn, their delay and the signal.

use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::Instant;

use super::count::Heads;
use super::{Line, Shared, Signal};

/// The most bytes that take their turn at once.
const PART: usize = 16 << 10;
/// How many parts are on their way at once: a line of 100 ms and 1 Gbit/s holds 12 MB.
const ON_THE_WAY: usize = 1024;

/// What all connections of one direction share: when the line is free again.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Option<Instant>>);

impl Lane {
    /// Takes the next turn for so many bytes; it ends when they have left.
    async fn turn(&self, bytes: usize, rate: Option<u64>) {
        let Some(rate) = rate else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let takes = Duration::from_secs_f64(f64::from(bytes) / rate.max(1) as f64);
        let end = {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let end = free.map_or(now, |free| free.max(now)) + takes;
            *free = Some(end);
            end
        };
        tokio::time::sleep_until(end).await;
    }
}

/// Carries what one side sends to the other until it ends.
pub(super) async fn carry(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    lane: &Lane,
    shared: &Shared,
    heads: Option<Heads<'_>>,
) -> Result<()> {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    tokio::try_join!(
        take(from, sender, lane, shared, heads),
        give(to, receiver, shared)
    )
    .map(drop)
}

async fn take(
    mut from: OwnedReadHalf,
    parts: Sender<(Instant, Bytes)>,
    lane: &Lane,
    shared: &Shared,
    mut heads: Option<Heads<'_>>,
) -> Result<()> {
    let mut buffer = vec![0; PART];
    loop {
        let got = from.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        match &mut heads {
            Some(heads) => heads.sees(&buffer[..got]),
            None => shared.ledger.came_down(got),
        }
        let line = *shared.line.borrow();
        lane.turn(got, line.rate).await;
        let due = Instant::now() + line.delay;
        let part = Bytes::copy_from_slice(&buffer[..got]);
        if parts.send((due, part)).await.is_err() {
            return Ok(());
        }
    }
}

async fn give(
    mut to: OwnedWriteHalf,
    mut parts: Receiver<(Instant, Bytes)>,
    shared: &Shared,
) -> Result<()> {
    let mut line = shared.line.subscribe();
    while let Some((due, part)) = parts.recv().await {
        tokio::time::sleep_until(due).await;
        let clear = |line: &Line| line.signal == Signal::Clear;
        let cut = match line.wait_for(clear).await {
            Ok(line) => line.cut_after,
            Err(_) => return Ok(()),
        };
        let length = part.len() as u64;
        let passed = shared.passed.fetch_add(length, Ordering::Relaxed);
        let left = cut.map_or(length, |cut| cut.saturating_sub(passed).min(length));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        to.write_all(&part[..left]).await?;
        if left < part.len() {
            return Err(Error::new(ErrorKind::ConnectionReset, "cut"));
        }
    }
    to.shutdown().await
}
