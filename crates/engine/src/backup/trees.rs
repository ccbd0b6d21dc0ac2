//! The tree-building thread: nodes in the order of the walk become directories, and the last
//! directory is the snapshot.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ownkey_crypto::ChunkType;

use super::framer::Framer;
use super::leaf::Outcome;
use super::linked::Groups;
use super::outlet::{Links, Source, Step};
use super::parent::{Kept, Nature, ParentWriter};
use super::pass::Pass;
use super::stream::StreamWriter;
use crate::error::Result;
use crate::format::node::{Node, NodeKind, Stream};
use crate::format::record::{Counts, FIRST_PROBLEMS};
use crate::format::tree::{append_encoded_node, append_node};
use crate::monitor::{Figure, Problem, Stage, timed};
use crate::source::Fingerprint;

/// A directory that is being read.
#[derive(Clone)]
struct OpenDirectory {
    /// `None` for the root of the snapshot, which has no node.
    node: Option<Node>,
    writer: StreamWriter,
}

/// What a pass found beside the tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) problems: u64,
    pub(crate) first_problems: Vec<(Vec<u8>, String)>,
    /// Files that were read because they are new or changed.
    pub(crate) read_files: u64,
}

/// Builds the trees of one pass.
pub(crate) struct Trees<'p, 'k> {
    pass: &'p Pass<'p>,
    framer: Framer<'p>,
    record: Option<ParentWriter<'k>>,
    open: Vec<OpenDirectory>,
    groups: Groups<'p>,
    scratch: Vec<u8>,
    tally: Tally,
}

impl<'p, 'k> Trees<'p, 'k> {
    pub(crate) fn new(pass: &'p Pass<'p>, record: Option<ParentWriter<'k>>) -> Result<Self> {
        let root = OpenDirectory {
            node: None,
            writer: StreamWriter::new(ChunkType::Tree),
        };
        Ok(Self {
            pass,
            framer: Framer::new(pass.store)?,
            record,
            open: vec![root],
            groups: Groups::new(&pass.store.keys.names),
            scratch: Vec::new(),
            tally: Tally::default(),
        })
    }

