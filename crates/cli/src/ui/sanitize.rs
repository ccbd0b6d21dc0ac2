//! Makes hostile text harmless: what a terminal could obey, or what could deceive a reader, is
//! shown as an escape. Different names never look the same.

use std::fmt::Write as _;
use std::path::Path;

/// A name or path of any bytes, in one harmless line.
pub(crate) fn bytes(name: &[u8]) -> String {
    if let Some(name) = plain(name) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            // The backslash too, so that an escape cannot be imitated by a name.
            push(&mut out, c, c == '\\' || is_hostile(c));
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A path, in one harmless line.
pub(crate) fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_encoded_bytes())
}

/// Text that was made here but may carry names inside: only what is hostile is escaped.
pub(crate) fn text(text: &str) -> String {
    if let Some(text) = plain(text.as_bytes()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut out, c, is_hostile(c));
    }
    out
}

/// What is printable ASCII without a backslash, as most names are, stands for itself.
fn plain(bytes: &[u8]) -> Option<&str> {
    // All of them looked at, so that many are at once.
    let is_plain = |plain, byte: &u8| plain & matches!(byte, b' '..=b'~') & (*byte != b'\\');
    let plain = bytes.iter().fold(true, is_plain);
    std::str::from_utf8(bytes).ok().filter(|_| plain)
}

fn push(out: &mut String, c: char, escape: bool) {
    match c {
        c if !escape => out.push(c),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\\' => out.push_str("\\\\"),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Control characters, line separators, and the invisible marks that reorder text
/// ("Trojan source", CVE-2021-42574).
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_escapes() {
        assert_eq!(bytes(b"a\x1b[31mred\n\x07"), "a\\u{1b}[31mred\\n\\u{7}");
        assert_eq!(text("a\u{9b}31m\t"), "a\\u{9b}31m\\t");
    }

    #[test]
    fn text_that_reorders_itself_becomes_visible() {
        assert_eq!(bytes("gpj\u{202e}exe".as_bytes()), "gpj\\u{202e}exe");
    }

    #[test]
    fn invalid_bytes_and_their_imitation_look_different() {
        assert_eq!(bytes(b"a\xff"), "a\\xff");
        assert_eq!(bytes(b"a\\xff"), "a\\\\xff");
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(
            bytes("Fotos/Müller – Sommer 2024.jpg".as_bytes()),
            "Fotos/Müller – Sommer 2024.jpg"
        );
    }
}
