//! The walk over everything that was asked for.
//!
//! Depth first, entries ascending by name bytes, each directory between an `Enter` and a
//! `Leave`: the order in which a snapshot's trees are built. The walk opens directories only;
//! every entry carries what a worker needs to open the file by itself. Open handles are
//! bounded whatever the depth; entries that wait in a queue hold one of their directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::descent::Descent;
use super::dir::Dir;
use super::error::SourceError;
use super::event::{Entry, Event, Mounts, WalkOptions};
use super::excludes::{Excludes, Scope};
use super::rules::Rule;
use super::selection::{Place, Selection, Wanted};
use super::stat::{FileId, Kind, Stat};
use crate::format::name::Name;
use crate::problem::Problem;

/// An iterator over [`Event`]s. What stands at the top level are the entries of `/`.
#[derive(Debug)]
pub struct Walk {
    excludes: Arc<Excludes>,
    options: WalkOptions,
    /// `None` if `/` could not be opened.
    descent: Option<Descent>,
    frames: Vec<Frame>,
    path: Vec<u8>,
    ready: VecDeque<Event>,
}

/// What of a directory is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coverage {
    /// Everything.
    All,
    /// Only what was asked for below it.
    Asked,
}

/// A directory that has been entered.
#[derive(Debug)]
struct Frame {
    names: std::vec::IntoIter<Name>,
    place: Option<Arc<Place>>,
    coverage: Coverage,
    /// The file system of the path that was asked for.
    device: u64,
    /// Length of its path.
    path_length: usize,
}

impl Walk {
    /// A walk over `selection`.
    pub fn new(selection: &Selection, excludes: Arc<Excludes>, options: WalkOptions) -> Self {
        let mut walk = Self {
            excludes,
            options,
            descent: None,
            frames: Vec::new(),
            path: Vec::new(),
            ready: VecDeque::new(),
        };
        let opened = Dir::open_top().and_then(|dir| Ok((dir.stat_self()?, Arc::new(dir))));
        match opened {
            Ok((stat, dir)) => {
                let place = Arc::clone(selection.root());
                let coverage = match place.wanted {
                    Wanted::Passage => Coverage::Asked,
                    Wanted::Entry | Wanted::Folder => Coverage::All,
                };
                walk.descent = Some(Descent::new(Arc::clone(&dir), stat.id));
                walk.push_frame(&dir, Some(place), coverage, stat.id.dev);
            }
            Err(error) => walk.problem(error.message()),
        }
        walk
    }

    /// Takes the next step: one name, or one level up.
    fn step(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let Some(name) = frame.names.next() else {
            return self.leave();
        };
        let Some(dir) = self.descent.as_ref().and_then(Descent::dir).cloned() else {
            return;
        };
        self.path.push(b'/');
        self.path.extend_from_slice(name.as_bytes());
        let entered = self.visit(dir, name);
        if !entered && let Some(frame) = self.frames.last() {
            self.path.truncate(frame.path_length);
        }
    }

    fn leave(&mut self) {
        self.frames.pop();
        let Some(above) = self.frames.last_mut() else {
            return;
        };
        let left = self.descent.as_mut().map_or(Ok(()), Descent::leave);
        let lost = left.is_err() && above.names.len() > 0;
        if left.is_err() {
            above.names = Vec::new().into_iter();
        }
        let length = above.path_length;
        let path = self.shown_path();
        self.ready.push_back(Event::Leave(path));
        self.path.truncate(length);
        if lost {
            self.problem(
                "it was moved while it was read, so what follows in it was not read".into(),
            );
        }
    }

