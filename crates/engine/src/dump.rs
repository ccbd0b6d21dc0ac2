//! Dump: the bytes of one file, or everything below a directory for an archive.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use ownkey_crypto::ChunkType;

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::node::{Node, NodeKind};
use crate::list::{Start, Step, Walk, join};
use crate::monitor::{Figure, Monitor, Problem};
use crate::repository::Snapshot;
use crate::restore::layout::{Layout, Span};
use crate::tree::{Browser, ChunkRef, Found};

/// Chunks decoded ahead of the reader, at most 4 MiB each.
const AHEAD: usize = 8;

/// The content of a file, holes as zeros, in order; every byte verified before it is given.
///
/// An error of a read carries the engine's [`Error`] inside; what was read before is right and
/// not all.
pub struct FileReader<'b> {
    browser: &'b Browser,
    layout: Layout,
    /// Decoded chunks from `first` on.
    ahead: Vec<ChunkRef>,
    first: usize,
    /// Chunks wholly read.
    done: usize,
    /// Where the next byte lies in the file.
    position: u64,
}

impl std::fmt::Debug for FileReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<'b> FileReader<'b> {
    /// A reader of a file.
    ///
    /// # Errors
    /// [`Error::Damage`] if a chunk is stored nowhere or the list of them is wrong; then nothing
    /// is read. [`Error::NoPath`] for what is not a file.
    pub fn new(browser: &'b Browser, node: &Node) -> Result<Self> {
        let layout = Layout::of(browser, node)?;
        let layout = layout.ok_or_else(|| Error::NoPath(node.name.as_os_str().into()))?;
        Ok(Self {
            browser,
            layout,
            ahead: Vec::new(),
            first: 0,
            done: 0,
            position: 0,
        })
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.layout.size
    }

    /// The next bytes; 0 at the end.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() || self.position >= self.layout.size {
            return Ok(0);
        }
        self.copy_data(buffer)
    }

    /// Decodes the next chunks, on all cores.
    fn look_ahead(&mut self) -> Result<()> {
        let from = self.layout.spans.get(self.done..).unwrap_or_default();
        let spans = from.get(..AHEAD).unwrap_or(from);
        self.ahead = decode_all(self.browser, spans)?;
        self.first = self.done;
        Ok(())
    }

    /// Copies what the chunk at hand has for the present position; 0 if a hole comes first.
    fn copy_data(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(span) = self.layout.spans.get(self.done) {
            let next = self.layout.pieces(span).find_map(|(offset, range)| {
                let end = offset + range.len() as u64;
                (end > self.position).then_some((offset, range))
            });
            let Some((offset, range)) = next else {
                self.done += 1;
                continue;
            };
            if offset > self.position {
                let hole = usize::try_from(offset - self.position).unwrap_or(usize::MAX);
                return Ok(self.copy_hole(buffer, hole));
            }
            if self.done < self.first || self.done >= self.first + self.ahead.len() {
                self.look_ahead()?;
            }
            let within = usize::try_from(self.position - offset).unwrap_or(usize::MAX);
            let chunk = self
                .ahead
                .get(self.done - self.first)
                .ok_or(Error::WorkerLost)?
                .opened()?;
            let data = chunk
                .as_bytes()
                .get(range)
                .and_then(|piece| piece.get(within..))
                .ok_or_else(wrong_length)?;
            let count = data.len().min(buffer.len());
            buffer
                .iter_mut()
                .zip(data)
                .for_each(|(to, from)| *to = *from);
            self.position += count as u64;
            return Ok(count);
        }
        let rest = usize::try_from(self.layout.size - self.position).unwrap_or(usize::MAX);
        Ok(self.copy_hole(buffer, rest))
    }

    fn copy_hole(&mut self, buffer: &mut [u8], length: usize) -> usize {
        let count = length.min(buffer.len());
        buffer.iter_mut().take(count).for_each(|byte| *byte = 0);
        self.position += count as u64;
        count
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(io::Error::other)
    }
}

fn wrong_length() -> Error {
    Error::Damage {
        what: "a chunk of another length than listed".to_owned(),
    }
}

