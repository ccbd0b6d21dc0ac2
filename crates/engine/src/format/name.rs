//! A validated path component.
//!
//! A [`Name`] can only be made from bytes that are safe to create inside a folder, so no
//! code after the decoder has to ask again (docs/format.md §11).

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// One component of a path: 1–255 bytes, no `/`, no NUL, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// Bytes that cannot be a name; carries them for the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} cannot be the name of a file", String::from_utf8_lossy(.0))]
pub struct InvalidName(pub Vec<u8>);

impl Name {
    /// The longest name Linux file systems take, in bytes.
    pub const MAX: usize = 255;

    /// Checks `bytes`.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidName> {
        let refused = bytes.is_empty()
            || bytes.len() > Self::MAX
            || bytes == b"."
            || bytes == b".."
            || bytes.contains(&b'/')
            || bytes.contains(&0);
        if refused {
            // Enough for a message; a hostile name may be long.
            return Err(InvalidName(bytes.iter().copied().take(64).collect()));
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as the operating system takes it.
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_a_folder_is_no_name() {
        let long = [b'a'; 256];
        for bad in [&b""[..], b".", b"..", b"/", b"a/b", b"/etc", b"a\0b", &long] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            &b"a"[..],
            b"...",
            b"..a",
            b"\xff\xfe",
            b" ",
            b"a\nb",
            &long[..255],
        ] {
            assert_eq!(Name::new(good).unwrap().as_bytes(), good);
        }
    }
}
