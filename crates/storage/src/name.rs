//! Names of objects, and prefixes of names.
//!
//! Promise: a name that exists is safe everywhere. It is ASCII, lower case, without dots, so it
//! means the same on file systems that fold case, in URLs and in bucket keys, it can neither climb
//! out of a folder nor collide with a staging file, and it can be printed to a terminal as it is.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The most segments of a name. Bounds how deep a folder can be, so that walks need no other bound.
pub const MAX_SEGMENTS: usize = 6;
/// The most bytes of one segment: well below the 255 of every file system, with room for suffixes.
pub const MAX_SEGMENT_BYTES: usize = 96;
/// The most bytes of a whole name: below the 1,024 of bucket keys with room for a user's prefix.
pub const MAX_NAME_BYTES: usize = 200;

/// The validated name of an object: 1 to 6 segments of `[a-z0-9-]`, joined by `/`.
///
/// Ordered by bytes. A clone costs a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The name as it is spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments from the outermost folder to the last part.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last segment.
    #[must_use]
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The prefix that this name stands directly under.
    #[must_use]
    pub fn folder(&self) -> Prefix {
        match self.0.rfind('/') {
            Some(slash) => Prefix(self.0.get(..=slash).unwrap_or_default().into()),
            None => Prefix::all(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl AsRef<str> for ObjectName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ObjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Which names a listing is about: all of them, those of a folder (its segments, each ending in
/// `/`), or exactly one.
///
/// It ends at a folder's border, because a folder can be listed everywhere and half a segment
/// cannot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// The prefix of every name.
    #[must_use]
    pub fn all() -> Self {
        Self("".into())
    }

    /// Checks and keeps a prefix.
    ///
    /// # Errors
    /// [`NameError::OpenPrefix`] when it is neither empty nor ends in `/`, else the rule of names
    /// that it breaks.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if text.is_empty() {
            return Ok(Self::all());
        }
        let folder = text.strip_suffix('/').ok_or(NameError::OpenPrefix)?;
        check(folder)?;
        Ok(Self(text.into()))
    }

    /// The prefix of one name and no other.
    #[must_use]
    pub fn exactly(name: &ObjectName) -> Self {
        Self(name.0.clone())
    }

    /// The prefix as it is spelled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name stands under this prefix.
    #[must_use]
    pub fn contains(&self, name: &ObjectName) -> bool {
        if self.0.is_empty() || self.0.ends_with('/') {
            name.0.starts_with(&*self.0)
        } else {
            name.0 == self.0
        }
    }

    /// The one name that this is the prefix of, where it is one name.
    pub(crate) fn as_name(&self) -> Option<ObjectName> {
        let one = !self.0.is_empty() && !self.0.ends_with('/');
        one.then(|| ObjectName(self.0.clone()))
    }

    /// Whether names beneath a folder, spelled without a last `/`, can stand under this prefix.
    pub(crate) fn may_reach_into(&self, folder: &str) -> bool {
        if self.0.len() > folder.len() {
            self.0.starts_with(folder) && self.0.as_bytes().get(folder.len()) == Some(&b'/')
        } else {
            self.0.is_empty() || (self.0.ends_with('/') && folder.starts_with(&*self.0))
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}*", self.0)
    }
}

impl FromStr for Prefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// Why a text is no name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text is empty.
    #[error("an object name must not be empty")]
    Empty,
    /// The text has more than [`MAX_NAME_BYTES`] bytes.
    #[error("an object name has at most {MAX_NAME_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// The length found.
        bytes: usize,
    },
    /// The text has more than [`MAX_SEGMENTS`] segments.
    #[error("an object name has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// Two slashes in a row, or one at an end.
    #[error("an object name has no empty segments")]
    EmptySegment,
    /// A segment has more than [`MAX_SEGMENT_BYTES`] bytes.
    #[error("a segment of an object name has at most {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLong,
    /// A character other than `a` to `z`, `0` to `9`, `-` and `/`.
    #[error("an object name has only a to z, 0 to 9, - and /, not '{}'", found.escape_default())]
    Character {
        /// The first such character.
        found: char,
    },
    /// A prefix that does not end where a folder ends.
    #[error("a prefix is empty or ends in /")]
    OpenPrefix,
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    // Before anything is looked at: a hostile listing may hold names of any length.
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: text.len() });
    }
    for (index, segment) in text.split('/').enumerate() {
        if index >= MAX_SEGMENTS {
            return Err(NameError::TooManySegments);
        }
        if segment.is_empty() {
            return Err(NameError::EmptySegment);
        }
        if let Some(found) = segment.chars().find(|&c| !is_allowed(c)) {
            return Err(NameError::Character { found });
        }
        if segment.len() > MAX_SEGMENT_BYTES {
            return Err(NameError::SegmentTooLong);
        }
    }
    Ok(())
}