fn decode_all(browser: &Browser, spans: &[Span]) -> Result<Vec<ChunkRef>> {
    let decode = |span: &Span| {
        let chunk = browser.chunk(&span.id, ChunkType::Content)?;
        if chunk.opened()?.len() == span.length as usize {
            Ok(chunk)
        } else {
            Err(wrong_length())
        }
    };
    let [first, rest @ ..] = spans else {
        return Ok(Vec::new());
    };
    if rest.is_empty() {
        return Ok(vec![decode(first)?]);
    }
    let results: Vec<Mutex<Option<Result<ChunkRef>>>> =
        spans.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for (span, result) in spans.iter().zip(&results) {
            let decode = &decode;
            scope.spawn(move || {
                // Each lock is taken once, here, and nobody panics under it.
                if let Ok(mut result) = result.lock() {
                    *result = Some(decode(span));
                }
            });
        }
    });
    let taken = results
        .into_iter()
        .map(|result| result.into_inner().ok().flatten());
    taken
        .map(|result| result.unwrap_or(Err(Error::WorkerLost)))
        .collect()
}

/// Writes a file's bytes to `to`; returns how many.
///
/// # Errors
/// [`Error::NoPath`] if there is no file at `path`, [`Error::Damage`], [`Error::Cancelled`],
/// those of the storage, and [`Error::Local`] if `to` fails. Nothing wrong is ever written, but
/// what was right may have been before the error.
pub fn file(
    browser: &Browser,
    snapshot: &Snapshot,
    path: &Path,
    monitor: &dyn Monitor,
    to: &mut dyn Write,
) -> Result<u64> {
    let start = Start::find(browser, snapshot, Some(path))?;
    let Found::Node(node) = &start.found else {
        return Err(Error::NoPath(path.to_owned()));
    };
    let mut reader = FileReader::new(browser, node)?;
    let mut buffer = vec![0; 1 << 20];
    let mut written = 0;
    while written < reader.size() {
        if monitor.cancelled() {
            return Err(Error::Cancelled);
        }
        let count = reader.copy_data(&mut buffer)?;
        to.write_all(buffer.get(..count).unwrap_or_default())
            .map_err(Error::local("write", path))?;
        monitor.count(Figure::BytesRestored, count as u64);
        written += count as u64;
    }
    to.flush().map_err(Error::local("write", path))?;
    Ok(written)
}

/// What an archive came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveReport {
    /// Entries visited.
    pub entries: u64,
    /// Files and directories left out because they are damaged; each was told to the monitor.
    pub damaged: u64,
}

/// Calls `visit` with everything below `path` (or the whole snapshot), parents first: the path in
/// the archive (relative; a single file has its name), the node, and for files a reader of their
/// content.
///
/// # Errors
/// [`Error::NoPath`], [`Error::Cancelled`], those of `visit`, and those of the storage that are not
/// damage.
pub fn archive(
    browser: &Browser,
    snapshot: &Snapshot,
    path: Option<&Path>,
    monitor: &dyn Monitor,
    mut visit: impl FnMut(&Path, &Node, Option<FileReader<'_>>) -> Result<()>,
) -> Result<ArchiveReport> {
    let mut report = ArchiveReport::default();
    let start = Start::find(browser, snapshot, path)?;
    let damaged = |report: &mut ArchiveReport, path: PathBuf, error: &Error| {
        report.damaged += 1;
        monitor.problem(&Problem {
            path,
            message: error.to_string(),
        });
    };
    let mut one = |report: &mut ArchiveReport, path: &Path, node: &Node| {
        let reader = match node.kind {
            NodeKind::File { .. } => match FileReader::new(browser, node) {
                Ok(reader) => Some(reader),
                Err(error) if is_damage(&error) => {
                    damaged(report, path.to_owned(), &error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            _ => None,
        };
        report.entries += 1;
        visit(path, node, reader)
    };
    let Some(directory) = start.directory() else {
        if let Found::Node(node) = &start.found {
            one(&mut report, Path::new(node.name.as_os_str()), node)?;
        }
        return Ok(report);
    };
    let mut walk = Walk::new(browser, directory);
    while let Some(step) = walk.step() {
        if monitor.cancelled() {
            return Err(Error::Cancelled);
        }
        match step {
            Step::Entry(node) => one(&mut report, &relative(&walk), &node)?,
            Step::Broken(error) if is_damage(&error) => {
                damaged(&mut report, relative(&walk), &error);
            }
            Step::Broken(error) => return Err(error),
            Step::Leave => {}
        }
    }
    Ok(report)
}

fn relative(walk: &Walk<'_>) -> PathBuf {
    let path = join(Path::new("/"), walk.path());
    path.strip_prefix("/").map(Path::to_owned).unwrap_or(path)
}