    /// Handles one name; true if a directory was entered.
    fn visit(&mut self, parent: Arc<Dir>, name: Name) -> bool {
        let place = self.frames.last().and_then(|frame| frame.place.as_ref());
        let place = place.and_then(|place| place.below.get(&name)).cloned();
        let (stat, way) = match self.look(&parent, &name, place.as_deref()) {
            Ok(seen) => seen,
            Err(SourceError::Vanished) if place.is_none() => return false,
            Err(error) => {
                self.problem(error.message());
                return false;
            }
        };
        let path = self.shown_path();
        let Some(coverage) = self.coverage(&path, &stat, place.as_deref()) else {
            return false;
        };
        let entry = Entry {
            path,
            parent,
            name,
            stat,
        };
        if stat.kind == Kind::Directory {
            return self.enter(entry, way, place, coverage);
        }
        if coverage == Coverage::Asked || place.as_ref().is_some_and(|place| place.leads_on()) {
            self.problem("it is not a folder".into());
        } else {
            if stat.kind == Kind::Symlink && place.is_some() {
                self.note("is a link and is kept as one; add a / to back up what it points to");
            }
            self.ready.push_back(Event::Entry(entry));
        }
        false
    }

    /// One look at an entry; a link is followed only on the way to what was asked for.
    fn look(
        &self,
        parent: &Dir,
        name: &Name,
        place: Option<&Place>,
    ) -> Result<(Stat, Way), SourceError> {
        let stat = parent.stat(name)?;
        if stat.kind == Kind::Symlink && place.is_some_and(Place::leads_on) {
            return Ok((parent.stat_following(name)?, Way::Followed));
        }
        let passes = place.is_some()
            && self
                .frames
                .last()
                .is_some_and(|f| f.coverage == Coverage::Asked);
        Ok((stat, if passes { Way::Passed } else { Way::Plain }))
    }

    /// How much of an entry is walked; `None` if a rule leaves it out as a whole.
    fn coverage(&mut self, path: &Path, stat: &Stat, place: Option<&Place>) -> Option<Coverage> {
        let inherited = self
            .frames
            .last()
            .map_or(Coverage::Asked, |frame| frame.coverage);
        let asked = place.is_some_and(|place| place.wanted != Wanted::Passage);
        let coverage = if asked { Coverage::All } else { inherited };
        let Some(rule) = self.excludes.entry(path, stat) else {
            return Some(coverage);
        };
        let own = matches!(rule, Rule::Own(_));
        if !own && coverage == Coverage::Asked {
            return Some(Coverage::Asked);
        }
        if asked {
            self.note(&format!("was asked for and is left out: {rule}"));
        }
        let path = path.to_owned();
        self.ready.push_back(Event::Excluded {
            path,
            rule,
            scope: Scope::Whole,
        });
        let passes = place.is_some_and(|place| !place.below.is_empty());
        (passes && !own).then_some(Coverage::Asked)
    }

    fn enter(
        &mut self,
        mut entry: Entry,
        way: Way,
        place: Option<Arc<Place>>,
        coverage: Coverage,
    ) -> bool {
        let opened = match (way, coverage) {
            (Way::Plain, _) | (Way::Passed, Coverage::All) => entry.parent.open_child(&entry.name),
            (Way::Followed, Coverage::All) => entry.parent.open_folder(&entry.name),
            (_, Coverage::Asked) => entry.parent.open_passage(&entry.name),
        };
        let opened = opened.and_then(|dir| Ok((dir.stat_self()?, Arc::new(dir))));
        let (stat, dir) = match opened {
            Ok(opened) => opened,
            Err(SourceError::Vanished) if place.is_none() => return false,
            Err(error) => {
                // The folder itself is kept, empty, and the problem says why.
                let path = entry.path.clone();
                self.ready.push_back(Event::Enter { entry, dir: None });
                self.problem(error.message());
                self.ready.push_back(Event::Leave(path));
                return false;
            }
        };
        if way == Way::Followed
            && let Some(rule) = self.leads_into_own(&dir)
        {
            self.note("was asked for and leads into ownkey's own folder, which is left out");
            let path = entry.path;
            self.ready.push_back(Event::Excluded {
                path,
                rule,
                scope: Scope::Whole,
            });
            return false;
        }
        // What is recorded is what was opened.
        entry.stat = stat;
        let name = entry.name.clone();
        self.ready.push_back(Event::Enter {
            entry,
            dir: Some(Arc::clone(&dir)),
        });
        let (coverage, device) = self.within(&stat, place.as_deref(), coverage);
        self.push_frame(&dir, place, coverage, device);
        if let Some(descent) = self.descent.as_mut() {
            descent.enter(dir, stat.id, name);
        }
        true
    }

