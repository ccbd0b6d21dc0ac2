//! Reading what a snapshot holds: streams, directories, paths.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use ownkey_crypto::{ChunkId, ChunkType, Opened};

use crate::chunks::{Chunks, Frame};
use crate::damage::known_damage;
use crate::error::{Error, Result};
use crate::format::node::{Extent, Extents, Node, NodeKind, Stream};
use crate::format::stream::ids_from_bytes;
use crate::format::tree::{NodeReader, extents_fit, extents_from_bytes};
use crate::index::Index;
use crate::monitor::Silent;
use crate::repository::Repository;

/// Directories nest at most this deep (docs/format.md §11); deeper ones are not ours.
pub const MAX_DEPTH: usize = 4_096;
/// Most chunks of one stream: 64 TiB of a file, in chunks of the size cut on average.
const MAX_IDS: usize = 1 << 26;

/// Reads the contents of snapshots; shared by threads.
pub struct Browser {
    pub(crate) chunks: Chunks,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
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
    /// Loads the index of `repository`. Of several copies of a chunk, one in a pack that is known
    /// to be damaged is read last.
    pub fn new(repository: &Repository) -> Result<Self> {
        if !repository.may_read() {
            return Err(Error::NotAllowed("read"));
        }
        Ok(Self {
            chunks: until_moved(repository.again(), load(repository)?),
        })
    }

    /// The same with the index as the storage shows it, whatever this machine has of it.
    pub(crate) fn examining(repository: &Repository) -> Result<Self> {
        let index = Index::examine(repository, &known_damage(repository)?)?;
        Ok(Self {
            chunks: until_moved(repository.again(), index),
        })
    }

    /// The same over an index that is loaded already.
    pub(crate) fn over(repository: &Repository, index: Arc<Index>) -> Self {
        Self {
            chunks: Chunks::new(
                repository.io.clone(),
                Arc::clone(&repository.keys),
                index,
                repository.environment.memory,
            ),
        }
    }

    pub(crate) fn chunk(&self, id: &ChunkId, kind: ChunkType) -> Result<ChunkRef> {
        let (frame, nth) = self.chunks.read(id, kind)?;
        Ok(ChunkRef { frame, nth })
    }

    /// The ids of the chunks that join to a stream's bytes.
    ///
    /// Lists can name one list many times, so their number is bounded while they are read, not
    /// after: no chunk is empty, and no file needs more than `MAX_IDS`.
    pub fn ids(&self, stream: &Stream) -> Result<Vec<ChunkId>> {
        self.ids_through(stream, &mut |_| {})
    }

    /// The same; the chunks of the lists on the way go to `list`.
    pub(crate) fn ids_through(
        &self,
        stream: &Stream,
        list: &mut dyn FnMut(&ChunkId),
    ) -> Result<Vec<ChunkId>> {
        let mut ids = stream.ids.clone();
        let most = MAX_IDS.min(usize::try_from(stream.length).unwrap_or(MAX_IDS));
        for _ in 0..stream.depth {
            let mut below = Vec::new();
            for id in &ids {
                list(id);
                below.extend_from_slice(self.chunk(id, ChunkType::List)?.opened()?.as_bytes());
                if below.len() / ChunkId::LEN > most {
                    return Err(bad_list());
                }
            }
            ids = ids_from_bytes(&below).map_err(|_| bad_list())?;
        }
        Ok(ids)
    }

    /// The nodes of a directory, in order of names, to `each`. A directory of any size takes the
    /// memory of one chunk.
    pub fn each_node(
        &self,
        directory: &Stream,
        mut each: impl FnMut(Node) -> Result<()>,
    ) -> Result<()> {
        for node in self.stream(directory) {
            each(node?)?;
        }
        Ok(())
    }

