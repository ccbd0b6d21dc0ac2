//! Compares two trees, and shares no code with the program that should have made them equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::facts::{Facts, open, read_tree};

/// By how many bytes the holes of two files may differ: block sizes round them.
pub const HOLE_TOLERANCE: u64 = 64 << 10;

/// One way in which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path in both trees; `.` is the root itself.
    pub path: PathBuf,
    /// What differs.
    pub aspect: Aspect,
    /// What it is in the one and in the other.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {:?}: {}", self.path, self.aspect, self.detail)
    }
}

/// In what two trees can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Only the first tree has the name.
    Missing,
    /// Only the second tree has the name.
    Extra,
    /// File, folder, link, ...
    Kind,
    /// The length of a file.
    Size,
    /// The bytes of a file.
    Content,
    /// The twelve bits of the mode.
    Mode,
    /// User or group.
    Owner,
    /// The time of the last modification, to the nanosecond.
    Modified,
    /// Where a link leads.
    Target,
    /// The number of a device.
    Device,
    /// Extended attributes, ACLs among them.
    Xattrs,
    /// File flags as of `chattr`.
    Flags,
    /// Which names are one file.
    HardLinks,
    /// Where a file has holes.
    Holes,
}

/// Everything in which the second tree differs from the first, sorted by path.
///
/// # Panics
/// When a tree cannot be read.
pub fn compare(first: &Path, second: &Path) -> Vec<Difference> {
    let read = |root: &Path| {
        read_tree(root).unwrap_or_else(|error| panic!("cannot read {}: {error}", root.display()))
    };
    let (ours, theirs) = (read(first), read(second));
    let (our_groups, their_groups) = (groups(&ours), groups(&theirs));
    let mut differences = Vec::new();
    let paths: BTreeSet<&PathBuf> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        let mut found = Found {
            path,
            differences: &mut differences,
        };
        match (ours.get(path), theirs.get(path)) {
            (Some(ours), Some(theirs)) => {
                found.compare_facts(ours, theirs);
                found.note(
                    Aspect::HardLinks,
                    &our_groups.get(path),
                    &their_groups.get(path),
                );
                if ours.kind == "file" && theirs.kind == "file" && ours.size == theirs.size {
                    found.compare_content(&first.join(path), &second.join(path), &ours.data);
                    found.compare_holes(&ours.data, &theirs.data);
                }
            }
            (Some(ours), None) => found.push(Aspect::Missing, format!("a {}", ours.kind)),
            (None, Some(theirs)) => found.push(Aspect::Extra, format!("a {}", theirs.kind)),
            (None, None) => {}
        }
    }
    differences
}

struct Found<'a> {
    path: &'a Path,
    differences: &'a mut Vec<Difference>,
}

impl Found<'_> {
    fn push(&mut self, aspect: Aspect, detail: String) {
        self.differences.push(Difference {
            path: self.path.to_owned(),
            aspect,
            detail,
        });
    }

    fn note<T: PartialEq + fmt::Debug>(&mut self, aspect: Aspect, ours: &T, theirs: &T) {
        if ours != theirs {
            self.push(aspect, format!("{ours:?} became {theirs:?}"));
        }
    }

    fn compare_facts(&mut self, ours: &Facts, theirs: &Facts) {
        self.note(Aspect::Kind, &ours.kind, &theirs.kind);
        if ours.kind != theirs.kind {
            return;
        }
        self.note(Aspect::Size, &ours.size, &theirs.size);
        self.note(Aspect::Mode, &Octal(ours.mode), &Octal(theirs.mode));
        self.note(Aspect::Owner, &ours.owner, &theirs.owner);
        self.note(Aspect::Modified, &ours.modified, &theirs.modified);
        self.note(Aspect::Target, &ours.target, &theirs.target);
        self.note(Aspect::Device, &ours.device, &theirs.device);
        self.note(Aspect::Xattrs, &ours.xattrs, &theirs.xattrs);
        // Where one of the two file systems has no flags there is nothing to compare.
        if ours.flags.is_some() && theirs.flags.is_some() {
            self.note(Aspect::Flags, &ours.flags, &theirs.flags);
        }
    }

    fn compare_content(&mut self, ours: &Path, theirs: &Path, data: &[Range<u64>]) {
        match first_difference(ours, theirs, data) {
            Ok(None) => {}
            Ok(Some(offset)) => self.push(Aspect::Content, format!("from byte {offset} on")),
            Err(error) => panic!(
                "cannot read {} or {}: {error}",
                ours.display(),
                theirs.display()
            ),
        }
    }

    fn compare_holes(&mut self, ours: &[Range<u64>], theirs: &[Range<u64>]) {
        let total = |ranges: &[Range<u64>]| -> u64 { ranges.iter().map(length).sum() };
        let common: u64 = ours
            .iter()
            .flat_map(|our| theirs.iter().map(move |their| overlap(our, their)))
            .sum();
        let apart = total(ours) + total(theirs) - 2 * common;
        if apart > HOLE_TOLERANCE {
            let detail = format!("data in {ours:?} became data in {theirs:?}");
            self.push(Aspect::Holes, detail);
        }
    }
}

/// A mode that prints as people write it.
#[derive(PartialEq)]
struct Octal(Option<u32>);

impl fmt::Debug for Octal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(mode) => write!(out, "{mode:04o}"),
            None => out.write_str("none"),
        }
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> u64 {
    let (start, end) = (one.start.max(other.start), one.end.min(other.end));
    end.saturating_sub(start)
}

/// For each name of a file with several: all of its names in the tree.
fn groups(tree: &BTreeMap<PathBuf, Facts>) -> BTreeMap<&PathBuf, Vec<&PathBuf>> {
    let mut by_identity: BTreeMap<(u64, u64), Vec<&PathBuf>> = BTreeMap::new();
    for (path, facts) in tree {
        if let Some(identity) = facts.identity {
            by_identity.entry(identity).or_default().push(path);
        }
    }
    by_identity
        .into_values()
        .filter(|names| names.len() > 1)
        .flat_map(|names| {
            names
                .clone()
                .into_iter()
                .map(move |name| (name, names.clone()))
        })
        .collect()
}

/// Where two files of one length first differ.
///
/// Reads where the first has data, and where the second has; two holes are equal unread, because a
/// sparse file may be far longer than a test has time for.
fn first_difference(ours: &Path, theirs: &Path, data: &[Range<u64>]) -> io::Result<Option<u64>> {
    let (ours, theirs) = (open(ours)?, open(theirs)?);
    let size = ours.metadata()?.len();
    let mut ranges = data.to_vec();
    ranges.extend(super::facts::data_ranges(&theirs, size)?);
    ranges.sort_by_key(|range| range.start);
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let step = (range.end - at).min(left.len() as u64) as usize;
            ours.read_exact_at(&mut left[..step], at)?;
            theirs.read_exact_at(&mut right[..step], at)?;
            // Equal runs are compared at once: byte by byte takes a hundred times as long in tests.
            if left[..step] != right[..step] {
                let mut pairs = left.iter().zip(&right);
                let position = pairs.position(|(a, b)| a != b).unwrap_or(step);
                return Ok(Some(at + position as u64));
            }
            at += step as u64;
        }
    }
    Ok(None)
}