    /// Applies the rule about other file systems to a directory that was opened.
    fn within(
        &mut self,
        stat: &Stat,
        place: Option<&Place>,
        coverage: Coverage,
    ) -> (Coverage, u64) {
        let FileId { dev, .. } = stat.id;
        if place.is_some_and(|place| place.wanted != Wanted::Passage) {
            return (coverage, dev);
        }
        let device = self.frames.last().map_or(dev, |frame| frame.device);
        let foreign = dev != device && self.options.mounts == Mounts::Skip;
        if coverage == Coverage::All && foreign {
            let path = self.shown_path();
            let rule = Rule::OtherFileSystem;
            self.ready.push_back(Event::Excluded {
                path,
                rule,
                scope: Scope::Contents,
            });
            return (Coverage::Asked, device);
        }
        (coverage, device)
    }

    /// Lists a directory as far as it is covered and makes it the current one.
    fn push_frame(
        &mut self,
        dir: &Arc<Dir>,
        place: Option<Arc<Place>>,
        coverage: Coverage,
        device: u64,
    ) {
        let mut names = match coverage {
            Coverage::All if self.frames.len() >= self.options.deepest => {
                self.problem(format!(
                    "it is nested deeper than {} folders, so its contents were not read",
                    self.options.deepest
                ));
                Vec::new()
            }
            Coverage::All => self.listed(dir),
            Coverage::Asked => Vec::new(),
        };
        if let Some(place) = &place
            && !place.below.is_empty()
        {
            // What was asked for is looked at even if the listing does not have it.
            names.extend(place.below.keys().cloned());
            names.sort_unstable();
            names.dedup();
        }
        let path_length = self.path.len();
        let names = names.into_iter();
        self.frames.push(Frame {
            names,
            place,
            coverage,
            device,
            path_length,
        });
    }

    fn listed(&mut self, dir: &Arc<Dir>) -> Vec<Name> {
        let listing = dir.list();
        match listing.error {
            // Deleted between opening and listing: nothing was in it any more.
            None | Some(SourceError::Vanished) => {}
            Some(error) => self.problem(error.message()),
        }
        for refused in listing.refused {
            self.problem(refused.to_string());
        }
        let Some((rule, tag)) = self.excludes.contents(dir, &listing.names) else {
            return listing.names;
        };
        let path = self.shown_path();
        self.ready.push_back(Event::Excluded {
            path,
            rule,
            scope: Scope::Contents,
        });
        vec![tag]
    }

    /// Whether a followed link ended inside ownkey's own folders: asked upwards to the root,
    /// since only the folder itself has a known inode.
    fn leads_into_own(&self, dir: &Arc<Dir>) -> Option<Rule> {
        let mut dir = Arc::clone(dir);
        let mut id = None;
        loop {
            let stat = dir.stat_self().ok()?;
            if id == Some(stat.id) {
                return None;
            }
            if let Some(rule) = self.excludes.own_by_inode(stat.id) {
                return Some(rule);
            }
            id = Some(stat.id);
            dir = Arc::new(dir.open_parent().ok()?);
        }
    }

    fn shown_path(&self) -> PathBuf {
        let bytes = if self.path.is_empty() {
            b"/".to_vec()
        } else {
            self.path.clone()
        };
        PathBuf::from(OsString::from_vec(bytes))
    }

    fn problem(&mut self, message: String) {
        let path = self.shown_path();
        self.ready
            .push_back(Event::Problem(Problem { path, message }));
    }

    fn note(&mut self, what: &str) {
        let path = self.shown_path();
        self.ready
            .push_back(Event::Note(format!("{} {what}", path.display())));
    }
}

/// How an entry is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It was listed.
    Plain,
    /// It is on the way to something asked for, and need not be readable.
    Passed,
    /// It is a link on the way to something asked for.
    Followed,
}

impl Place {
    /// Whether it has to be a folder: something below it was asked for, or it ends in `/`.
    fn leads_on(&self) -> bool {
        self.wanted == Wanted::Folder || !self.below.is_empty()
    }
}

impl Iterator for Walk {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.frames.is_empty() {
                return None;
            }
            self.step();
        }
    }
}

#[cfg(test)]
mod tests;
