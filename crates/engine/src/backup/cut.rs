//! Cutting a run of bytes that comes piece by piece into the chunks of its content.
//!
//! Bytes are read into the buffer in which their chunk goes on its way: only what was read beyond
//! its end, less than a piece, is moved.

use std::sync::Arc;

use ownkey_crypto::{Boundaries, End};

use super::framer::{ALONE, Chunk};
use crate::buffers::Buffers;
use crate::error::{Error, Result};
use crate::monitor::{Monitor, Stage};

/// Read at first: few chunks of content are shorter.
const FIRST: usize = 1 << 20;
/// Read then, until the end of the chunk is found: half of it is moved on average.
const PIECE: usize = 256 << 10;
/// Six chunks of seven find room in it.
const ROOM: usize = FIRST + 2 * PIECE;
/// For a run that may be short.
const SMALL: usize = 64 << 10;

/// Why a run was not cut to its end.
pub(crate) enum Stop<E> {
    /// Its bytes could not be read.
    Source(E),
    /// The run of the program ends.
    Run(Error),
}

/// What cuts runs of bytes, one after another.
pub(crate) struct Cutting<'c> {
    boundaries: &'c Boundaries,
    buffers: &'c Arc<Buffers>,
    monitor: &'c dyn Monitor,
    /// Where the next bytes are read to. It stays from run to run.
    buffer: Vec<u8>,
}

/// Where a run is.
#[derive(Default)]
struct At {
    /// Bytes read and not cut yet.
    end: usize,
    /// Those of them that hold no end.
    examined: usize,
    /// Whether there is nothing more to read.
    is_over: bool,
}

impl<'c> Cutting<'c> {
    pub(crate) fn new(
        boundaries: &'c Boundaries,
        buffers: &'c Arc<Buffers>,
        monitor: &'c dyn Monitor,
    ) -> Self {
        Self {
            boundaries,
            buffers,
            monitor,
            buffer: Vec::new(),
        }
    }

    /// Reads until `read` gives nothing more, about `size` bytes, and hands every chunk to `chunk`.
    pub(crate) fn run<E>(
        &mut self,
        size: u64,
        mut read: impl FnMut(&mut [u8]) -> std::result::Result<usize, E>,
        mut chunk: impl FnMut(Chunk<'_>) -> Result<()>,
    ) -> std::result::Result<(), Stop<E>> {
        let room = usize::try_from(size.saturating_add(1)).map_or(ROOM, |size| size.min(ROOM));
        if self.buffer.len() < room {
            let larger = self.buffers.filled(room.max(SMALL));
            self.keep(larger);
        }
        let mut at = At::default();
        loop {
            if !at.is_over {
                let began = self.monitor.elapsed();
                let count = read(self.room(&at)).map_err(Stop::Source)?;
                let time = self.monitor.elapsed().saturating_sub(began);
                self.monitor.spent(Stage::Read, time, count as u64);
                at.end += count;
                at.is_over = count == 0;
            }
            while let Some(length) = self.cut(&mut at) {
                self.hand_over(length, &mut at, &mut chunk)
                    .map_err(Stop::Run)?;
            }
            if at.is_over {
                return Ok(());
            }
        }
    }

    /// Where the next bytes go: never empty.
    fn room(&mut self, at: &At) -> &mut [u8] {
        if at.end == self.buffer.len() {
            let most = self.boundaries.max() + PIECE;
            let mut larger = self.buffers.filled((2 * at.end).clamp(SMALL, most));
            copy(&self.buffer, &mut larger);
            self.keep(larger);
        }
        let piece = FIRST.saturating_sub(at.end).max(PIECE);
        let end = self.buffer.len().min(at.end + piece);
        self.buffer.get_mut(at.end..end).unwrap_or_default()
    }

    fn cut(&self, at: &mut At) -> Option<usize> {
        let held = self.buffer.get(..at.end).filter(|held| !held.is_empty())?;
        let end = if at.is_over {
            End::Known
        } else {
            End::MoreFollows
        };
        let began = self.monitor.elapsed();
        let length = self.boundaries.cut_on(held, at.examined, end);
        let time = self.monitor.elapsed().saturating_sub(began);
        let examined = length.unwrap_or(at.end).saturating_sub(at.examined);
        self.monitor.spent(Stage::Cut, time, examined as u64);
        at.examined = if length.is_some() { 0 } else { at.end };
        length
    }

    /// A chunk that fills most of the buffer takes it along.
    fn hand_over(
        &mut self,
        length: usize,
        at: &mut At,
        chunk: &mut impl FnMut(Chunk<'_>) -> Result<()>,
    ) -> Result<()> {
        let rest = length..at.end;
        at.end -= length;
        if length < ALONE {
            chunk(Chunk::Within(self.buffer.get(..length).unwrap_or_default()))?;
            self.buffer.copy_within(rest, 0);
            return Ok(());
        }
        let room = if at.is_over { 0 } else { ROOM };
        let mut next = self.buffers.filled(room.max(rest.len()));
        copy(self.buffer.get(rest).unwrap_or_default(), &mut next);
        let mut whole = std::mem::replace(&mut self.buffer, next);
        whole.truncate(length);
        chunk(Chunk::Whole(self.buffers.lend(whole)))
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        drop(
            self.buffers
                .lend(std::mem::replace(&mut self.buffer, buffer)),
        );
    }
}

impl Drop for Cutting<'_> {
    fn drop(&mut self) {
        self.keep(Vec::new());
    }
}

/// Copies all of `from` to the beginning of `to`, which is no shorter.
fn copy(from: &[u8], to: &mut [u8]) {
    if let Some(to) = to.get_mut(..from.len()) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use ownkey_crypto::{DedupKey, NameKeys, OsRandom, Profile, RepoId};

    use super::*;
    use crate::monitor::Silent;

    fn boundaries() -> Boundaries {
        let dedup = DedupKey::generate(&OsRandom).unwrap();
        NameKeys::new(&dedup, &RepoId::from_bytes([1; 32])).chunker(Profile::Content)
    }

    /// Bytes that look random.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        (0..length.div_ceil(8)).flat_map(|_| next()).collect()
    }

