//! From damage to the files and snapshots it concerns.

use std::collections::HashSet;
use std::path::Path;

use ownkey_crypto::{ChunkType, ObjectHash};

use super::Check;
use super::report::{CONCERNED_NAMED, Concerned};
use super::trees::snapshots;
use crate::chunks::is_damage;
use crate::error::Result;
use crate::format::name::Name;
use crate::format::node::{NodeKind, Stream};
use crate::list::{Step, Walk, join, key};
use crate::repository::Snapshot;

/// Entries after which one of each further snapshot is enough: by then the answer is "restore what you can".
const COUNTED: u64 = 100_000;

/// A directory on the way to where the search is.
struct Around {
    key: ObjectHash,
    /// Whether something in it is concerned.
    touched: bool,
}

impl Check<'_> {
    /// Names everything that cannot be restored, snapshot by snapshot. What is the same in
    /// many of them and is not concerned is looked at once.
    pub(super) fn concerned(&mut self) -> Result<()> {
        let mut clean = HashSet::new();
        for snapshot in snapshots(self.repository) {
            self.search(&snapshot, &mut clean)?;
        }
        Ok(())
    }

    fn search(&mut self, snapshot: &Snapshot, clean: &mut HashSet<ObjectHash>) -> Result<()> {
        let root = &snapshot.record.root;
        if clean.contains(&key(root)) {
            return Ok(());
        }
        let mut around = vec![Around {
            key: key(root),
            touched: false,
        }];
        if let Some(message) = self.lost_directory(root)? {
            self.name(snapshot, &[], message);
            return Ok(());
        }
        let mut walk = Walk::new(self.browser, root);
        while let Some(step) = walk.step() {
            self.go_on()?;
            if self.report.concerned_count >= COUNTED && self.lost.contains_key(&snapshot.id) {
                return Ok(());
            }
            let found = match step {
                Step::Entry(node) => match &node.kind {
                    NodeKind::Directory { content } => {
                        self.directory(&mut walk, content, &mut around, clean)?
                    }
                    _ => self.wrong_with(&node)?,
                },
                Step::Broken(error) if is_damage(&error) => Some(error.to_string()),
                Step::Broken(error) => return Err(error),
                Step::Leave => {
                    leave(&mut around, clean);
                    None
                }
            };
            if let Some(message) = found {
                around
                    .last_mut()
                    .into_iter()
                    .for_each(|around| around.touched = true);
                self.name(snapshot, walk.path(), message);
            }
        }
        leave(&mut around, clean);
        Ok(())
    }

    /// Enters a directory unless it is known to be clean or cannot be read.
    fn directory(
        &self,
        walk: &mut Walk<'_>,
        content: &Stream,
        around: &mut Vec<Around>,
        clean: &HashSet<ObjectHash>,
    ) -> Result<Option<String>> {
        let key = key(content);
        if clean.contains(&key) {
            walk.skip();
            return Ok(None);
        }
        let lost = self.lost_directory(content)?;
        if lost.is_some() {
            walk.skip();
        } else {
            around.push(Around {
                key,
                touched: false,
            });
        }
        Ok(lost)
    }

    /// Why a directory cannot be read, as far as is known without reading it.
    fn lost_directory(&self, content: &Stream) -> Result<Option<String>> {
        match self.browser.ids(content) {
            Ok(ids) => self.first_blame(ids.iter(), ChunkType::Tree),
            Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn name(&mut self, snapshot: &Snapshot, path: &[Name], message: String) {
        self.report.concerned_count += 1;
        *self.lost.entry(snapshot.id).or_default() += 1;
        if self.report.concerned.len() >= CONCERNED_NAMED {
            return;
        }
        let path = join(Path::new("/"), path);
        self.report.concerned.push(Concerned {
            snapshot: snapshot.id,
            path,
            message,
        });
    }
}

/// Ends a directory: clean, or its parent is not either.
fn leave(around: &mut Vec<Around>, clean: &mut HashSet<ObjectHash>) {
    let Some(left) = around.pop() else { return };
    if !left.touched {
        clean.insert(left.key);
    } else if let Some(parent) = around.last_mut() {
        parent.touched = true;
    }
}
