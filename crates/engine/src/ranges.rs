//! Parts of packs: in few requests, and so that the storage does not learn where frames lie (docs/format.md §9).

use std::ops::Range;

use bytes::Bytes;

/// Every request begins and ends at a multiple of this, or at the end of the pack.
const ALIGNMENT: u64 = 256 << 10;
/// Ranges that touch are fetched together up to this many bytes.
const RUN: u64 = 8 << 20;

/// What one request gave.
pub(crate) struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    /// Bytes from `start` of a pack on.
    pub(crate) fn new(start: u64, bytes: Bytes) -> Self {
        Self { start, bytes }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What lies at this range of the pack, if it was asked for.
    pub(crate) fn slice(&self, range: &Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..to)
    }
}

/// What is asked for in place of a range.
pub(crate) fn aligned(range: &Range<u64>, pack: u64) -> Range<u64> {
    range.start / ALIGNMENT * ALIGNMENT..range.end.next_multiple_of(ALIGNMENT).min(pack)
}

/// Frames with their places, by where they begin, as they are fetched together: in a pack of `pack` bytes, those whose
/// aligned ranges touch.
pub(crate) fn runs<T>(
    frames: &[(Range<u64>, T)],
    pack: u64,
) -> impl Iterator<Item = (Range<u64>, &[(Range<u64>, T)])> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let (run, count) = first_run(rest, pack)?;
        let (now, later) = rest.split_at(count);
        rest = later;
        Some((run, now))
    })
}

fn first_run<T>(frames: &[(Range<u64>, T)], pack: u64) -> Option<(Range<u64>, usize)> {
    let ((first, _), others) = frames.split_first()?;
    let mut run = first.clone();
    let mut count = 1;
    for (next, _) in others {
        let touches = aligned(next, pack).start <= aligned(&run, pack).end;
        if !touches || next.end - run.start > RUN {
            break;
        }
        run.end = run.end.max(next.end);
        count += 1;
    }
    Some((run, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: u64 = 40 << 20;

    fn frames(ranges: &[Range<u64>]) -> Vec<(Range<u64>, ())> {
        ranges.iter().map(|range| (range.clone(), ())).collect()
    }

    #[test]
    fn what_lies_close_together_is_one_request() {
        let frames = frames(&[
            100..200,
            ALIGNMENT..ALIGNMENT + 1,
            3 * ALIGNMENT..4 * ALIGNMENT,
        ]);
        let runs: Vec<_> = runs(&frames, PACK)
            .map(|(run, frames)| (run, frames.len()))
            .collect();
        assert_eq!(
            runs,
            [(100..ALIGNMENT + 1, 2), (3 * ALIGNMENT..4 * ALIGNMENT, 1)]
        );
    }

    #[test]
    fn a_request_is_bounded_and_every_frame_is_in_one() {
        let lengths = 4 << 20;
        let ranges: Vec<_> = (0..9).map(|n| n * lengths..(n + 1) * lengths).collect();
        let frames = frames(&ranges);
        let runs: Vec<_> = runs(&frames, PACK).collect();
        assert!(runs.iter().all(|(run, _)| run.end - run.start <= RUN));
        let covered: usize = runs.iter().map(|(_, frames)| frames.len()).sum();
        assert_eq!((runs.len(), covered), (5, 9));
    }

    #[test]
    fn requests_tell_no_borders_and_go_no_further_than_the_pack() {
        assert_eq!(aligned(&(1..2), PACK), 0..ALIGNMENT);
        assert_eq!(
            aligned(&(PACK - 1..PACK), PACK - 1),
            PACK - ALIGNMENT..PACK - 1
        );
        let part = Part::new(10, Bytes::from_static(b"abc"));
        assert_eq!(part.slice(&(11..13)), Some(&b"bc"[..]));
        assert_eq!(part.slice(&(9..11)), None);
        assert_eq!(part.slice(&(12..14)), None);
    }
}
