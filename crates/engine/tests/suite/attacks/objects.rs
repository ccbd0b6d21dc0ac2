//! Objects of a storage in memory, looked at and put from outside of any engine.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ownkey_storage::{ObjectName, Prefix, Storage, list_all};

pub(crate) fn get(storage: &Arc<dyn Storage>, name: &ObjectName) -> Bytes {
    ready(storage.get(name)).expect("an object")
}

pub(crate) fn put(storage: &Arc<dyn Storage>, name: &ObjectName, bytes: Vec<u8>) {
    ready(storage.create(name, bytes.into())).expect("room for an object");
}

/// Names in order.
pub(crate) fn names_under(storage: &Arc<dyn Storage>, start: &str) -> Vec<ObjectName> {
    let listed = ready(list_all(storage.as_ref(), &Prefix::all())).expect("a listing");
    listed
        .into_iter()
        .map(|object| object.name)
        .filter(|name| name.as_str().starts_with(start))
        .collect()
}

/// The outcome of a storage that never waits.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a storage in memory that has to wait"),
    }
}
