//! The integration tests of `ownkey-testkit`: tools that tests trust must be tested themselves.

mod decorators;
mod faulty;
mod line;
mod lying;
mod servers;
mod service;
mod tree;

use bytes::Bytes;
use ownkey_storage::{ObjectName, Storage};

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("the test's own name")
}

async fn put(storage: &dyn Storage, text: &str) {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let created = storage.create(&name(text), body).await;
    created.unwrap_or_else(|error| panic!("{error}"));
}