    /// Takes the next step.
    pub(crate) fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Enter {
                path,
                node,
                fingerprint,
                problems,
            } => {
                self.complain(&path, problems);
                self.remember(&path, fingerprint.as_ref(), &node)?;
                self.tally.counts.directories += 1;
                self.open.push(OpenDirectory {
                    node: Some(*node),
                    writer: StreamWriter::new(ChunkType::Tree),
                });
                Ok(())
            }
            Step::Leaf {
                path,
                source,
                links,
            } => self.leaf(&path, source, links),
            Step::Kept(kept) => timed(self.pass.monitor, Stage::Trees, 0, || self.take_over(&kept)),
            Step::Leave => self.leave(),
            Step::Problem(problem) => {
                self.problem(problem);
                Ok(())
            }
        }
    }

    fn leaf(&mut self, path: &Path, source: Source, links: Links) -> Result<()> {
        let (mut node, fingerprint, record) = match source {
            Source::Unchanged(node, fingerprint) => (*node, fingerprint, true),
            Source::Reading(pending) => {
                let outcome = match links {
                    Links::One => pending.take(self.pass),
                    Links::Several(_) | Links::Recorded(_) => pending.copy(self.pass),
                };
                let Outcome { node, problems } = outcome?;
                let whole = problems.is_empty();
                self.complain(path, problems);
                let Some((mut node, fingerprint)) = node else {
                    return Ok(());
                };
                // An outcome is shared by the names of one inode; each has its own.
                if let Some(name) = path
                    .file_name()
                    .and_then(|name| crate::format::name::Name::new(name.as_bytes()).ok())
                {
                    node.name = name;
                }
                self.tally.read_files += u64::from(matches!(node.kind, NodeKind::File { .. }));
                (node, fingerprint, whole)
            }
        };
        node.metadata.link_group = match links {
            Links::One => None,
            Links::Several(inode) => Some(self.groups.of(inode, path.as_os_str().as_bytes())),
            Links::Recorded(group) => Some(group),
        };
        timed(self.pass.monitor, Stage::Trees, 0, || {
            if record {
                self.remember(path, fingerprint.as_ref(), &node)?;
            }
            self.keep(&node)
        })
    }

    fn keep(&mut self, node: &Node) -> Result<()> {
        match &node.kind {
            NodeKind::File { size, .. } => self.count_file(*size),
            NodeKind::Directory { .. } => self.tally.counts.directories += 1,
            _ => self.tally.counts.others += 1,
        }
        self.add(node)
    }

    fn count_file(&mut self, size: u64) {
        self.tally.counts.files += 1;
        self.tally.counts.bytes += size;
        self.pass.monitor.count(Figure::FilesDone, 1);
        self.pass.monitor.count(Figure::BytesDone, size);
    }

    /// The same with a node that nobody has to look into.
    fn take_over(&mut self, kept: &Kept) -> Result<()> {
        if let Some(record) = &mut self.record
            && !kept.fingerprint.is_fresh_at(self.pass.now())
        {
            record.keep(kept)?;
        }
        match kept.nature {
            Nature::File(size) => self.count_file(size),
            Nature::Other | Nature::Incomplete => self.tally.counts.others += 1,
        }
        self.scratch.clear();
        append_encoded_node(kept.node(), &mut self.scratch);
        self.write()
    }

    fn leave(&mut self) -> Result<()> {
        // The walk leaves what it entered; the root stays.
        let Some(OpenDirectory {
            node: Some(mut node),
            writer,
        }) = self.open.pop_if(|open| open.node.is_some())
        else {
            return Ok(());
        };
        let content = writer.finish(&self.pass.cutter, &mut self.framer)?;
        node.kind = NodeKind::Directory { content };
        self.add(&node)
    }

    fn add(&mut self, node: &Node) -> Result<()> {
        self.scratch.clear();
        append_node(node, &mut self.scratch);
        self.write()
    }

    /// Adds the bytes of a node to the innermost directory.
    fn write(&mut self) -> Result<()> {
        match self.open.last_mut() {
            Some(directory) => {
                directory
                    .writer
                    .write(&self.scratch, &self.pass.cutter, &mut self.framer)
            }
            None => Ok(()),
        }
    }

    /// What changed within the clock's granularity is read again next time; of a folder that is
    /// only passed through nothing is read but what the walk sees anyway.
    fn remember(
        &mut self,
        path: &Path,
        fingerprint: Option<&Fingerprint>,
        node: &Node,
    ) -> Result<()> {
        let (Some(record), Some(fingerprint)) = (&mut self.record, fingerprint) else {
            return Ok(());
        };
        let fresh = fingerprint.is_fresh_at(self.pass.now());
        if fresh && !self.pass.is_above_what_was_asked(path) {
            return Ok(());
        }
        record.add(path.as_os_str().as_bytes(), fingerprint, node)
    }

    fn complain(&mut self, path: &Path, problems: Vec<String>) {
        for message in problems {
            self.problem(Problem {
                path: path.to_owned(),
                message,
            });
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.pass.monitor.problem(&problem);
        self.tally.problems += 1;
        if self.tally.first_problems.len() < FIRST_PROBLEMS {
            let mut path = problem.path.into_os_string().into_encoded_bytes();
            path.truncate(65_535);
            let message = problem.message.chars().take(1_000).collect();
            self.tally.first_problems.push((path, message));
        }
    }

    /// The tree of everything so far, while the pass goes on.
    pub(crate) fn so_far(&mut self) -> Result<Stream> {
        let mut open = self.open.clone();
        let mut below: Option<Node> = None;
        while let Some(OpenDirectory { node, mut writer }) = open.pop() {
            if let Some(below) = below.take() {
                self.scratch.clear();
                append_node(&below, &mut self.scratch);
                writer.write(&self.scratch, &self.pass.cutter, &mut self.framer)?;
            }
            let content = writer.finish(&self.pass.cutter, &mut self.framer)?;
            match node {
                Some(node) => {
                    below = Some(Node {
                        kind: NodeKind::Directory { content },
                        ..node
                    });
                }
                None => {
                    self.framer.flush()?;
                    return Ok(content);
                }
            }
        }
        Ok(Stream::default())
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The record of this pass, if it keeps one.
    pub(crate) fn record(&mut self) -> Option<&mut ParentWriter<'k>> {
        self.record.as_mut()
    }

    /// Ends the pass: the root of the snapshot, what was found, and the record to seal.
    pub(crate) fn finish(mut self) -> Result<(Stream, Tally, Option<ParentWriter<'k>>)> {
        let root = self.so_far()?;
        Ok((root, self.tally, self.record))
    }
}
