//! What a backup leaves out.
//!
//! Patterns have gitignore's grammar, rooted at `/`: without a slash they match at any depth,
//! with one they are anchored (write `**/a/b` for any depth), a trailing slash matches only
//! folders, `!` takes back, the last match wins, and what lies below a folder that is left out
//! cannot be taken back. They are asked before a folder is entered.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::dir::Dir;
use super::rules::{InvalidRule, Rule};
use super::stat::{FileId, Kind, Stat};
use crate::format::name::Name;

/// The rules of one backup. Shared by reference; asking changes nothing.
#[derive(Debug)]
pub struct Excludes {
    patterns: Gitignore,
    tags: Vec<Tag>,
    larger_than: Option<u64>,
    own: Vec<Own>,
}

/// How much a rule leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The entry with all that is in it.
    Whole,
    /// What is in the folder; the folder itself, and the tag file that says so, are kept.
    Contents,
}

/// Collects rules.
#[derive(Debug, Clone)]
pub struct ExcludesBuilder {
    patterns: GitignoreBuilder,
    tags: Vec<Tag>,
    larger_than: Option<u64>,
    own: Vec<Own>,
}

/// Whether letters match only themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`.
    Distinct,
    /// `a` is `A`.
    Ignored,
}

#[derive(Debug, Clone)]
struct Tag {
    name: Name,
    header: Vec<u8>,
}

/// Something of ownkey's own.
#[derive(Debug, Clone)]
struct Own {
    path: PathBuf,
    /// Absent if it did not exist when the rules were made.
    id: Option<FileId>,
}

/// The name of the tag of the Cache Directory Tagging Specification.
const CACHE_TAG: &str = "CACHEDIR.TAG";
/// What such a file begins with.
const CACHE_SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";

impl Excludes {
    /// No rule yet.
    pub fn builder() -> ExcludesBuilder {
        let mut patterns = GitignoreBuilder::new("/");
        // git takes `a[` literally; in a backup a mistyped rule is better refused than ignored.
        patterns.allow_unclosed_class(false);
        ExcludesBuilder {
            patterns,
            tags: Vec::new(),
            larger_than: None,
            own: Vec::new(),
        }
    }

    /// The rule that leaves out the entry at the absolute `path`, if any.
    pub fn entry(&self, path: &Path, stat: &Stat) -> Option<Rule> {
        if let Some(own) = self.own.iter().find(|own| own.is(path, stat.id)) {
            return Some(Rule::Own(own.path.clone()));
        }
        if let ignore::Match::Ignore(glob) =
            self.patterns.matched(path, stat.kind == Kind::Directory)
        {
            return Some(Rule::Pattern {
                pattern: glob.original().to_owned(),
                file: glob.from().map(Path::to_owned),
            });
        }
        self.larger_than
            .filter(|limit| stat.kind == Kind::File && stat.size > *limit)
            .map(Rule::LargerThan)
    }

    /// The rule about ownkey's own, asked of an inode alone.
    pub(crate) fn own_by_inode(&self, id: FileId) -> Option<Rule> {
        let own = self.own.iter().find(|own| own.is(Path::new(""), id))?;
        Some(Rule::Own(own.path.clone()))
    }

    /// The tag that leaves out the contents of `dir`, whose entries are `names` (ascending).
    pub fn contents(&self, dir: &Dir, names: &[Name]) -> Option<(Rule, Name)> {
        let tag = self.tags.iter().find(|tag| {
            names.binary_search(&tag.name).is_ok() && dir.file_starts_with(&tag.name, &tag.header)
        })?;
        let shown = String::from_utf8_lossy(tag.name.as_bytes()).into_owned();
        Some((Rule::Tagged(shown), tag.name.clone()))
    }
}

impl Own {
    /// By its path; or by its inode, as through a bind mount or another link to it. An inode
    /// number whose owner has gone may be a user's new file, so the path is asked again.
    fn is(&self, path: &Path, id: FileId) -> bool {
        if path == self.path {
            return true;
        }
        self.id == Some(id) && FileId::of_path(&self.path) == Some(id)
    }
}