fn is_allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> NameError {
        ObjectName::new(text).expect_err(text)
    }

    #[test]
    fn names_of_a_repository_are_accepted() {
        for text in [
            "ownkey",
            "keys/slot/00ff",
            "roster/12-abcdef",
            "data/ab/ab12",
            "a/b/c/d/e/f",
        ] {
            assert_eq!(ObjectName::new(text).expect(text).as_str(), text);
            assert_eq!(text.parse::<ObjectName>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn only_small_letters_digits_and_dashes_make_a_segment() {
        for byte in 0..=127_u8 {
            let text = format!("a{}b", char::from(byte));
            let allowed =
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-/".contains(&byte);
            assert_eq!(ObjectName::new(&text).is_ok(), allowed, "{text:?}");
        }
        assert_eq!(error_of("ä"), NameError::Character { found: 'ä' });
    }

    #[test]
    fn names_that_would_escape_are_refused() {
        for text in [
            "..",
            "../a",
            "a/..",
            "a/../b",
            ".",
            "./a",
            "/a",
            "a/",
            "a//b",
            "~",
            "a\\b",
            "a\0b",
            ".staging/x",
            "C:",
            "a%2e",
            "A",
            "\u{1b}[2j",
        ] {
            assert!(ObjectName::new(text).is_err(), "{text:?}");
        }
        assert_eq!(error_of("/a"), NameError::EmptySegment);
        assert_eq!(error_of("a/"), NameError::EmptySegment);
        assert_eq!(error_of(""), NameError::Empty);
    }

    #[test]
    fn bounds_hold_exactly() {
        let segment = "x".repeat(MAX_SEGMENT_BYTES);
        assert!(ObjectName::new(&segment).is_ok());
        assert_eq!(error_of(&format!("{segment}x")), NameError::SegmentTooLong);
        let long = format!("{segment}/{segment}/{}", "y".repeat(6));
        assert_eq!(long.len(), MAX_NAME_BYTES);
        assert!(ObjectName::new(&long).is_ok());
        assert_eq!(
            error_of(&format!("{long}y")),
            NameError::TooLong { bytes: 201 }
        );
        assert_eq!(error_of("a/b/c/d/e/f/g"), NameError::TooManySegments);
    }

    #[test]
    fn an_error_never_carries_a_control_character() {
        let message = error_of("a\u{1b}]0;x").to_string();
        assert!(!message.chars().any(char::is_control), "{message}");
    }

    #[test]
    fn a_prefix_ends_at_a_folders_border() {
        let name = ObjectName::new("data/ab/cd").expect("a name");
        assert_eq!(name.folder().as_str(), "data/ab/");
        assert_eq!(name.last_segment(), "cd");
        assert!(Prefix::new("data/").expect("a prefix").contains(&name));
        assert!(Prefix::all().contains(&name));
        assert!(!Prefix::new("dat/").expect("a prefix").contains(&name));
        let exactly = Prefix::exactly(&name);
        assert!(exactly.contains(&name));
        assert!(!exactly.contains(&ObjectName::new("data/ab/cd-e").expect("a name")));
        assert_eq!(Prefix::new("data"), Err(NameError::OpenPrefix));
        assert_eq!(Prefix::new("/"), Err(NameError::Empty));
        assert_eq!(Prefix::new("a//"), Err(NameError::EmptySegment));
    }

    #[test]
    fn a_prefix_reaches_into_the_folders_around_and_beneath_it() {
        let folder = Prefix::new("data/ab/").expect("a prefix");
        for (inside, reaches) in [
            ("data", true),
            ("data/ab", true),
            ("data/ab/cd", true),
            ("data/abc", false),
            ("dat", false),
            ("keys", false),
        ] {
            assert_eq!(folder.may_reach_into(inside), reaches, "{inside}");
        }
        let one = Prefix::exactly(&ObjectName::new("data/ab").expect("a name"));
        assert!(one.may_reach_into("data"));
        assert!(!one.may_reach_into("data/ab"));
        assert!(!one.may_reach_into("data/ab/cd"));
        assert!(Prefix::all().may_reach_into("data"));
    }

    #[test]
    fn names_are_ordered_by_their_bytes() {
        let mut names: Vec<_> = ["a/b", "a-c", "a", "a0", "b"]
            .map(|text| ObjectName::new(text).expect(text))
            .into();
        names.sort();
        let spelled: Vec<_> = names.iter().map(ObjectName::as_str).collect();
        assert_eq!(spelled, ["a", "a-c", "a/b", "a0", "b"]);
    }
}