    /// What `data`, given in pieces of at most `piece` bytes, is cut into; each with whether it took its
    /// buffer along.
    fn chunks(cutting: &mut Cutting<'_>, data: &[u8], piece: usize) -> Vec<(Vec<u8>, bool)> {
        let mut rest = data;
        let mut chunks = Vec::new();
        let read = |room: &mut [u8]| {
            assert!(!room.is_empty());
            let (now, later) = rest.split_at(rest.len().min(piece).min(room.len()));
            room[..now.len()].copy_from_slice(now);
            rest = later;
            Ok::<_, ()>(now.len())
        };
        let cut = cutting.run(data.len() as u64, read, |chunk| {
            chunks.push((chunk.to_vec(), matches!(chunk, Chunk::Whole(_))));
            Ok(())
        });
        assert!(cut.is_ok());
        chunks
    }

    #[test]
    fn a_run_is_cut_at_its_boundaries_however_it_comes() {
        let (boundaries, buffers) = (boundaries(), Buffers::keeping(8 << 20));
        let data = noise(12 << 20);
        let mut cutting = Cutting::new(&boundaries, &buffers, &Silent);
        for (length, piece) in [
            (data.len(), usize::MAX),
            (data.len(), 100_000),
            (5 << 20, 4_097),
        ] {
            let data = &data[..length];
            let mut rest = data;
            for (chunk, is_whole) in chunks(&mut cutting, data, piece) {
                let (expected, later) = rest.split_at(boundaries.cut(rest, End::Known).unwrap());
                assert!(chunk == expected, "pieces of {piece}");
                assert_eq!(is_whole, chunk.len() >= ALONE);
                rest = later;
            }
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn the_longest_chunk_fits_and_short_runs_leave_the_buffer_where_it_is() {
        let (boundaries, buffers) = (boundaries(), Buffers::keeping(8 << 20));
        let mut cutting = Cutting::new(&boundaries, &buffers, &Silent);
        // Of zeros all windows are equal, so nothing but the maximum ends a chunk.
        let zeros = vec![0; 2 * boundaries.max() + 10];
        let lengths: Vec<usize> = chunks(&mut cutting, &zeros, usize::MAX)
            .iter()
            .map(|(chunk, _)| chunk.len())
            .collect();
        assert_eq!(lengths, [boundaries.max(), boundaries.max(), 10]);
        assert!(chunks(&mut cutting, &[], 1).is_empty());
        for short in [&b"a"[..], b"short run"] {
            assert_eq!(chunks(&mut cutting, short, 3), [(short.to_vec(), false)]);
        }
    }
}
