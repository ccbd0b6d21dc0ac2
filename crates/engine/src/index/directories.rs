//! Directories of packs that were read lately.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::Filed;
use crate::lock::lock;

/// Bytes of directories kept.
const KEPT: usize = 16 << 20;
/// Bytes of a chunk and of a frame in memory.
const EACH: (usize, usize) = (36, 64);

/// Packs whose directories are kept however large they are: chunks that were stored one after another lie in two
/// packs by turns.
const LEAST: usize = 2;

/// A bounded number of bytes, the oldest leaving first.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    kept: HashMap<u32, (Arc<Filed>, usize)>,
    order: VecDeque<u32>,
    bytes: usize,
}

impl Directories {
    pub(super) fn find(&self, pack: u32) -> Option<Arc<Filed>> {
        let cache = lock(&self.0);
        cache.kept.get(&pack).map(|(filed, _)| Arc::clone(filed))
    }

    #[cfg(test)]
    pub(super) fn forget(&self) {
        *lock(&self.0) = Cache::default();
    }

    pub(super) fn put(&self, filed: Filed) -> Arc<Filed> {
        let frames = filed.directory.frames();
        let chunks: usize = frames.iter().map(|frame| frame.chunks.len()).sum();
        let bytes = chunks * EACH.0 + frames.len() * EACH.1;
        let number = filed.pack.number;
        let filed = Arc::new(filed);
        let mut cache = lock(&self.0);
        if cache
            .kept
            .insert(number, (Arc::clone(&filed), bytes))
            .is_none()
        {
            cache.order.push_back(number);
            cache.bytes += bytes;
        }
        while cache.bytes > KEPT
            && cache.order.len() > LEAST
            && let Some(oldest) = cache.order.pop_front()
        {
            if let Some((_, bytes)) = cache.kept.remove(&oldest) {
                cache.bytes -= bytes;
            }
        }
        filed
    }
}
