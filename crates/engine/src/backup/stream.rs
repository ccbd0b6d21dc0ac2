//! From a run of bytes to a [`Stream`]: cut, store, and list the ids (docs/format.md §11).

use ownkey_crypto::{Boundaries, ChunkId, ChunkType, End, Profile};

use super::framer::{Chunk, Framer};
use crate::error::{Error, Result};
use crate::format::node::Stream;

/// Cuts bytes that come piece by piece into the chunks of a tree or a list.
///
/// A clone goes on from the same place: how a checkpoint ends a directory that is still being
/// read.
#[derive(Clone)]
pub(crate) struct StreamWriter {
    kind: ChunkType,
    pending: Vec<u8>,
    length: u64,
    ids: Vec<ChunkId>,
}

impl StreamWriter {
    pub(crate) fn new(kind: ChunkType) -> Self {
        Self {
            kind,
            pending: Vec::new(),
            length: 0,
            ids: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn write(
        &mut self,
        bytes: &[u8],
        cutter: &Cutter,
        framer: &mut Framer<'_>,
    ) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.pending.len() >= 2 * cutter.tree.max() {
            self.cut(End::MoreFollows, cutter, framer)?;
        }
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn finish(mut self, cutter: &Cutter, framer: &mut Framer<'_>) -> Result<Stream> {
        self.cut(End::Known, cutter, framer)?;
        list(self.length, self.ids, cutter, framer)
    }

    fn cut(&mut self, end: End, cutter: &Cutter, framer: &mut Framer<'_>) -> Result<()> {
        let mut at = 0;
        while at < self.pending.len() {
            let rest = self.pending.get(at..).unwrap_or_default();
            let Some(length) = cutter.tree.cut(rest, end) else {
                break;
            };
            let chunk = Chunk::Within(rest.get(..length).unwrap_or(rest));
            self.ids.push(framer.put(self.kind, chunk)?);
            at += length;
        }
        self.pending.drain(..at.min(self.pending.len()));
        Ok(())
    }
}

/// The boundaries of a repository.
pub(crate) struct Cutter {
    pub(crate) content: Boundaries,
    pub(crate) tree: Boundaries,
}

impl Cutter {
    pub(crate) fn new(names: &ownkey_crypto::NameKeys) -> Self {
        Self {
            content: names.chunker(Profile::Content),
            tree: names.chunker(Profile::Tree),
        }
    }
}

/// The stream whose chunks are `ids`: a long list becomes chunks of its own.
pub(crate) fn list(
    length: u64,
    mut ids: Vec<ChunkId>,
    cutter: &Cutter,
    framer: &mut Framer<'_>,
) -> Result<Stream> {
    let mut depth = 0;
    while ids.len() > Stream::MAX_IDS {
        if depth == Stream::MAX_DEPTH {
            return Err(Error::Source(
                "a file has more chunks than the format can list".to_owned(),
            ));
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        let mut writer = StreamWriter::new(ChunkType::List);
        writer.write(&bytes, cutter, framer)?;
        writer.cut(End::Known, cutter, framer)?;
        ids = writer.ids;
        depth += 1;
    }
    Ok(Stream { length, depth, ids })
}
