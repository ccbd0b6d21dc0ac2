//! Which entries of a snapshot are wanted.
//!
//! Patterns have gitignore's grammar and are asked with the path an entry gets below the
//! target, with a leading slash. An excluded directory is not entered; an included one brings all
//! that is in it, and the directories on the way to something included come with it.

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::source::InvalidRule;

/// The user's choice of entries.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

/// What becomes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is wanted.
    Take,
    /// It is not, but something below it may be.
    Pass,
    /// Neither it nor anything below it is.
    Leave,
}

impl Filter {
    /// From the patterns after `--include` (none: everything) and after `--exclude`.
    ///
    /// # Errors
    /// [`InvalidRule`] names the pattern.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, InvalidRule> {
        Ok(Self {
            include: matcher(include)?,
            exclude: matcher(exclude)?,
        })
    }

    /// Decides about the entry at `path`; `parent_taken` is the verdict about its directory.
    pub(crate) fn judge(&self, path: &Path, kind: EntryKind, parent: Verdict) -> Verdict {
        let is_dir = kind == EntryKind::Directory;
        if let Some(exclude) = &self.exclude
            && exclude.matched(path, is_dir).is_ignore()
        {
            return Verdict::Leave;
        }
        let unless_taken = if is_dir {
            Verdict::Pass
        } else {
            Verdict::Leave
        };
        match self
            .include
            .as_ref()
            .map(|include| include.matched(path, is_dir))
        {
            None | Some(Match::Ignore(_)) => Verdict::Take,
            Some(Match::Whitelist(_)) => unless_taken,
            Some(Match::None) if parent == Verdict::Take => Verdict::Take,
            Some(Match::None) => unless_taken,
        }
    }
}

/// All that patterns ask about an entry beside its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    Other,
}

fn matcher(patterns: &[String]) -> Result<Option<Gitignore>, InvalidRule> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("/");
    // A mistyped pattern is better refused than taken literally.
    builder.allow_unclosed_class(false);
    for pattern in patterns {
        // In a file `#` begins a comment; on the command line nobody writes comments.
        let line = if pattern.starts_with('#') {
            format!("\\{pattern}")
        } else {
            pattern.clone()
        };
        builder
            .add_line(None, &line)
            .map_err(|error| InvalidRule::Pattern {
                pattern: pattern.clone(),
                reason: error.to_string(),
            })?;
    }
    let built = builder
        .build()
        .map_err(|error| InvalidRule::Patterns(error.to_string()))?;
    Ok(Some(built))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned =
            |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).unwrap()
    }

    fn judge(filter: &Filter, path: &str, kind: EntryKind, parent: Verdict) -> Verdict {
        filter.judge(Path::new(path), kind, parent)
    }

    #[test]
    fn without_patterns_everything_is_taken() {
        let all = filter(&[], &[]);
        assert_eq!(
            judge(&all, "/a", EntryKind::Other, Verdict::Take),
            Verdict::Take
        );
    }

    #[test]
    fn an_included_directory_brings_what_is_in_it_and_others_are_only_passed() {
        let docs = filter(&["docs"], &[]);
        assert_eq!(
            judge(&docs, "/home", EntryKind::Directory, Verdict::Pass),
            Verdict::Pass
        );
        assert_eq!(
            judge(&docs, "/home/docs", EntryKind::Directory, Verdict::Pass),
            Verdict::Take
        );
        assert_eq!(
            judge(&docs, "/home/docs/a", EntryKind::Other, Verdict::Take),
            Verdict::Take
        );
        assert_eq!(
            judge(&docs, "/home/a", EntryKind::Other, Verdict::Pass),
            Verdict::Leave
        );
    }

    #[test]
    fn an_exclude_wins_over_an_include() {
        let some = filter(&["/home"], &["*.o"]);
        assert_eq!(
            judge(&some, "/home/a.o", EntryKind::Other, Verdict::Take),
            Verdict::Leave
        );
        assert_eq!(
            judge(&some, "/home/a.c", EntryKind::Other, Verdict::Take),
            Verdict::Take
        );
    }

    #[test]
    fn an_anchored_pattern_matches_only_at_its_place() {
        let some = filter(&["/home/a"], &[]);
        assert_eq!(
            judge(&some, "/home/a", EntryKind::Other, Verdict::Pass),
            Verdict::Take
        );
        assert_eq!(
            judge(&some, "/x/home/a", EntryKind::Other, Verdict::Pass),
            Verdict::Leave
        );
    }

    #[test]
    fn what_was_taken_back_is_not_taken() {
        let some = filter(&["docs", "!*.tmp"], &[]);
        assert_eq!(
            judge(&some, "/docs/a.tmp", EntryKind::Other, Verdict::Take),
            Verdict::Leave
        );
    }

    #[test]
    fn a_pattern_that_cannot_be_understood_is_refused() {
        assert!(Filter::new(&["a[".to_owned()], &[]).is_err());
    }
}
