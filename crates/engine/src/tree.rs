//! Reading what a snapshot holds: streams, directories, paths.

use std::path::Path;
use std::sync::Arc;

use ownkey_crypto::{ChunkId, ChunkType, Opened};

use crate::chunks::{Chunks, Frame};
use crate::error::{Error, Result};
use crate::format::node::{Extent, Extents, Node, NodeKind, Stream};
use crate::format::stream::ids_from_bytes;
use crate::format::tree::{NodeReader, extents_fit, extents_from_bytes};
use crate::index::{Avoid, Index};
use crate::repository::Repository;

/// Directories nest at most this deep (docs/format.md §11); deeper ones are not ours.
pub const MAX_DEPTH: usize = 4_096;

/// Reads the contents of snapshots; shared by threads.
pub struct Browser {
    pub(crate) chunks: Chunks,
}

/// A chunk inside its decoded frame, which it keeps alive.
pub(crate) struct ChunkRef {
    frame: Arc<Frame>,
    nth: usize,
}

impl ChunkRef {
    pub(crate) fn opened(&self) -> Result<&Opened> {
        self.frame.get(self.nth).ok_or(Error::WorkerLost)
    }
}

impl Browser {
    /// Loads the index of `repository`.
    pub fn new(repository: &Repository) -> Result<Self> {
        let index = Arc::new(Index::load(repository, &Avoid::default())?);
        Ok(Self { chunks: Chunks::new(repository.io.clone(), Arc::clone(&repository.keys), index) })
    }

    pub(crate) fn chunk(&self, id: &ChunkId, kind: ChunkType) -> Result<ChunkRef> {
        let (frame, nth) = self.chunks.read(id, kind)?;
        Ok(ChunkRef { frame, nth })
    }

    /// The ids of the chunks that join to a stream's bytes.
    pub fn ids(&self, stream: &Stream) -> Result<Vec<ChunkId>> {
        let mut ids = stream.ids.clone();
        for _ in 0..stream.depth {
            let mut below = Vec::new();
            for id in &ids {
                below.extend_from_slice(self.chunk(id, ChunkType::List)?.opened()?.as_bytes());
            }
            ids = ids_from_bytes(&below).map_err(|_| bad_list())?;
        }
        Ok(ids)
    }

    /// The nodes of a directory, in order of names, to `each`. A directory of any size takes the
    /// memory of one chunk.
    pub fn each_node(&self, directory: &Stream, mut each: impl FnMut(Node) -> Result<()>) -> Result<()> {
        let mut reader = NodeReader::default();
        let mut length = 0;
        for id in self.ids(directory)? {
            let chunk = self.chunk(&id, ChunkType::Tree)?;
            let chunk = chunk.opened()?;
            length += chunk.len() as u64;
            for node in reader.push(chunk).map_err(|source| bad_tree(&id, source))? {
                each(node)?;
            }
        }
        reader.finish().map_err(|_| bad_list())?;
        if length == directory.length { Ok(()) } else { Err(bad_list()) }
    }

    /// All nodes of a directory.
    pub fn nodes(&self, directory: &Stream) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        self.each_node(directory, |node| {
            nodes.push(node);
            Ok(())
        })?;
        Ok(nodes)
    }

    /// The extents of a file: one whole one where it has no holes.
    pub fn extents(&self, size: u64, content: &Stream, extents: Option<&Extents>) -> Result<Vec<Extent>> {
        let list = match extents {
            None if size == 0 => Vec::new(),
            None => vec![Extent { offset: 0, length: size }],
            Some(Extents::Inline(list)) => list.clone(),
            Some(Extents::Listed(stream)) => {
                let mut bytes = Vec::new();
                for id in self.ids(stream)? {
                    bytes.extend_from_slice(self.chunk(&id, ChunkType::List)?.opened()?.as_bytes());
                }
                extents_from_bytes(&bytes).map_err(|_| bad_list())?
            }
        };
        if extents_fit(&list, size, content.length) { Ok(list) } else { Err(bad_list()) }
    }

    /// The node at `path` in a snapshot's tree; the path is absolute as it was backed up.
    pub fn find(&self, root: &Stream, path: &Path) -> Result<Found> {
        let mut directory = root.clone();
        let mut found = Found::Root(root.clone());
        for component in path.components() {
            let std::path::Component::Normal(name) = component else { continue };
            let name = std::os::unix::ffi::OsStrExt::as_bytes(name);
            let mut node = None;
            self.each_node(&directory, |candidate| {
                if candidate.name.as_bytes() == name {
                    node = Some(candidate);
                }
                Ok(())
            })?;
            let node = node.ok_or_else(|| Error::NoPath(path.to_owned()))?;
            directory = match &node.kind {
                NodeKind::Directory { content } => content.clone(),
                // Nothing is below a file; asking for it finds no name there.
                _ => Stream::default(),
            };
            found = Found::Node(Box::new(node));
        }
        Ok(found)
    }
}

/// What a path names.
#[derive(Debug, Clone)]
pub enum Found {
    /// The root of the snapshot, which has no node of its own.
    Root(Stream),
    /// An entry of some directory.
    Node(Box<Node>),
}

fn bad_list() -> Error {
    Error::Damage { what: "a list of chunks".to_owned() }
}

fn bad_tree(id: &ChunkId, source: crate::format::FormatError) -> Error {
    Error::Damage { what: format!("the directory in chunk {id} ({source})") }
}
