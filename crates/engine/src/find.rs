//! Find: entries by their names, in any number of snapshots.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ownkey_crypto::{ObjectHash, object_hash};

use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::format::node::{Node, NodeKind, Stream};
use crate::list::{ListReport, Start, Step, Walk, join, key};
use crate::monitor::{Monitor, Problem};
use crate::repository::Snapshot;
use crate::source::{Case, InvalidRule};
use crate::tree::{Browser, Found};

/// What is looked for: patterns of gitignore's grammar. Without a slash they match names at any
/// depth, with one they match absolute paths.
#[derive(Debug, Clone)]
pub struct Patterns(Gitignore);

impl Patterns {
    /// # Errors
    /// [`InvalidRule`] names the pattern.
    pub fn new(patterns: &[String], case: Case) -> Result<Self, InvalidRule> {
        let mut builder = GitignoreBuilder::new("/");
        builder.allow_unclosed_class(false);
        for pattern in patterns {
            let invalid = |error: ignore::Error| InvalidRule::Pattern {
                pattern: pattern.clone(),
                reason: error.to_string(),
            };
            builder
                .case_insensitive(case == Case::Ignored)
                .map_err(invalid)?;
            // Nobody writes comments here.
            let line = if pattern.starts_with('#') {
                format!("\\{pattern}")
            } else {
                pattern.clone()
            };
            builder.add_line(None, &line).map_err(invalid)?;
        }
        let built = builder
            .build()
            .map_err(|error| InvalidRule::Patterns(error.to_string()))?;
        Ok(Self(built))
    }

    fn matches(&self, path: &Path, node: &Node) -> bool {
        self.0
            .matched(path, matches!(node.kind, NodeKind::Directory { .. }))
            .is_ignore()
    }
}

/// Calls `each` for everything at or below `path` that matches, snapshot by snapshot. A directory
/// in which nothing matched is looked at once, in however many snapshots it is.
///
/// A snapshot without `path` has nothing to find; that is no error.
///
/// # Errors
/// [`Error::Cancelled`], those of `each`, and those of the storage that are not damage; damaged
/// directories are [`Problem`]s.
pub fn run(
    browser: &Browser,
    snapshots: &[Snapshot],
    (patterns, path): (&Patterns, Option<&Path>),
    monitor: &dyn Monitor,
    mut each: impl FnMut(&Snapshot, &Path, &Node) -> Result<()>,
) -> Result<ListReport> {
    let mut search = Search {
        browser,
        patterns,
        monitor,
        report: ListReport::default(),
        barren: HashSet::new(),
    };
    for snapshot in snapshots {
        match Start::find(browser, snapshot, path) {
            Ok(start) => search.snapshot(&start, &mut |path, node| each(snapshot, path, node))?,
            Err(Error::NoPath(_)) => {}
            Err(error) if is_damage(&error) => {
                search.broken(path.unwrap_or(Path::new("/")), &error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(search.report)
}

struct Search<'a> {
    browser: &'a Browser,
    patterns: &'a Patterns,
    monitor: &'a dyn Monitor,
    report: ListReport,
    /// Directories at their paths in which nothing matches.
    barren: HashSet<ObjectHash>,
}

/// A directory on the way to where the search is.
struct Around {
    key: ObjectHash,
    /// Whether it is not barren.
    touched: bool,
}

impl Search<'_> {
    fn snapshot(
        &mut self,
        start: &Start,
        each: &mut dyn FnMut(&Path, &Node) -> Result<()>,
    ) -> Result<()> {
        if let Found::Node(node) = &start.found
            && self.patterns.matches(&start.path, node)
        {
            self.report.entries += 1;
            each(&start.path, node)?;
        }
        let Some(directory) = start.directory() else {
            return Ok(());
        };
        let mut around = vec![Around {
            key: place(&start.path, directory),
            touched: false,
        }];
        if around
            .iter()
            .any(|around| self.barren.contains(&around.key))
        {
            return Ok(());
        }
        let mut walk = Walk::new(self.browser, directory);
        while let Some(step) = walk.step() {
            if self.monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let path = join(&start.path, walk.path());
            match step {
                Step::Entry(node) => {
                    if self.patterns.matches(&path, &node) {
                        self.report.entries += 1;
                        around
                            .last_mut()
                            .into_iter()
                            .for_each(|around| around.touched = true);
                        each(&path, &node)?;
                    }
                    if let NodeKind::Directory { content } = &node.kind {
                        let key = place(&path, content);
                        if self.barren.contains(&key) {
                            walk.skip();
                        } else {
                            around.push(Around {
                                key,
                                touched: false,
                            });
                        }
                    }
                }
                Step::Broken(error) if is_damage(&error) => {
                    around
                        .last_mut()
                        .into_iter()
                        .for_each(|around| around.touched = true);
                    self.broken(&path, &error);
                }
                Step::Broken(error) => return Err(error),
                Step::Leave => self.leave(&mut around),
            }
        }
        self.leave(&mut around);
        Ok(())
    }

    fn leave(&mut self, around: &mut Vec<Around>) {
        let Some(left) = around.pop() else { return };
        if !left.touched {
            self.barren.insert(left.key);
        } else if let Some(parent) = around.last_mut() {
            parent.touched = true;
        }
    }

    fn broken(&mut self, path: &Path, error: &Error) {
        self.report.broken += 1;
        let message = format!("the rest of this directory cannot be read: {error}");
        self.monitor.problem(&Problem {
            path: path.to_owned(),
            message,
        });
    }
}

/// Contents at a path: patterns may ask for both.
fn place(path: &Path, content: &Stream) -> ObjectHash {
    object_hash(&[key(content).as_bytes(), path.as_os_str().as_bytes()].concat())
}