    /// The same, one node at a time. Nothing comes after an error.
    pub(crate) fn stream(&self, directory: &Stream) -> NodeStream<'_> {
        let (ids, failure) = match self.ids(directory) {
            Ok(ids) => (ids, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        NodeStream {
            browser: self,
            ids: ids.into_iter(),
            reader: Some(NodeReader::default()),
            ready: VecDeque::new(),
            left: directory.length,
            failure,
        }
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
    pub fn extents(
        &self,
        size: u64,
        content: &Stream,
        extents: Option<&Extents>,
    ) -> Result<Vec<Extent>> {
        let list = match extents {
            None if size == 0 => Vec::new(),
            None => vec![Extent {
                offset: 0,
                length: size,
            }],
            Some(Extents::Inline(list)) => list.clone(),
            Some(Extents::Listed(stream)) => {
                let mut bytes = Vec::new();
                for id in self.ids(stream)? {
                    bytes.extend_from_slice(self.chunk(&id, ChunkType::List)?.opened()?.as_bytes());
                }
                extents_from_bytes(&bytes).map_err(|_| bad_list())?
            }
        };
        if extents_fit(&list, size, content.length) {
            Ok(list)
        } else {
            Err(bad_list())
        }
    }

    /// The node at `path` in a snapshot's tree; the path is absolute as it was backed up.
    pub fn find(&self, root: &Stream, path: &Path) -> Result<Found> {
        let mut directory = root.clone();
        let mut found = Found::Root(root.clone());
        for component in path.components() {
            let std::path::Component::Normal(name) = component else {
                continue;
            };
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

/// Where the chunks of a repository are.
fn load(repository: &Repository) -> Result<Index> {
    Index::load(repository, &known_damage(repository)?)
}

/// Chunks where an index has them, and where they will be looked for if a prune moves them meanwhile.
fn until_moved(mut repository: Repository, index: Index) -> Chunks {
    let chunks = Browser::over(&repository, Arc::new(index)).chunks;
    if repository.earlier().is_some() {
        return chunks;
    }
    chunks.or_as_of(Box::new(move || {
        if !repository.has_news(&Silent)? {
            return Ok(None);
        }
        let index = Arc::new(load(&repository)?);
        Ok(Some(Browser::over(&repository, index).chunks))
    }))
}

/// The nodes of one directory.
pub(crate) struct NodeStream<'b> {
    browser: &'b Browser,
    ids: std::vec::IntoIter<ChunkId>,
    /// Taken when the directory ended, well or badly.
    reader: Option<NodeReader>,
    ready: VecDeque<Node>,
    /// Bytes that are still to come.
    left: u64,
    failure: Option<Error>,
}

impl<'b> NodeStream<'b> {
    /// A directory that cannot be read.
    pub(crate) fn failed(browser: &'b Browser, error: Error) -> Self {
        let (ids, ready) = (Vec::new().into_iter(), VecDeque::new());
        Self {
            browser,
            ids,
            reader: None,
            ready,
            left: 0,
            failure: Some(error),
        }
    }

    /// Reads the next chunk; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        let Some(reader) = &mut self.reader else {
            return Ok(false);
        };
        if let Some(id) = self.ids.next() {
            let chunk = self.browser.chunk(&id, ChunkType::Tree)?;
            let chunk = chunk.opened()?;
            self.left = self
                .left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(bad_list)?;
            self.ready.extend(
                reader
                    .push(chunk)
                    .map_err(|source| bad_tree(&id, &source))?,
            );
            return Ok(true);
        }
        let ended = self
            .reader
            .take()
            .is_none_or(|reader| reader.finish().is_ok());
        if ended && self.left == 0 {
            Ok(false)
        } else {
            Err(bad_list())
        }
    }
}

impl Iterator for NodeStream<'_> {
    type Item = Result<Node>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(node) = self.ready.pop_front() {
                return Some(Ok(node));
            }
            let filled = match self.failure.take() {
                Some(error) => Err(error),
                None => self.fill(),
            };
            match filled {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.reader = None;
                    return Some(Err(error));
                }
            }
        }
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
    Error::Damage {
        what: "a list of chunks".to_owned(),
    }
}

fn bad_tree(id: &ChunkId, source: &crate::format::FormatError) -> Error {
    Error::Damage {
        what: format!("the directory in chunk {id} ({source})"),
    }
}
