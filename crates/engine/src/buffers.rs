//! Large buffers that are used again.
//!
//! Memory that was never touched costs a page fault for every 4 KiB, more than the copy into it. So large chunks
//! hand their buffers on instead of freeing them; what is kept is bounded.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// Buffers nobody uses now.
pub(crate) struct Buffers {
    /// Bytes that may wait here.
    most: usize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Bytes in a buffer that goes back where it came from.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

/// Less is cheaper to allocate than to keep.
const LEAST: usize = 1 << 20;

impl Buffers {
    pub(crate) fn keeping(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            idle: Mutex::default(),
        })
    }

    /// An empty buffer with room for `length` bytes.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.any(length);
        buffer.clear();
        buffer
    }

    /// A buffer of `length` bytes to be overwritten, whatever they are now.
    pub(crate) fn filled(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.any(length);
        // Zeros only where nothing was before.
        buffer.resize(length, 0);
        buffer
    }

    /// A copy of `bytes`.
    pub(crate) fn copy(self: &Arc<Self>, bytes: &[u8]) -> Buffer {
        let mut copy = self.take(bytes.len());
        copy.extend_from_slice(bytes);
        self.lend(copy)
    }

    /// These bytes, whose buffer comes here when they are dropped.
    pub(crate) fn lend(self: &Arc<Self>, bytes: Vec<u8>) -> Buffer {
        Buffer {
            bytes,
            home: Arc::clone(self),
        }
    }

    fn any(&self, length: usize) -> Vec<u8> {
        let room = rounded(length);
        let mut idle = lock(&self.idle);
        // The last one is the most likely to be in the processor's cache.
        let fitting = idle
            .buffers
            .iter()
            .rposition(|idle| idle.capacity() == room);
        match fitting.and_then(|nth| idle.buffers.remove(nth)) {
            Some(buffer) => {
                idle.bytes -= room;
                buffer
            }
            None => Vec::with_capacity(room),
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let room = buffer.capacity();
        if room < LEAST || room > self.most || room != rounded(room) {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.bytes += room;
        idle.buffers.push_back(buffer);
        // What was of no use for longest makes room.
        while idle.bytes > self.most
            && let Some(oldest) = idle.buffers.pop_front()
        {
            idle.bytes -= oldest.capacity();
        }
    }
}

/// Sizes are rounded up, by less than a quarter, so that a buffer meets others who need its size. What is
/// beyond the length is not touched, and so takes no memory at first.
fn rounded(length: usize) -> usize {
    if length < LEAST {
        return length;
    }
    length.next_multiple_of(length.next_power_of_two() / 8)
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: usize = 64 << 10;

    fn idle(buffers: &Buffers) -> Vec<usize> {
        let idle = lock(&buffers.idle);
        let mut rooms: Vec<usize> = idle.buffers.iter().map(Vec::capacity).collect();
        assert_eq!(rooms.iter().sum::<usize>(), idle.bytes);
        rooms.sort_unstable();
        rooms
    }

    #[test]
    fn a_buffer_is_used_again_for_what_has_its_size() {
        let buffers = Buffers::keeping(1_000 * UNIT);
        drop(buffers.copy(&[7; 100 * UNIT]));
        assert_eq!(idle(&buffers), [112 * UNIT]);
        for length in [113, 96, 40] {
            assert!(buffers.take(length * UNIT).capacity() >= length * UNIT);
            assert_eq!(idle(&buffers), [112 * UNIT], "{length} units");
        }
        let taken = buffers.take(97 * UNIT);
        assert!(taken.is_empty() && idle(&buffers).is_empty());
        drop(buffers.lend(taken));
        assert_eq!(buffers.filled(112 * UNIT).len(), 112 * UNIT);
    }

    #[test]
    fn no_more_waits_than_may_and_the_newest_stay() {
        let buffers = Buffers::keeping(300 * UNIT);
        let lent: Vec<Buffer> = [80, 96, 112, 128]
            .map(|room| buffers.lend(Vec::with_capacity(room * UNIT)))
            .into();
        drop(lent);
        assert_eq!(idle(&buffers), [112 * UNIT, 128 * UNIT]);
        for not_kept in [320 * UNIT, UNIT, 100 * UNIT] {
            drop(buffers.lend(Vec::with_capacity(not_kept)));
            assert_eq!(idle(&buffers), [112 * UNIT, 128 * UNIT]);
        }
    }

    #[test]
    fn sizes_are_rounded_by_less_than_a_quarter_and_once() {
        for length in (LEAST..40 * LEAST).step_by(4_099) {
            let room = rounded(length);
            assert!(room >= length && room < length + length / 4 + 1);
            assert_eq!(rounded(room), room);
        }
    }
}
