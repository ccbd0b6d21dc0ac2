//! Which chunks somebody needs.
//!
//! Marked, not listed: what nobody needs may seem to be needed, one chunk in some thousands, and then stays
//! until another prune. What somebody needs never seems not to be.

use std::collections::HashSet;

use ownkey_crypto::{ChunkId, ObjectHash};

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::entry::Recorded;
use crate::format::node::{Extents, Node, NodeKind, Stream};
use crate::index::Marks;
use crate::list::{Step, Walk, key};
use crate::monitor::{Figure, Monitor};
use crate::tree::Browser;

/// The chunks that snapshots and unfinished backups need.
pub(super) struct Needs {
    marks: Marks,
    /// Directories whose chunks are marked, and all that they lead to.
    directories: HashSet<ObjectHash>,
}

impl Needs {
    /// Nobody needs anything, of so many chunks.
    pub(super) fn none(chunks: u64) -> Self {
        Self {
            marks: Marks::room_for(chunks),
            directories: HashSet::new(),
        }
    }

    /// Adds what these need. What was added before is not looked at again.
    ///
    /// # Errors
    /// [`Error::NeedsUnknown`] where a directory cannot be read: nobody can tell what is in it.
    pub(super) fn add(
        &mut self,
        browser: &Browser,
        needed: &[&Recorded],
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for recorded in needed {
            let walked = self.tree(browser, &recorded.record.root, monitor);
            walked.map_err(|error| match is_damage(&error) {
                true => Error::NeedsUnknown {
                    snapshot: recorded.at.hash,
                    source: Box::new(error),
                },
                false => error,
            })?;
        }
        Ok(())
    }

    /// Whether somebody needs the chunk, or may.
    pub(super) fn may_need(&self, id: &ChunkId) -> bool {
        self.marks.may_hold(id)
    }

    fn tree(&mut self, browser: &Browser, root: &Stream, monitor: &dyn Monitor) -> Result<()> {
        // A directory counts as known only once everything in it is: a walk that breaks off ends the prune.
        if !self.directories.insert(key(root)) {
            return Ok(());
        }
        self.stream(browser, root)?;
        let mut walk = Walk::new(browser, root);
        while let Some(step) = walk.step() {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            match step {
                Step::Entry(node) => {
                    if let NodeKind::Directory { content } = &node.kind
                        && !self.directories.insert(key(content))
                    {
                        walk.skip();
                        continue;
                    }
                    self.node(browser, &node)?;
                    monitor.count(Figure::FilesDone, u64::from(is_file(&node)));
                }
                Step::Broken(error) => return Err(error),
                Step::Leave => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, browser: &Browser, node: &Node) -> Result<()> {
        match &node.kind {
            NodeKind::Directory { content } => self.stream(browser, content),
            NodeKind::File {
                content, extents, ..
            } => {
                if let Some(Extents::Listed(list)) = extents {
                    self.stream(browser, list)?;
                }
                self.stream(browser, content)
            }
            _ => Ok(()),
        }
    }

    /// Marks the chunks of a stream, and those of its lists.
    fn stream(&mut self, browser: &Browser, stream: &Stream) -> Result<()> {
        let marks = &mut self.marks;
        let ids = browser.ids_through(stream, &mut |list| marks.insert(list))?;
        ids.iter().for_each(|id| self.marks.insert(id));
        Ok(())
    }
}

fn is_file(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File { .. })
}
