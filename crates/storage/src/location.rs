//! Where a storage is, for messages and as the key of local records.
//!
//! Promise: one line, without control characters and without credentials, and different places
//! never look the same.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The printable place of a storage.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    text: Arc<str>,
    place: Place,
}

/// What a storage lives in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Folder(Arc<Path>),
    Memory,
    Service,
}

impl Location {
    /// A folder of a file system; the path should be absolute.
    #[must_use]
    pub fn folder(path: &Path) -> Self {
        let mut text = String::new();
        for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
            push_escaped(&mut text, chunk.valid());
            for byte in chunk.invalid() {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        Self {
            text: text.into(),
            place: Place::Folder(path.into()),
        }
    }

    /// A storage in memory, told apart from others by a word.
    #[must_use]
    pub fn memory(word: &str) -> Self {
        let mut text = String::from("memory:");
        push_escaped(&mut text, word);
        Self {
            text: text.into(),
            place: Place::Memory,
        }
    }

    /// A place on a network: its canonical URL, without credentials.
    #[must_use]
    pub fn remote(url: &str) -> Self {
        let mut text = String::new();
        push_escaped(&mut text, url);
        Self {
            text: text.into(),
            place: Place::Service,
        }
    }

    /// The place in one line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The folder of this machine that it is, if it is one: a backup must leave it out.
    #[must_use]
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) => Some(path),
            Place::Memory | Place::Service => None,
        }
    }

    /// Whether a service on a network stands in between.
    pub(crate) fn is_remote(&self) -> bool {
        self.place == Place::Service
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// The backslash is escaped too, so that the result can be told apart from what it stands for.
fn push_escaped(text: &mut String, part: &str) {
    for c in part.chars() {
        if c.is_control() || c == '\\' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn folder(bytes: &[u8]) -> String {
        Location::folder(Path::new(OsStr::from_bytes(bytes))).to_string()
    }

    #[test]
    fn hostile_paths_become_one_harmless_line() {
        assert_eq!(folder(b"/srv/back up"), "/srv/back up");
        assert_eq!(folder(b"/a\n\x1b[31m"), "/a\\n\\u{1b}[31m");
        assert_eq!(folder("/ä".as_bytes()), "/ä");
    }

    #[test]
    fn a_place_on_a_network_is_one_harmless_line_and_no_folder() {
        let place = Location::remote("s3://host/bucket/\u{1b}[31m");
        assert_eq!(place.to_string(), "s3://host/bucket/\\u{1b}[31m");
        assert_eq!(place.as_folder(), None);
        assert!(place.is_remote() && !Location::memory("m").is_remote());
    }

    #[test]
    fn different_places_never_look_the_same() {
        let texts = [
            folder(b"/a\xff"),
            folder(b"/a\\xff"),
            folder(b"/a\xfe"),
            folder(b"/a\\n"),
            folder(b"/a\n"),
        ];
        let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len(), "{texts:?}");
    }
}
