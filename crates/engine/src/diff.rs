//! Diff: what two snapshots, or two places in them, have different.
//!
//! Both sides are walked together in the order of names. What has the same chunks is the same, so
//! equal directories are never entered and no file content is read.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::path::Path;

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::name::Name;
use crate::format::node::{Metadata, Node, NodeKind, Stream};
use crate::list::{Start, join};
use crate::monitor::{Monitor, Problem};
use crate::repository::Snapshot;
use crate::tree::{Browser, Found, MAX_DEPTH, NodeStream};

/// One difference.
#[derive(Debug, Clone, Copy)]
pub enum Change<'n> {
    /// Only the second side has it.
    Added(&'n Node),
    /// Only the first side has it.
    Removed(&'n Node),
    /// Both have it.
    Modified {
        /// As in the first.
        before: &'n Node,
        /// As in the second.
        after: &'n Node,
        /// What differs most.
        what: Difference,
    },
}

/// What differs between two entries of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// What they are: a file here, a directory there.
    Kind,
    /// The content of a file, the target of a link, the number of a device; perhaps metadata too.
    Content,
    /// Owner, mode, time, attributes or flags only.
    Metadata,
}

/// Entries on one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Everything else.
    pub others: u64,
    /// Sizes of the files, and of the files of changed content, in bytes.
    pub bytes: u64,
}

/// The differences in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiffReport {
    /// What only the second side has.
    pub added: Side,
    /// What only the first side has.
    pub removed: Side,
    /// Entries of another kind.
    pub kind: u64,
    /// Entries of another content.
    pub content: u64,
    /// Entries of other metadata.
    pub metadata: u64,
    /// Directories that could not be read; each was told to the monitor.
    pub broken: u64,
}

/// One side: a snapshot, and where in it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// Where; the whole snapshot if absent.
    pub path: Option<&'a Path>,
}

/// Calls `each` with the path of every difference, below the place of the second side.
///
/// # Errors
/// [`Error::NoPath`], [`Error::Cancelled`], those of `each`, and those of the storage that are not
/// damage; damaged directories are [`Problem`]s.
pub fn run(
    browser: &Browser,
    (before, after): (Place<'_>, Place<'_>),
    monitor: &dyn Monitor,
    mut each: impl FnMut(&Path, Change<'_>) -> Result<()>,
) -> Result<DiffReport> {
    let first = Start::find(browser, before.snapshot, before.path)?;
    let second = Start::find(browser, after.snapshot, after.path)?;
    let mut diff = Diff {
        browser,
        monitor,
        base: &second.path,
        each: &mut each,
        report: DiffReport::default(),
        levels: Vec::new(),
        path: Vec::new(),
    };
    if let (Found::Node(before), Found::Node(after)) = (&first.found, &second.found) {
        diff.compare(before, after)?;
    }
    match (first.directory(), second.directory()) {
        (Some(before), Some(after)) if before == after => {}
        (before, after) => diff.enter(before, after),
    }
    diff.walk()?;
    Ok(diff.report)
}

struct Diff<'a> {
    browser: &'a Browser,
    monitor: &'a dyn Monitor,
    base: &'a Path,
    each: &'a mut dyn FnMut(&Path, Change<'_>) -> Result<()>,
    report: DiffReport,
    levels: Vec<Level<'a>>,
    /// Names of the directories entered, one less than there are levels.
    path: Vec<Name>,
}

/// A directory on one side or on both.
struct Level<'b> {
    before: Option<Peekable<NodeStream<'b>>>,
    after: Option<Peekable<NodeStream<'b>>>,
}

/// The next entries of a level: of one name, or on one side only.
enum Next {
    Both(Box<Node>, Box<Node>),
    Before(Box<Node>),
    After(Box<Node>),
    Broken(Error),
    End,
}

