//! A snapshot of one repository as what a pass into another takes its entries from; or into the same one, for who repairs.
//!
//! An earlier snapshot and its copy are walked beside it, like three sorted lists: a file that
//! has the content it had in the earlier one has the content of the earlier copy, and is not
//! read. None of the three is ever wholly in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::CopiedFile;
use crate::backup::outlet::{Links, Origin, Outlet, Step, ToRead};
use crate::backup::pass::Pass;
use crate::backup::walker::is_stored;
use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::name::Name;
use crate::format::node::{Node, NodeKind, Stream};
use crate::list::{Step as Came, Walk, join};
use crate::monitor::{Figure, Problem};
use crate::tree::{Browser, NodeStream};

/// A snapshot to copy.
pub(crate) struct Original {
    pub(crate) from: Arc<Browser>,
    pub(crate) root: Stream,
    pub(crate) earlier: Option<Earlier>,
}

/// A snapshot that was copied before, and its copy.
pub(crate) struct Earlier {
    pub(crate) theirs: Stream,
    pub(crate) ours: Stream,
    /// Reads the copy.
    pub(crate) to: Arc<Browser>,
    pub(crate) trust: Trust,
}

/// How far an earlier copy can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It has all that the snapshot had, and every chunk in the repository can be relied on: an
    /// unchanged directory is taken over without a look into it.
    Wholly,
    /// Something is missing or condemned: every file is looked at.
    FileByFile,
}

impl Origin for Original {
    fn walk(&mut self, pass: &Pass<'_>, mut outlet: Outlet) -> Result<()> {
        let mut beside = Beside::new(&self.from, self.earlier.as_ref());
        let mut walk = Walk::new(&self.from, &self.root);
        while let Some(came) = walk.step() {
            if pass.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let path = join(Path::new("/"), walk.path());
            match came {
                Came::Entry(node) => {
                    let before = beside.find(&node.name);
                    let NodeKind::Directory { content } = &node.kind else {
                        let copied = beside.copy_of(&node, before, pass)?;
                        self.leaf(&mut outlet, path, *node, copied, pass)?;
                        continue;
                    };
                    if let Some(content) = beside.taken_over(content, before.as_ref()) {
                        walk.skip();
                        outlet.known(path, with_content(*node, content), None, Links::One)?;
                        continue;
                    }
                    beside.enter(before.as_ref());
                    outlet.step(Step::Enter {
                        path,
                        node: Box::new(with_content(*node, Stream::default())),
                        fingerprint: None,
                        problems: Vec::new(),
                    })?;
                }
                Came::Leave => {
                    beside.leave();
                    outlet.step(Step::Leave)?;
                }
                Came::Broken(error) if is_damage(&error) => {
                    let message = format!("the rest of this directory cannot be read: {error}");
                    outlet.step(Step::Problem(Problem { path, message }))?;
                }
                Came::Broken(error) => return Err(error),
            }
        }
        outlet.finish()
    }
}

impl Original {
    fn leaf(
        &self,
        outlet: &mut Outlet,
        path: PathBuf,
        node: Node,
        copied: Option<NodeKind>,
        pass: &Pass<'_>,
    ) -> Result<()> {
        // The number is kept: recomputed from the first name met, it would be another one where
        // the directory of that name is taken over without a look into it.
        let links = node.metadata.link_group.map_or(Links::One, Links::Recorded);
        let NodeKind::File { size, .. } = node.kind else {
            return outlet.known(path, node, None, links);
        };
        pass.monitor.count(Figure::FilesFound, 1);
        pass.monitor.count(Figure::BytesFound, size);
        if let Some(kind) = copied {
            return outlet.known(path, Node { kind, ..node }, None, links);
        }
        let owner = node.metadata.uid;
        let what = Box::new(CopiedFile {
            from: Arc::clone(&self.from),
            path: path.clone(),
            node,
        });
        outlet.read(path, links, ToRead { what, size, owner })
    }
}

/// The earlier snapshot and its copy, in step with the walk.
struct Beside<'b> {
    from: &'b Browser,
    earlier: Option<&'b Earlier>,
    /// One for each directory the walk is in; `None` where the earlier snapshot has none.
    levels: Vec<Option<Level<'b>>>,
}

struct Level<'b> {
    theirs: Ordered<'b>,
    ours: Ordered<'b>,
}

impl<'b> Beside<'b> {
    fn new(from: &'b Browser, earlier: Option<&'b Earlier>) -> Self {
        let mut beside = Self {
            from,
            earlier,
            levels: Vec::new(),
        };
        let root = earlier.map(|earlier| (&earlier.theirs, &earlier.ours));
        beside.push(root);
        beside
    }

    fn push(&mut self, directories: Option<(&Stream, &Stream)>) {
        let level = self
            .earlier
            .zip(directories)
            .map(|(earlier, (theirs, ours))| Level {
                theirs: Ordered::new(self.from.stream(theirs)),
                ours: Ordered::new(earlier.to.stream(ours)),
            });
        self.levels.push(level);
    }

    /// The node of this name in the innermost directory of both. Names must be asked for in
    /// ascending order.
    fn find(&mut self, name: &Name) -> Option<(Node, Node)> {
        let level = self.levels.last_mut()?.as_mut()?;
        level.theirs.find(name).zip(level.ours.find(name))
    }

    fn enter(&mut self, before: Option<&(Node, Node)>) {
        let directories =
            before.and_then(|(theirs, ours)| content_of(theirs).zip(content_of(ours)));
        self.push(directories);
    }

    fn leave(&mut self) {
        self.levels.pop();
    }

    /// The copy of a directory that is as it was, with everything in it.
    fn taken_over(&self, content: &Stream, before: Option<&(Node, Node)>) -> Option<Stream> {
        let (theirs, ours) = before?;
        let wholly = self.earlier?.trust == Trust::Wholly;
        (wholly && content_of(theirs)? == content).then(|| content_of(ours).cloned())?
    }

    /// The content that a file has in the copy, if it is the same file content as it was.
    fn copy_of(
        &self,
        node: &Node,
        before: Option<(Node, Node)>,
        pass: &Pass<'_>,
    ) -> Result<Option<NodeKind>> {
        let Some(((theirs, ours), earlier)) = before.zip(self.earlier) else {
            return Ok(None);
        };
        let wholly = earlier.trust == Trust::Wholly;
        let same = theirs.kind == node.kind && matches!(ours.kind, NodeKind::File { .. });
        let stands = same && (wholly || is_stored(&ours, pass)?);
        Ok(stands.then_some(ours.kind))
    }
}

fn with_content(node: Node, content: Stream) -> Node {
    let kind = NodeKind::Directory { content };
    Node { kind, ..node }
}

fn content_of(node: &Node) -> Option<&Stream> {
    match &node.kind {
        NodeKind::Directory { content } => Some(content),
        _ => None,
    }
}

/// A directory read in step with another. One that cannot be read ends: what would have been
/// known from it is read again.
struct Ordered<'b> {
    nodes: NodeStream<'b>,
    next: Option<Node>,
}

impl<'b> Ordered<'b> {
    fn new(nodes: NodeStream<'b>) -> Self {
        let mut ordered = Self { nodes, next: None };
        ordered.advance();
        ordered
    }

    fn advance(&mut self) {
        self.next = self.nodes.next().and_then(Result::ok);
    }

    fn find(&mut self, name: &Name) -> Option<Node> {
        while self.next.as_ref()?.name < *name {
            self.advance();
        }
        let found = self.next.take_if(|node| node.name == *name)?;
        self.advance();
        Some(found)
    }
}
