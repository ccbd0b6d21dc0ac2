//! A chain of held directories, however deep, with a bounded number of open handles.
//!
//! The outermost and the innermost levels stay open. Those in between are closed on the way
//! down and opened again on the way up through `..`, believed only if it is the same inode;
//! else along the names from the nearest open level. No path is ever longer than one name.

use std::sync::Arc;

use super::dir::Dir;
use super::error::SourceError;
use super::stat::FileId;
use crate::format::name::Name;

/// Levels kept open at either end: enough that ordinary trees never open anything twice,
/// few enough for the usual limit of 1,024 handles.
const KEPT_OUTER: usize = 64;
const KEPT_INNER: usize = 64;

#[derive(Debug)]
struct Level {
    /// `None` while closed, or if it could not be opened again.
    dir: Option<Arc<Dir>>,
    id: FileId,
    /// Its name in the level above; none for the root.
    name: Option<Name>,
}

/// The directories from a root down to the one being worked on.
#[derive(Debug)]
pub(crate) struct Descent {
    levels: Vec<Level>,
}

impl Descent {
    /// Starts at `root`.
    pub(crate) fn new(root: Arc<Dir>, id: FileId) -> Self {
        Self {
            levels: vec![Level {
                dir: Some(root),
                id,
                name: None,
            }],
        }
    }

    /// The directory being worked on, unless it could not be opened again.
    pub(crate) fn dir(&self) -> Option<&Arc<Dir>> {
        self.levels.last().and_then(|level| level.dir.as_ref())
    }

    /// Goes down to `dir`, which is `name` in the current one.
    pub(crate) fn enter(&mut self, dir: Arc<Dir>, id: FileId, name: Name) {
        self.levels.push(Level {
            dir: Some(dir),
            id,
            name: Some(name),
        });
        let closing = self.levels.len().saturating_sub(KEPT_INNER + 1);
        if closing > KEPT_OUTER
            && let Some(level) = self.levels.get_mut(closing)
        {
            level.dir = None;
        }
    }

    /// Goes up one level. An error says that the level above moved away while we were below;
    /// it then has no handle, and going up further is still possible.
    pub(crate) fn leave(&mut self) -> Result<(), SourceError> {
        let Some(left) = self.levels.pop() else {
            return Ok(());
        };
        let Some(above) = self.levels.last() else {
            return Ok(());
        };
        if above.dir.is_some() {
            return Ok(());
        }
        let id = above.id;
        let by_parent = left
            .dir
            .as_ref()
            .and_then(|below| below.open_parent().ok())
            .filter(|dir| is(dir, id));
        let dir = match by_parent {
            Some(dir) => Arc::new(dir),
            None => self.along_the_names()?,
        };
        if let Some(above) = self.levels.last_mut() {
            above.dir = Some(dir);
        }
        Ok(())
    }

    /// Opens the innermost level from the nearest open one, each inode compared.
    fn along_the_names(&self) -> Result<Arc<Dir>, SourceError> {
        let open = self.levels.iter().rposition(|level| level.dir.is_some());
        let mut dir = open
            .and_then(|at| self.levels.get(at))
            .and_then(|level| level.dir.clone())
            .ok_or(SourceError::Replaced)?;
        for level in self.levels.iter().skip(open.map_or(0, |at| at + 1)) {
            let name = level.name.as_ref().ok_or(SourceError::Replaced)?;
            let next = dir.open_child(name)?;
            if !is(&next, level.id) {
                return Err(SourceError::Replaced);
            }
            dir = Arc::new(next);
        }
        Ok(dir)
    }
}

fn is(dir: &Dir, id: FileId) -> bool {
    dir.stat_self().is_ok_and(|stat| stat.id == id)
}
