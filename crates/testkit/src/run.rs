//! A runtime for tests that are not async themselves.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future to its end on a fresh runtime of two worker threads.
///
/// # Panics
/// When the system gives no threads, or the future panics.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The outcome of a future that never waits.
///
/// # Panics
/// When it waits after all.
pub(crate) fn run_ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a future that had to wait"),
    }
}

/// A runtime that goes on by itself beside a test, until it is dropped.
pub(crate) fn background() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}