impl ExcludesBuilder {
    /// One pattern, as after `--exclude`.
    pub fn pattern(&mut self, pattern: &str, case: Case) -> Result<&mut Self, InvalidRule> {
        // In a file `#` begins a comment; on the command line nobody writes comments.
        if pattern.starts_with('#') {
            self.line(None, &format!("\\{pattern}"), case)
        } else {
            self.line(None, pattern, case)
        }
    }

    /// The text of an exclude file: a pattern a line, `#` comments, blank lines ignored.
    pub fn file(&mut self, path: &Path, text: &str) -> Result<&mut Self, InvalidRule> {
        for line in text.lines() {
            self.line(Some(path), line, Case::Distinct)?;
        }
        Ok(self)
    }

    fn line(
        &mut self,
        from: Option<&Path>,
        line: &str,
        case: Case,
    ) -> Result<&mut Self, InvalidRule> {
        let invalid = |error: ignore::Error| InvalidRule::Pattern {
            pattern: line.to_owned(),
            reason: error.to_string(),
        };
        self.patterns
            .case_insensitive(case == Case::Ignored)
            .map_err(invalid)?;
        self.patterns
            .add_line(from.map(Path::to_owned), line)
            .map_err(invalid)?;
        Ok(self)
    }

    /// Leaves out the contents of folders with a file `NAME`, or `NAME:header` if it has to
    /// begin with a header, as after `--exclude-if-present`.
    pub fn if_present(&mut self, rule: &str) -> Result<&mut Self, InvalidRule> {
        let (name, header) = rule.split_once(':').unwrap_or((rule, ""));
        let name = Name::new(name.as_bytes()).map_err(|_| InvalidRule::TagName(name.to_owned()))?;
        self.tags.push(Tag {
            name,
            header: header.as_bytes().to_vec(),
        });
        Ok(self)
    }

    /// Leaves out the contents of folders that a valid `CACHEDIR.TAG` marks as a cache.
    pub fn caches(&mut self) -> Result<&mut Self, InvalidRule> {
        self.if_present(&format!("{CACHE_TAG}:{CACHE_SIGNATURE}"))
    }

    /// Leaves out regular files of more than `bytes`.
    pub fn larger_than(&mut self, bytes: u64) -> &mut Self {
        self.larger_than = Some(bytes);
        self
    }

    /// Always leaves out what is at the absolute `path`, whatever else is said: ownkey's own
    /// keys, state, cache and local repository.
    pub fn own(&mut self, path: &Path) -> &mut Self {
        self.own.push(Own {
            path: path.to_owned(),
            id: FileId::of_path(path),
        });
        self
    }

