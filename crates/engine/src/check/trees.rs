//! Every directory of every snapshot, each read once, and every chunk of every file looked up.

use std::collections::HashSet;

use ownkey_crypto::{ChunkId, ChunkType, ObjectHash};

use super::Check;
use crate::chunks::is_damage;
use crate::error::Result;
use crate::format::node::{Node, NodeKind, Stream};
use crate::list::{Step, Walk, key};
use crate::monitor::Figure;
use crate::repository::{Repository, Snapshot};
use crate::restore::layout::Layout;

/// Confirmed snapshots, and what this device left unfinished.
pub(super) fn snapshots(repository: &Repository) -> impl Iterator<Item = Snapshot> {
    let confirmed = repository.snapshots().into_iter();
    confirmed.chain(repository.unfinished())
}

impl Check<'_> {
    /// Whether anything in the trees is broken; `concerned` then says what.
    pub(super) fn trees(&mut self) -> Result<bool> {
        let mut broken = false;
        let mut seen = HashSet::new();
        for snapshot in snapshots(self.repository) {
            self.report.snapshots += 1;
            let root = &snapshot.record.root;
            if seen.insert(key(root)) {
                self.report.directories += 1;
                broken |= self.tree(root, &mut seen)?;
            }
        }
        Ok(broken)
    }

    fn tree(&mut self, root: &Stream, seen: &mut HashSet<ObjectHash>) -> Result<bool> {
        let mut broken = false;
        let mut walk = Walk::new(self.browser, root);
        while let Some(step) = walk.step() {
            self.go_on()?;
            match step {
                Step::Entry(node) => match &node.kind {
                    NodeKind::Directory { content } if seen.insert(key(content)) => {
                        self.report.directories += 1;
                    }
                    NodeKind::Directory { .. } => walk.skip(),
                    NodeKind::File { .. } => {
                        self.report.files += 1;
                        self.monitor.count(Figure::FilesDone, 1);
                        broken |= self.wrong_with(&node)?.is_some();
                    }
                    _ => {}
                },
                Step::Broken(error) if is_damage(&error) => broken = true,
                Step::Broken(error) => return Err(error),
                Step::Leave => {}
            }
        }
        Ok(broken)
    }

    /// Why a file's content cannot be had, as far as is known.
    pub(super) fn wrong_with(&self, node: &Node) -> Result<Option<String>> {
        match Layout::of(self.browser, node) {
            Ok(Some(layout)) => self.lost_chunk(&layout),
            Ok(None) => Ok(None),
            Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn lost_chunk(&self, layout: &Layout) -> Result<Option<String>> {
        for span in &layout.spans {
            if !self.is_usable(span.place)?
                && let Some(message) = self.blame(&span.id, ChunkType::Content)?
            {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// What the first chunk that cannot be had is to be blamed on.
    pub(super) fn first_blame<'i>(
        &self,
        mut ids: impl Iterator<Item = &'i ChunkId>,
        kind: ChunkType,
    ) -> Result<Option<String>> {
        let blamed = ids.find_map(|id| self.blame(id, kind).transpose());
        blamed.transpose()
    }
}