impl Diff<'_> {
    fn walk(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            match level.next() {
                Next::Both(before, after) => {
                    self.path.push(after.name.clone());
                    self.compare(&before, &after)?;
                    match (content(&before), content(&after)) {
                        (Some(before), Some(after)) if before == after => drop(self.path.pop()),
                        (before, after) => self.descend(before, after),
                    }
                }
                Next::Before(node) => {
                    self.path.push(node.name.clone());
                    count(&mut self.report.removed, &node);
                    self.tell(Change::Removed(&node))?;
                    self.descend(content(&node), None);
                }
                Next::After(node) => {
                    self.path.push(node.name.clone());
                    count(&mut self.report.added, &node);
                    self.tell(Change::Added(&node))?;
                    self.descend(None, content(&node));
                }
                Next::Broken(error) if is_damage(&error) => {
                    self.report.broken += 1;
                    let message = format!("the rest of this directory cannot be compared: {error}");
                    self.monitor.problem(&Problem {
                        path: join(self.base, &self.path),
                        message,
                    });
                }
                Next::Broken(error) => return Err(error),
                Next::End => {
                    self.levels.pop();
                    self.path.pop();
                }
            }
        }
        Ok(())
    }

    /// Enters the directories of the last name of the path, or drops the name.
    fn descend(&mut self, before: Option<&Stream>, after: Option<&Stream>) {
        if before.is_none() && after.is_none() {
            self.path.pop();
        } else {
            self.enter(before, after);
        }
    }

    fn enter(&mut self, before: Option<&Stream>, after: Option<&Stream>) {
        let too_deep = self.levels.len() >= MAX_DEPTH;
        let browser = self.browser;
        let open = |content: &Stream| {
            if too_deep {
                let what = format!("a directory nested more than {MAX_DEPTH} levels deep");
                return NodeStream::failed(browser, Error::Damage { what }).peekable();
            }
            browser.stream(content).peekable()
        };
        self.levels.push(Level {
            before: before.map(open),
            after: after.map(open),
        });
    }

    fn compare(&mut self, before: &Node, after: &Node) -> Result<()> {
        let report = &mut self.report;
        let what = if std::mem::discriminant(&before.kind) != std::mem::discriminant(&after.kind) {
            report.kind += 1;
            count(&mut report.removed, before);
            count(&mut report.added, after);
            Difference::Kind
        } else if !matches!(after.kind, NodeKind::Directory { .. }) && before.kind != after.kind {
            report.content += 1;
            report.removed.bytes = report.removed.bytes.saturating_add(size(before));
            report.added.bytes = report.added.bytes.saturating_add(size(after));
            Difference::Content
        } else if !same_metadata(&before.metadata, &after.metadata) {
            report.metadata += 1;
            Difference::Metadata
        } else {
            return Ok(());
        };
        self.tell(Change::Modified {
            before,
            after,
            what,
        })
    }

    fn tell(&mut self, change: Change<'_>) -> Result<()> {
        (self.each)(&join(self.base, &self.path), change)
    }
}

impl Level<'_> {
    fn next(&mut self) -> Next {
        let order = match (peek(&mut self.before), peek(&mut self.after)) {
            (None, None) => return Next::End,
            (Some(Ok(before)), Some(Ok(after))) => before.name.cmp(&after.name),
            (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
            (None, Some(_)) | (_, Some(Err(_))) => Ordering::Greater,
        };
        let before = if order.is_le() {
            self.before.as_mut().and_then(Iterator::next)
        } else {
            None
        };
        let after = if order.is_ge() {
            self.after.as_mut().and_then(Iterator::next)
        } else {
            None
        };
        match (before, after) {
            (Some(Ok(before)), Some(Ok(after))) => Next::Both(Box::new(before), Box::new(after)),
            (Some(Ok(before)), None) => Next::Before(Box::new(before)),
            (None, Some(Ok(after))) => Next::After(Box::new(after)),
            (Some(Err(error)), _) | (_, Some(Err(error))) => {
                // Half a directory says nothing about what the other side has more.
                (self.before, self.after) = (None, None);
                Next::Broken(error)
            }
            (None, None) => Next::End,
        }
    }
}

fn peek<'p>(side: &'p mut Option<Peekable<NodeStream<'_>>>) -> Option<&'p Result<Node>> {
    side.as_mut()?.peek()
}

fn content(node: &Node) -> Option<&Stream> {
    match &node.kind {
        NodeKind::Directory { content } => Some(content),
        _ => None,
    }
}

fn size(node: &Node) -> u64 {
    match node.kind {
        NodeKind::File { size, .. } => size,
        _ => 0,
    }
}

fn count(side: &mut Side, node: &Node) {
    match node.kind {
        NodeKind::File { size, .. } => {
            side.files += 1;
            side.bytes = side.bytes.saturating_add(size);
        }
        NodeKind::Directory { .. } => side.directories += 1,
        _ => side.others += 1,
    }
}

/// Equal in everything a restore brings back: not the birth time, and not the number of a
/// hard-link group, which means something in its own snapshot only.
fn same_metadata(one: &Metadata, other: &Metadata) -> bool {
    let comparable = |metadata: &Metadata| Metadata {
        btime: None,
        link_group: None,
        ..metadata.clone()
    };
    comparable(one) == comparable(other)
}
