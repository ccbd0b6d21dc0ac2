//! What the user asked to back up, as a tree of places.
//!
//! A path is taken as it was written, like the field's other tools do: `.` and `..` are removed by
//! their letters, links on the way are passed through and recorded under the names that were
//! written. The last component is not followed: a link is kept as a link, unless the path
//! ends in `/`, which means the folder it leads to, as for `cp` and `rsync`. Doubles and paths
//! inside other paths collapse.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::format::name::Name;

/// The paths of one backup.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    root: Arc<Place>,
}

/// A path that cannot be backed up by that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Relative to what, only the program knows.
    #[error("{0:?} is not an absolute path")]
    Relative(PathBuf),
    /// A component no file system takes.
    #[error("{0:?} has a part that cannot be the name of a file")]
    Name(PathBuf),
}

/// One component of what was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) wanted: Wanted,
    pub(crate) below: BTreeMap<Name, Arc<Self>>,
}

/// What of a place was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wanted {
    /// Nothing by itself: it lies on the way to something below.
    #[default]
    Passage,
    /// The entry.
    Entry,
    /// The folder it leads to, if it is a link.
    Folder,
}

impl Selection {
    /// Reads absolute paths.
    pub fn new<I, P>(paths: I) -> Result<Self, InvalidPath>
    where
        I: IntoIterator<Item = P>,
        P: AsRef<Path>,
    {
        let mut selection = Self::default();
        for path in paths {
            selection.add(path.as_ref())?;
        }
        Ok(selection)
    }

    fn add(&mut self, path: &Path) -> Result<(), InvalidPath> {
        let names = components(path)?;
        let bytes = path.as_os_str().as_bytes();
        let folder = bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes.ends_with(b"/..");
        let mut place = Arc::make_mut(&mut self.root);
        for name in names {
            place = Arc::make_mut(place.below.entry(name).or_default());
        }
        if folder {
            place.wanted = Wanted::Folder;
        } else if place.wanted == Wanted::Passage {
            place.wanted = Wanted::Entry;
        }
        Ok(())
    }

    /// The outermost paths, normalised, ascending by components: what the snapshot records.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), &self.root)];
        while let Some((path, place)) = open.pop() {
            if place.wanted != Wanted::Passage {
                found.push(as_path(path));
                continue;
            }
            for (name, below) in place.below.iter().rev() {
                let mut path = path.clone();
                path.push(b'/');
                path.extend_from_slice(name.as_bytes());
                open.push((path, below));
            }
        }
        found
    }

    pub(crate) fn root(&self) -> &Arc<Place> {
        &self.root
    }
}

fn components(path: &Path) -> Result<Vec<Name>, InvalidPath> {
    if !path.is_absolute() {
        return Err(InvalidPath::Relative(path.to_owned()));
    }
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => names
                .push(Name::new(part.as_bytes()).map_err(|_| InvalidPath::Name(path.to_owned()))?),
            Component::ParentDir => {
                names.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}

fn as_path(bytes: Vec<u8>) -> PathBuf {
    let bytes = if bytes.is_empty() {
        b"/".to_vec()
    } else {
        bytes
    };
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(given: &[&str]) -> Vec<String> {
        let selection = Selection::new(given).unwrap();
        selection
            .paths()
            .iter()
            .map(|path| path.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn doubles_and_paths_inside_others_collapse() {
        assert_eq!(
            paths(&["/b", "/a/c", "/b/", "/a/c", "/a/c/d/e"]),
            ["/a/c", "/b"]
        );
        assert_eq!(paths(&["/ab", "/a"]), ["/a", "/ab"]);
        assert_eq!(paths(&["/home/x", "/"]), ["/"]);
        assert_eq!(paths(&[]), Vec::<String>::new());
    }

    #[test]
    fn dots_are_removed_by_their_letters() {
        assert_eq!(
            paths(&["/a/./b/../c", "/../../d", "//e///f"]),
            ["/a/c", "/d", "/e/f"]
        );
    }

    #[test]
    fn relative_paths_and_impossible_names_are_refused() {
        assert!(matches!(
            Selection::new(["a/b"]),
            Err(InvalidPath::Relative(_))
        ));
        assert!(matches!(
            Selection::new([""]),
            Err(InvalidPath::Relative(_))
        ));
        let long = format!("/{}", "x".repeat(256));
        assert!(matches!(Selection::new([long]), Err(InvalidPath::Name(_))));
        assert!(matches!(
            Selection::new(["/a\0b"]),
            Err(InvalidPath::Name(_))
        ));
    }
}
