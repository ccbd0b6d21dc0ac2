//! Which chunk goes where in a file.

use ownkey_crypto::{ChunkId, ChunkType};

use crate::error::{Error, Result};
use crate::format::node::{Extent, Node, NodeKind};
use crate::index::{Found, Place};
use crate::tree::Browser;

/// One chunk of a file.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) id: ChunkId,
    /// Where it begins in the content, holes not counted.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u32,
    /// Where it is stored.
    pub(crate) place: Place,
}

/// The content of one file.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Apparent size in bytes.
    pub(crate) size: u64,
    pub(crate) spans: Vec<Span>,
    /// Where the content lies in the file: ascending, apart, together as long as the content.
    extents: Vec<Extent>,
    /// Where each extent begins in the content.
    starts: Vec<u64>,
}

impl Layout {
    /// Looks every chunk up. The lengths must add up to what the node says, so that a list with
    /// chunks dropped, repeated or exchanged is found before anything is written. `None` for what is not a file.
    pub(crate) fn of(browser: &Browser, node: &Node) -> Result<Option<Self>> {
        let NodeKind::File {
            size,
            content,
            extents,
        } = &node.kind
        else {
            return Ok(None);
        };
        let index = browser.chunks.index();
        let mut spans = Vec::new();
        let mut offset = 0u64;
        for id in browser.ids(content)? {
            let found = index.find(&id, ChunkType::Content)?;
            let Found { place, length, .. } = found.ok_or_else(|| unlisted(&id))?;
            spans.push(Span {
                id,
                offset,
                length,
                place,
            });
            offset = offset.saturating_add(u64::from(length));
        }
        if offset != content.length {
            return Err(Error::Damage {
                what: "the list of its chunks".to_owned(),
            });
        }
        let extents = browser.extents(*size, content, extents.as_ref())?;
        let mut start = 0;
        let starts = extents.iter().map(|extent| {
            let begin = start;
            start += extent.length;
            begin
        });
        Ok(Some(Self {
            size: *size,
            spans,
            starts: starts.collect(),
            extents,
        }))
    }

    /// Bytes of content.
    pub(crate) fn data(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.length)).sum()
    }

    pub(crate) fn has_holes(&self) -> bool {
        self.data() < self.size
    }

    /// Where in the file the bytes of `span` go: offsets in the file, with ranges of the chunk.
    pub(crate) fn pieces<'l>(
        &'l self,
        span: &'l Span,
    ) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> + 'l {
        let end = span.offset + u64::from(span.length);
        let first = self
            .starts
            .partition_point(|start| *start <= span.offset)
            .saturating_sub(1);
        let from = self.extents.iter().zip(&self.starts).skip(first);
        from.take_while(move |(_, start)| **start < end)
            .map(move |(extent, start)| {
                let begin = span.offset.max(*start);
                let stop = end.min(start + extent.length);
                // Both lie within the chunk, whose length is a u32.
                let within = |at: u64| usize::try_from(at - span.offset).unwrap_or(usize::MAX);
                (extent.offset + (begin - start), within(begin)..within(stop))
            })
    }
}

fn unlisted(id: &ChunkId) -> Error {
    Error::Damage {
        what: format!("chunk {id}: no index segment names it, so it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: u64, length: u32) -> Span {
        let place = Place {
            pack: 0,
            frame: 0,
            nth: 0,
        };
        Span {
            id: ChunkId::from_bytes([0; 32]),
            offset,
            length,
            place,
        }
    }

    fn layout(spans: Vec<Span>, extents: &[(u64, u64)]) -> Layout {
        let extents: Vec<Extent> = extents
            .iter()
            .map(|(offset, length)| Extent {
                offset: *offset,
                length: *length,
            })
            .collect();
        let mut sum = 0;
        let starts = extents
            .iter()
            .map(|e| {
                let at = sum;
                sum += e.length;
                at
            })
            .collect();
        Layout {
            size: 1_000,
            spans,
            extents,
            starts,
        }
    }

    #[test]
    fn a_chunk_is_spread_over_the_extents_it_covers() {
        let file = layout(
            vec![span(0, 15), span(15, 25)],
            &[(100, 10), (200, 10), (300, 20)],
        );
        let pieces = |n: usize| file.pieces(&file.spans[n]).collect::<Vec<_>>();
        assert_eq!(pieces(0), [(100, 0..10), (200, 10..15)]);
        assert_eq!(pieces(1), [(205, 0..5), (300, 5..25)]);
        assert!(file.has_holes());
    }

    #[test]
    fn a_chunk_that_begins_with_an_extent_takes_nothing_of_the_one_before() {
        let file = layout(vec![span(0, 10), span(10, 5)], &[(100, 10), (200, 5)]);
        assert_eq!(
            file.pieces(&file.spans[1]).collect::<Vec<_>>(),
            [(200, 0..5)]
        );
    }
}