    /// The finished rules.
    pub fn build(&self) -> Result<Excludes, InvalidRule> {
        let patterns = self
            .patterns
            .build()
            .map_err(|error| InvalidRule::Patterns(error.to_string()))?;
        Ok(Excludes {
            patterns,
            tags: self.tags.clone(),
            larger_than: self.larger_than,
            own: self.own.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;

    use super::*;

    fn stat(kind: Kind, size: u64) -> Stat {
        let temp = tempfile::tempdir().unwrap();
        let stat = Dir::open_root(temp.path()).unwrap().stat_self().unwrap();
        Stat {
            kind,
            size,
            id: FileId { dev: 0, ino: 0 },
            ..stat
        }
    }

    fn left_out(excludes: &Excludes, path: &str, kind: Kind) -> bool {
        excludes.entry(Path::new(path), &stat(kind, 0)).is_some()
    }

    #[test]
    fn patterns_have_the_grammar_of_gitignore() {
        let mut builder = Excludes::builder();
        builder
            .pattern("*.o", Case::Distinct)
            .unwrap()
            .pattern("/home/me/tmp", Case::Distinct)
            .unwrap()
            .pattern("**/build/out", Case::Distinct)
            .unwrap()
            .pattern("cache/", Case::Distinct)
            .unwrap()
            .pattern("!keep.o", Case::Distinct)
            .unwrap()
            .pattern("*.TMP", Case::Ignored)
            .unwrap()
            .pattern("#odd", Case::Distinct)
            .unwrap();
        let excludes = builder.build().unwrap();
        for path in [
            "/a.o",
            "/x/y/a.o",
            "/home/me/tmp",
            "/x/build/out",
            "/x/a.tmp",
            "/x/#odd",
        ] {
            assert!(left_out(&excludes, path, Kind::File), "{path}");
        }
        for path in [
            "/x/keep.o",
            "/home/me/tmp2",
            "/x/home/me/tmp",
            "/a.O",
            "/x/cache",
        ] {
            assert!(!left_out(&excludes, path, Kind::File), "{path}");
        }
        assert!(left_out(&excludes, "/x/cache", Kind::Directory));
    }

    #[test]
    fn a_decision_names_its_rule_and_the_file_it_stands_in() {
        let mut builder = Excludes::builder();
        builder
            .file(Path::new("/etc/rules"), "# comment\n\n*.o\n!x.o\n")
            .unwrap();
        let excludes = builder.larger_than(10).build().unwrap();
        let rule = excludes
            .entry(Path::new("/a.o"), &stat(Kind::File, 0))
            .unwrap();
        assert_eq!(rule.to_string(), "the pattern \"*.o\" in /etc/rules");
        assert_eq!(
            excludes.entry(Path::new("/x.o"), &stat(Kind::File, 0)),
            None
        );
        let large = excludes.entry(Path::new("/a"), &stat(Kind::File, 11));
        assert_eq!(large, Some(Rule::LargerThan(10)));
        assert_eq!(excludes.entry(Path::new("/a"), &stat(Kind::File, 10)), None);
        assert_eq!(
            excludes.entry(Path::new("/a"), &stat(Kind::Directory, 11)),
            None
        );
    }

    #[test]
    fn nonsense_is_refused_with_the_text_that_was_written() {
        let mut builder = Excludes::builder();
        let error = builder.pattern("a[", Case::Distinct).unwrap_err();
        assert!(matches!(error, InvalidRule::Pattern { pattern, .. } if pattern == "a["));
        for tag in ["a/b", "", "..", ":x"] {
            assert!(
                matches!(builder.if_present(tag), Err(InvalidRule::TagName(_))),
                "{tag}"
            );
        }
    }

    #[test]
    fn only_a_cache_tag_with_its_signature_marks_a_cache() {
        let temp = tempfile::tempdir().unwrap();
        let tag = temp.path().join(CACHE_TAG);
        let mut builder = Excludes::builder();
        let excludes = builder.caches().unwrap().build().unwrap();
        let found = || {
            let dir = Dir::open_root(temp.path()).unwrap();
            excludes.contents(&dir, &dir.list().names)
        };
        assert_eq!(found(), None);
        std_fs::write(&tag, "Signature: 8a477f597d28d172789f06886806bc56").unwrap();
        assert_eq!(found(), None);
        std_fs::write(&tag, format!("{CACHE_SIGNATURE}\n# made by hand\n")).unwrap();
        assert_eq!(found().unwrap().0, Rule::Tagged(CACHE_TAG.to_owned()));
    }

    #[test]
    fn what_is_ownkeys_own_is_left_out_by_path_and_by_inode() {
        let temp = tempfile::tempdir().unwrap();
        let own = temp.path().join("state");
        std_fs::create_dir(&own).unwrap();
        let mut builder = Excludes::builder();
        builder.own(&own).pattern("!**", Case::Distinct).unwrap();
        let excludes = builder.build().unwrap();
        let seen = Dir::open_root(&own).unwrap().stat_self().unwrap();
        let wanted = Some(Rule::Own(own.clone()));
        assert_eq!(excludes.entry(&own, &stat(Kind::Directory, 0)), wanted);
        assert_eq!(excludes.entry(Path::new("/mnt/bound"), &seen), wanted);
        // Its number may belong to somebody else once it is gone.
        std_fs::remove_dir(&own).unwrap();
        assert_eq!(excludes.entry(Path::new("/mnt/bound"), &seen), None);
    }
}
