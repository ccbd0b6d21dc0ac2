//! The line is shared, and kept to.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use ownkey_storage::http::{
    Download, HttpClient, Paced, Patience, Transport, TransportError, Upload,
};
use ownkey_storage::{Limit, MemoryStorage, Pace, Rates, Storage};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::name;

fn pace(bytes_per_second: u64) -> Pace {
    Pace::new(NonZeroU64::new(bytes_per_second).expect("a rate"))
}

fn both(bytes_per_second: u64) -> Rates {
    Rates {
        upload: Some(pace(bytes_per_second)),
        download: Some(pace(bytes_per_second)),
    }
}

/// Whether a time is what it should be, within three percent and the credit of a pause.
fn assert_near(took: Duration, seconds: f64) {
    let took = took.as_secs_f64();
    let bounds = seconds * 0.97 - 0.3..=seconds * 1.03 + 0.3;
    assert!(bounds.contains(&took), "{took} s, not {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_over_a_long_run_by_all_operations_together() {
    let storage = Arc::new(Limit::new(Arc::new(MemoryStorage::new()), both(100_000)));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let storage = storage.clone();
        tasks.spawn(async move {
            for round in 0..25 {
                let wanted = name(&format!("data/{n}-{round}"));
                let body = vec![n; 50_000];
                storage.create(&wanted, body.into()).await.expect("stored");
            }
        });
    }
    tasks.join_all().await;
    assert_near(begun.elapsed(), 8.0 * 25.0 * 50_000.0 / 100_000.0);
    let begun = Instant::now();
    for round in 0..25 {
        let read = storage.get(&name(&format!("data/3-{round}"))).await;
        assert_eq!(read.expect("it").len(), 50_000);
    }
    assert_near(begun.elapsed(), 12.5);
}

#[tokio::test(start_paused = true)]
async fn a_small_object_passes_between_the_pieces_of_a_large_one() {
    let storage = Arc::new(Limit::new(Arc::new(MemoryStorage::new()), both(20_000)));
    let large = storage.clone();
    let large = tokio::spawn(async move {
        let body = vec![1; 16 << 20];
        large.create(&name("data/large"), body.into()).await
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let body = Bytes::from_static(&[2; 4096]);
    storage
        .create(&name("log/small"), body)
        .await
        .expect("stored");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!large.is_finished());
    large.await.expect("a task").expect("stored");
    assert_near(
        begun.elapsed() + Duration::from_secs(1),
        ((16 << 20) + 4096) as f64 / 20_000.0,
    );
}

#[tokio::test(start_paused = true)]
async fn ways_up_and_down_do_not_wait_for_each_other_and_no_rate_is_no_limit() {
    let rates = Rates {
        upload: Some(pace(1000)),
        download: None,
    };
    let storage = Limit::new(Arc::new(MemoryStorage::new()), rates);
    let begun = Instant::now();
    let body = Bytes::from(vec![0; 60_000]);
    storage.create(&name("one"), body).await.expect("stored");
    assert_near(begun.elapsed(), 60.0);
    let begun = Instant::now();
    storage.get(&name("one")).await.expect("it");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// Answers every request with its own body, and notes when the parts of it came.
#[derive(Debug, Default)]
struct Echo {
    parts: Mutex<Vec<(Instant, usize)>>,
}

#[async_trait]
impl Transport for Echo {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let mut body = request.into_body();
        let mut whole = Vec::new();
        while let Some(Ok(frame)) =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
        {
            let part = frame.into_data().expect("data");
            let mut parts = self.parts.lock().expect("a list");
            parts.push((Instant::now(), part.len()));
            drop(parts);
            whole.extend_from_slice(&part);
        }
        let answer = futures_util::stream::iter([Ok(Bytes::from(whole))]).boxed();
        Ok(Response::new(answer))
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_over_http_move_steadily_both_ways() {
    const SIZE: usize = 4 << 20;
    let echo = Arc::new(Echo::default());
    let paced = Arc::new(Paced::new(echo.clone(), both(20_000)));
    // Slower than its patience for the whole, and yet not stalled.
    let client = HttpClient::new(paced, 2, Patience::default());
    let body = Bytes::from((0..SIZE).map(|n| n as u8).collect::<Vec<_>>());
    let begun = Instant::now();
    let request = Request::new(body.clone());
    let answer = client
        .exchange(request, SIZE as u64)
        .await
        .expect("an answer");
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body == body, "the same bytes, in order");
    assert_near(begun.elapsed(), 2.0 * SIZE as f64 / 20_000.0);
    let parts = echo.parts.lock().expect("a list");
    let longest = parts.windows(2).map(|two| two[1].0 - two[0].0).max();
    assert!(longest < Some(Duration::from_millis(150)), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn many_transfers_on_a_slow_line_all_move_within_everybodys_patience() {
    let paced = Arc::new(Paced::new(Arc::new(Echo::default()), both(4096)));
    let client = HttpClient::new(paced, 16, Patience::default());
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let client = client.clone();
        tasks.spawn(async move {
            let request = Request::new(Bytes::from(vec![n; 64 << 10]));
            client.exchange(request, 1 << 20).await.expect("an answer")
        });
    }
    assert_eq!(tasks.join_all().await.len(), 16);
}
