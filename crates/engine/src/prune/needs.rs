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
use crate::log_state::Condemned;
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

    /// Adds what snapshots need. What was added before is not looked at again.
    ///
    /// # Errors
    /// [`Error::NeedsUnknown`] where a directory cannot be read: nobody can tell what is in it.
    pub(super) fn add(
        &mut self,
        browser: &Browser,
        snapshots: &[&Recorded],
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let mut roots = snapshots.iter();
        roots.try_for_each(|recorded| {
            let walked = self.tree(browser, &recorded.record.root, monitor);
            walked.map_err(|error| unknown(recorded, error))
        })
    }

    /// Adds what may yet become snapshots, and backups in progress. One that leads to a chunk which is nowhere any more
    /// relied on what somebody condemned: its author finds that when it looks, and never confirms it
    /// (docs/adr/0007-look-rule.md).
    pub(super) fn add_open(
        &mut self,
        browser: &Browser,
        (open, condemned): (&[&Recorded], &Condemned),
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for recorded in open {
            let root = &recorded.record.root;
            match self.tree(browser, root, monitor) {
                Err(error) if is_damage(&error) && is_whole(browser, root, condemned)? => {
                    return Err(unknown(recorded, error));
                }
                Err(error) if !is_damage(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether somebody needs the chunk, or may.
    pub(super) fn may_need(&self, id: &ChunkId) -> bool {
        self.marks.may_hold(id)
    }

    fn tree(&mut self, browser: &Browser, root: &Stream, monitor: &dyn Monitor) -> Result<()> {
        let mut entered = Vec::new();
        let walked = self.walk(browser, root, &mut entered, monitor);
        if walked.is_err() {
            // Nobody has seen all that they lead to.
            entered
                .iter()
                .for_each(|directory| _ = self.directories.remove(directory));
        }
        walked
    }

    fn walk(
        &mut self,
        browser: &Browser,
        root: &Stream,
        entered: &mut Vec<ObjectHash>,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        if !self.directories.insert(key(root)) {
            return Ok(());
        }
        entered.push(key(root));
        self.stream(browser, root)?;
        let mut walk = Walk::new(browser, root);
        while let Some(step) = walk.step() {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            match step {
                Step::Entry(node) => {
                    if let NodeKind::Directory { content } = &node.kind {
                        if !self.directories.insert(key(content)) {
                            walk.skip();
                            continue;
                        }
                        entered.push(key(content));
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

fn unknown(recorded: &Recorded, error: Error) -> Error {
    match is_damage(&error) {
        true => Error::NeedsUnknown {
            snapshot: recorded.at.hash,
            source: Box::new(error),
        },
        false => error,
    }
}

/// Whether every directory chunk, on the way to where a tree cannot be read any further, should be there: it lies in a pack
/// that nobody condemned.
fn is_whole(browser: &Browser, root: &Stream, condemned: &Condemned) -> Result<bool> {
    let index = browser.chunks.index();
    let mut stands = vec![false; index.pack_count()];
    index.each_pack(|pack| {
        if let Some(stands) = stands.get_mut(pack.number as usize) {
            *stands = !condemned.packs.contains(&pack.name);
        }
        Ok(())
    })?;
    let stands = |number: u32| stands.get(number as usize).copied().unwrap_or(false);

    let are_there = |directory: &Stream| {
        let mut ids = directory.ids.iter();
        ids.try_fold(true, |all, id| {
            Ok::<_, Error>(all && index.is_in(id, &stands)?)
        })
    };
    if !are_there(root)? {
        return Ok(false);
    }
    let mut walk = Walk::new(browser, root);
    while let Some(step) = walk.step() {
        match step {
            Step::Entry(node) => {
                if let NodeKind::Directory { content } = &node.kind
                    && !are_there(content)?
                {
                    return Ok(false);
                }
            }
            Step::Broken(_) => return Ok(true),
            Step::Leave => {}
        }
    }
    Ok(true)
}

fn is_file(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File { .. })
}
