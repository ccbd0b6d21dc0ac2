//! Counts the requests of HTTP/1.1 that pass, and all bytes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::faults::head_of;

/// What passed so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, by their method.
    pub requests: BTreeMap<String, u64>,
    /// Bytes from clients to the server, heads included.
    pub up: u64,
    /// Bytes from the server to clients, heads included.
    pub down: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    requests: Mutex<BTreeMap<String, u64>>,
    up: AtomicU64,
    down: AtomicU64,
}

impl Ledger {
    pub(super) fn counts(&self) -> Counts {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            requests: requests.clone(),
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }

    /// Follows the requests of a new connection.
    pub(super) fn connection(&self) -> Heads<'_> {
        Heads {
            ledger: self,
            head: Vec::new(),
            body: 0,
            lost: false,
        }
    }

    pub(super) fn came_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn request(&self, method: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(method.to_owned()).or_default() += 1;
    }
}

/// Finds the heads of requests among what a client sends.
pub(super) struct Heads<'a> {
    ledger: &'a Ledger,
    head: Vec<u8>,
    /// What is left of a body.
    body: usize,
    /// Whether this is something else than we can follow.
    lost: bool,
}

impl Heads<'_> {
    pub(super) fn sees(&mut self, mut bytes: &[u8]) {
        self.ledger
            .up
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        while !bytes.is_empty() && !self.lost {
            let skipped = self.body.min(bytes.len());
            self.body -= skipped;
            bytes = &bytes[skipped..];
            let Some((&first, rest)) = bytes.split_first() else {
                return;
            };
            self.head.push(first);
            bytes = rest;
            if self.head.ends_with(b"\r\n\r\n") {
                let head = std::mem::take(&mut self.head);
                match head_of(&head) {
                    Some((head, length)) => {
                        self.ledger.request(head.method.as_str());
                        self.body = length;
                    }
                    None => self.lost = true,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_between_bodies_wherever_they_are_cut() {
        let stream = b"PUT /a HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /no HTTP/1.1\r\n\r\n.\
                       GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
        for size in 1..40 {
            let ledger = Ledger::default();
            let mut heads = ledger.connection();
            for part in stream.chunks(size) {
                heads.sees(part);
            }
            let counts = ledger.counts();
            assert_eq!(counts.requests.get("PUT"), Some(&1), "{size}");
            assert_eq!(counts.requests.get("GET"), Some(&2), "{size}");
            assert_eq!(counts.up, stream.len() as u64);
        }
    }
}
