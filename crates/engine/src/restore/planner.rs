//! The walk of a restore: decides about every entry, makes what has no content, and fills windows.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::called::Called;
use super::filter::{EntryKind, Verdict};
use super::layout::Layout;
use super::level::{Contents, Folder, Level, look, make_folder, meets_another};
use super::trail::Trail;
use super::window::{Job, Link, Window, full};
use super::{Extras, Restorer, pipeline, unusable};
use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::node::{Node, NodeKind, Stream};
use crate::list::{Start, Step, Walk, join};
use crate::lock::lock;
use crate::monitor::Figure;
use crate::source::Stat;
use crate::target::{Decision, TargetError, TargetTree};
use crate::tree::Found;

/// Restores everything from `start` but what has to wait for the end.
pub(super) fn plan(restorer: &Restorer<'_>, start: &Start) -> Result<()> {
    let names = (restorer.options.extras == Extras::Delete).then(HashSet::new);
    let base = Level {
        path: Trail::default(),
        node: None,
        verdict: Verdict::Pass,
        folder: Folder::There {
            contents: Contents::Some,
        },
        names: names.filter(|_| start.directory().is_some()),
        called: Called::default(),
    };
    thread::scope(|scope| {
        // No window waits: one is filled while another is written.
        let (windows, filled) = bounded(0);
        let (written, writing) = bounded(0);
        scope.spawn(move || restorer.write_back(&writing));
        scope.spawn(move || {
            for window in filled {
                restorer.complete(window);
            }
            drop(written);
        });
        let planner = Planner {
            restorer,
            levels: vec![base],
            window: Window::default(),
            groups: HashSet::new(),
            windows,
        };
        if let Err(error) = planner.run(start) {
            restorer.stop(error);
        }
    });
    restorer.stopped()
}

struct Planner<'r, 'a> {
    restorer: &'r Restorer<'a>,
    /// The directories around where the walk is, the target first.
    levels: Vec<Level>,
    window: Window,
    /// Hard-link groups whose first file is in any window.
    groups: HashSet<u64>,
    windows: Sender<Window>,
}

impl Planner<'_, '_> {
    fn run(mut self, start: &Start) -> Result<()> {
        match (start.directory(), &start.found) {
            (Some(directory), _) => self.walk(directory)?,
            (None, Found::Node(node)) => self.entry(node.clone())?,
            (None, Found::Root(_)) => {}
        }
        // The target itself, last: its own metadata is the business of the caller.
        let ended = self.levels.pop().and_then(|base| base.left(None));
        self.window.left.extend(ended);
        self.hand_over()
    }

