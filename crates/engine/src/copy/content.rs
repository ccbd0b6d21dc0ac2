//! One file of a snapshot as something to read: its content is cut anew with the boundaries of
//! the repository it goes to, so nothing of the old boundaries can be seen there.

use std::path::PathBuf;
use std::sync::Arc;

use crate::backup::leaf::{LeafReader, Outcome, Readable};
use crate::chunks::is_damage;
use crate::dump::FileReader;
use crate::error::{Error, Result};
use crate::format::node::{Node, NodeKind};
use crate::monitor::Figure;
use crate::tree::Browser;

/// A file where it is copied from.
pub(super) struct CopiedFile {
    pub(super) from: Arc<Browser>,
    pub(super) path: PathBuf,
    pub(super) node: Node,
}

impl Readable for CopiedFile {
    /// What is damaged where it comes from is a problem of this file; the rest goes on.
    fn read(self: Box<Self>, reader: &mut LeafReader<'_>) -> Result<Outcome> {
        reader.pass().monitor.at(&self.path);
        match self.copy(reader)? {
            Ok(kind) => Ok(Outcome {
                node: Some((
                    Node {
                        kind,
                        ..self.node.clone()
                    },
                    None,
                )),
                problems: Vec::new(),
            }),
            Err(error) if is_damage(&error) => Ok(Outcome {
                node: None,
                problems: vec![error.to_string()],
            }),
            Err(error) => Err(error),
        }
    }
}

impl CopiedFile {
    /// The outer error is one of the repository that is written, the inner one of that which is
    /// read: only the latter can be damage.
    fn copy(&self, reader: &mut LeafReader<'_>) -> Result<Result<NodeKind>> {
        let NodeKind::File {
            size,
            content,
            extents,
        } = &self.node.kind
        else {
            return Ok(Ok(self.node.kind.clone()));
        };
        // Holes have no chunks: what is read is the data alone, as if the file had none.
        let data = Node {
            kind: NodeKind::File {
                size: content.length,
                content: content.clone(),
                extents: None,
            },
            ..self.node.clone()
        };
        let opened = FileReader::new(&self.from, &data).and_then(|file| {
            let list = self.from.extents(*size, content, extents.as_ref())?;
            Ok((file, list))
        });
        let (mut file, list) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let stored = match reader.store(|room| file.next(room), content.length)? {
            Ok(stored) => stored,
            Err(error) => return Ok(Err(error)),
        };
        if stored.length != content.length {
            return Err(Error::WorkerLost);
        }
        let extents = match extents {
            Some(_) => Some(reader.extents(list)?),
            None => None,
        };
        let monitor = reader.pass().monitor;
        monitor.count(Figure::BytesRead, content.length);
        Ok(Ok(NodeKind::File {
            size: *size,
            content: stored,
            extents,
        }))
    }
}