    fn walk(&mut self, directory: &Stream) -> Result<()> {
        let memory = self.restorer.browser.chunks.memory();
        let mut walk = Walk::new(self.restorer.browser, directory);
        while let Some(step) = walk.step() {
            // Why is told by whoever waits for everybody.
            if self.restorer.is_stopped() {
                break;
            }
            match step {
                Step::Entry(node) => {
                    let depth = self.levels.len();
                    let is_directory = matches!(node.kind, NodeKind::Directory { .. });
                    self.entry(node)?;
                    if is_directory && self.levels.len() == depth {
                        walk.skip();
                    }
                }
                Step::Broken(error) if is_damage(&error) => self.broken(&error),
                Step::Broken(error) => return Err(error),
                Step::Leave => self.leave(),
            }
            if self.window.is_full(memory) {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    /// Gives the window away, as soon as the one before is done.
    fn hand_over(&mut self) -> Result<()> {
        let window = std::mem::take(&mut self.window);
        self.windows.send(window).map_err(|_| Error::WorkerLost)
    }

    /// Of what cannot be read nobody knows what belongs there, so nothing is removed either.
    fn broken(&mut self, error: &Error) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        level.names = None;
        let path = level.path.names();
        self.restorer.damaged(&path, error);
    }

    fn leave(&mut self) {
        let Some(mut level) = self.levels.pop() else {
            return;
        };
        let metadata = level.node.take().map(|node| node.metadata);
        if let Some(left) = level.left(metadata) {
            self.window.left.push(left);
        }
    }

    fn entry(&mut self, mut node: Box<Node>) -> Result<()> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        if let Some(names) = &mut level.names {
            names.insert(node.name.clone());
        }
        let path = full(&level.path, &node.name);
        let kind = match node.kind {
            NodeKind::Directory { .. } => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let verdict =
            self.restorer
                .options
                .filter
                .judge(&join(Path::new("/"), &path), kind, level.verdict);
        match (verdict, &mut node.kind) {
            (Verdict::Leave, _) | (Verdict::Pass, NodeKind::File { .. }) => {}
            // A folder on the way to something is made only if that is there, and does not count.
            (Verdict::Take, _) if meets_another(self.restorer, level, &node.name) => {
                self.restorer.target_failed(&path, TargetError::Alike);
            }
            (_, NodeKind::Directory { content }) => {
                // Thousands of levels may wait here; the walk has the content.
                *content = Stream::default();
                let path = level.path.child(&node.name);
                self.enter(node, path, verdict);
            }
            _ if self.is_ready() => self.place(node)?,
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, node: Box<Node>, path: Trail, verdict: Verdict) {
        let names = (self.restorer.options.extras == Extras::Delete).then(HashSet::new);
        let level = Level {
            path,
            node: Some(node),
            verdict,
            folder: Folder::Virtual,
            names,
            called: Called::default(),
        };
        self.levels.push(level);
        if verdict == Verdict::Take && !self.is_ready() {
            self.levels.pop();
        }
    }

    /// Whether the innermost directory is there; makes it, and those around it, if need be.
    fn is_ready(&mut self) -> bool {
        let first = self
            .levels
            .iter()
            .position(|level| level.folder == Folder::Virtual);
        for number in first.unwrap_or(self.levels.len())..self.levels.len() {
            let (around, inner) = self.levels.split_at_mut(number);
            let (Some(parent), Some(level)) = (around.last(), inner.first_mut()) else {
                return false;
            };
            level.folder = match make_folder(self.restorer, parent, level) {
                Ok(folder) => folder,
                Err(error) => {
                    self.restorer.target_failed(&level.path.names(), error);
                    Folder::Blocked
                }
            };
        }
        self.levels
            .last()
            .is_some_and(|level| !matches!(level.folder, Folder::Blocked | Folder::Virtual))
    }

    /// Something that is not a directory, in a directory that is there.
    fn place(&mut self, mut node: Box<Node>) -> Result<()> {
        let restorer = self.restorer;
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        let dir = level.path.clone();
        restorer.check_group(&dir, &mut node);
        if let NodeKind::File { size, .. } = node.kind {
            restorer.monitor.count(Figure::FilesFound, 1);
            restorer.monitor.count(Figure::BytesFound, size);
        }
        let existing = match look(restorer, level, &node.name) {
            Ok(existing) => existing,
            Err(error) => {
                restorer.target_failed(&full(&dir, &node.name), error);
                return Ok(());
            }
        };
        match (
            restorer
                .options
                .overwrite
                .decide(existing.as_ref(), &node, restorer.trust),
            existing,
        ) {
            (Decision::Skip, _) => restorer.tally.add(&restorer.tally.skipped, 1),
            // Its content may be right, but it is to be another name of what was restored.
            (Decision::Keep | Decision::Compare, _) if self.is_link(&node) => {
                self.write(dir, node)?;
            }
            (Decision::Keep, Some(stat)) => self.keep(&dir, &node, &stat),
            (Decision::Compare, Some(stat)) => match self.compare(&dir, &node, &stat)? {
                true => self.keep(&dir, &node, &stat),
                false => self.write(dir, node)?,
            },
            _ => self.write(dir, node)?,
        }
        Ok(())
    }

    /// The content is right already.
    fn keep(&self, dir: &Trail, node: &Node, stat: &Stat) {
        let restorer = self.restorer;
        restorer.tally.add(&restorer.tally.unchanged, 1);
        if restorer.is_dry() {
            return;
        }
        let kept = restorer.dir(dir).and_then(|held| {
            restorer
                .applier
                .refresh_file(&held, &node.name, stat, &node.metadata)
        });
        match kept {
            Ok(restored) => restorer.restored(dir, &node.name, &node.metadata, restored),
            Err(error) => restorer.target_failed(&full(dir, &node.name), error),
        }
    }

    /// Whether a file that looks right is right: an interrupted restore may have left zeros.
    fn compare(&self, dir: &Trail, node: &Node, stat: &Stat) -> Result<bool> {
        let layout = match Layout::of(self.restorer.browser, node) {
            // Holes would have to be read as well; writing is as quick.
            Ok(Some(layout)) if !layout.has_holes() => layout,
            Ok(_) => return Ok(false),
            Err(error) if is_damage(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let same = self.restorer.dir(dir).and_then(|held| {
            let file = held.dir().open_file(&node.name, stat)?;
            self.restorer
                .content_is(&layout, |offset, buffer| Ok(file.read_at(offset, buffer)?))
        });
        Ok(same.unwrap_or(false))
    }

    /// Makes an entry, now or with its window.
    fn write(&mut self, dir: Trail, node: Box<Node>) -> Result<()> {
        let restorer = self.restorer;
        if restorer.is_dry() {
            self.would_write(&node);
            return Ok(());
        }
        if let Some(group) = node.metadata.link_group
            && self.is_link(&node)
        {
            self.window.links.push(Link { dir, node, group });
            return Ok(());
        }
        self.groups.extend(node.metadata.link_group);
        restorer.add(&mut self.window, dir, node)
    }

    /// Whether an earlier name of the same inode is restored, or about to be.
    fn is_link(&self, node: &Node) -> bool {
        let group = node.metadata.link_group;
        group.is_some_and(|group| {
            self.groups.contains(&group) || lock(&self.restorer.sources).contains_key(&group)
        })
    }

    fn would_write(&self, node: &Node) {
        let tally = &self.restorer.tally;
        match &node.kind {
            NodeKind::File { content, .. } => {
                tally.add(&tally.files, 1);
                tally.add(&tally.bytes, content.length);
            }
            NodeKind::Socket => {}
            _ => tally.add(&tally.others, 1),
        }
    }
}

impl Restorer<'_> {
    /// Makes what has no content, and puts what has some into a window.
    fn add(&self, window: &mut Window, dir: Trail, node: Box<Node>) -> Result<()> {
        match Layout::of(self.browser, &node) {
            Ok(None) => self.make_special(&dir, &node),
            Ok(Some(layout)) => window.push(Job::new(dir, *node, layout)),
            Err(error) if is_damage(&error) => self.damaged(&full(&dir, &node.name), &error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn make_special(&self, dir: &Trail, node: &Node) {
        let made = self.tree().and_then(|tree| {
            let replace = self.options.overwrite.replace();
            self.dir(dir)?
                .make_special(node, tree.partials(), &self.applier, replace)
        });
        match made {
            Ok(Some(restored)) => {
                self.tally.add(&self.tally.others, 1);
                self.restored(dir, &node.name, &node.metadata, restored);
            }
            Ok(None) => {}
            Err(error) => self.target_failed(&full(dir, &node.name), error),
        }
    }

    /// Has the target written back as long as something is restored into it.
    fn write_back(&self, writing: &Receiver<Infallible>) {
        let sync = || self.tree.as_ref().map_or(Ok(()), TargetTree::sync);
        if let Err(error) = self.write_back.run(writing, sync) {
            self.stop(unusable(&self.options.target, error));
        }
    }

    /// Does everything that a window collected.
    fn complete(&self, mut window: Window) {
        loop {
            let jobs = window.take_jobs();
            pipeline::run(self, &jobs);
            if self.is_stopped() {
                return;
            }
            let links = std::mem::take(&mut window.links);
            let again: Vec<Link> = links
                .into_iter()
                .filter_map(|link| self.link(link))
                .collect();
            if again.is_empty() {
                break;
            }
            for link in again {
                if let Err(error) = self.restore_anyway(&mut window, link) {
                    return self.stop(error);
                }
            }
        }
        for left in window.left {
            self.leave(left);
        }
    }

    /// What nothing could be linked to: the first of its group carries the content now, the others
    /// link to it next.
    fn restore_anyway(&self, window: &mut Window, link: Link) -> Result<()> {
        if window.groups.contains(&link.group) || lock(&self.sources).contains_key(&link.group) {
            window.links.push(link);
            return Ok(());
        }
        self.add(window, link.dir, link.node)
    }
}
