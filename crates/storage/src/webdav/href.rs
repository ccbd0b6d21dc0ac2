//! Where a resource says that it is, against where we asked.
//!
//! Promise: only what stands directly in the folder that was asked about is ever believed to be in it.

use url::Url;

/// What an address stands for, seen from a folder or a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Href {
    /// What was asked about.
    Itself,
    /// Something directly in it.
    Child(String),
    /// Something whose name is no text.
    Unreadable,
    /// Another place: the service answers what was not asked.
    Stray,
}

/// Reads an address that came in the answer about `asked`.
pub(super) fn read(asked: &Url, href: &str) -> Href {
    // Resolves `..`, also where it is spelled `%2e%2e`.
    let Ok(target) = asked.join(href) else {
        return Href::Stray;
    };
    // A service behind a proxy may believe in another scheme or port, not in another host.
    if target.host() != asked.host() {
        return Href::Stray;
    }
    let (asked, target) = (decoded(asked.path()), decoded(target.path()));
    let (asked, target) = (without_slash(&asked), without_slash(&target));
    let Some(rest) = target.strip_prefix(asked) else {
        return Href::Stray;
    };
    match rest.split_first() {
        None => Href::Itself,
        Some((b'/', name)) if !name.is_empty() && !name.contains(&b'/') => {
            String::from_utf8(name.to_vec()).map_or(Href::Unreadable, Href::Child)
        }
        _ => Href::Stray,
    }
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// The bytes that percent signs stand for; services differ in what they escape.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| hex(after)).flatten();
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    bytes
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(asked: &str, href: &str) -> Href {
        read(&Url::parse(asked).expect("an address"), href)
    }

    #[test]
    fn services_spell_one_place_in_many_ways() {
        let asked = "https://h/dav/My%20Files/data/";
        for href in [
            "/dav/My%20Files/data/ab",
            "/dav/My%20Files/data/ab/",
            "/dav/My%20%46iles/data/%61b",
            "/dav/My Files/data/ab",
            "https://h/dav/My%20Files/data/ab",
            "http://h:8080/dav/My%20Files/data/ab",
            "ab",
        ] {
            assert_eq!(from(asked, href), Href::Child("ab".to_owned()), "{href}");
        }
        for href in ["/dav/My%20Files/data/", "/dav/My%20Files/data", ""] {
            assert_eq!(from(asked, href), Href::Itself, "{href}");
        }
        assert_eq!(from("https://h/dav/x", "/dav/x"), Href::Itself);
        assert_eq!(from("https://h/", "/a"), Href::Child("a".to_owned()));
    }

    #[test]
    fn other_places_are_never_taken_for_the_folder() {
        let asked = "https://h/dav/data/";
        for href in [
            "https://evil.example/dav/data/ab",
            "//evil.example/dav/data/ab",
            "/dav/data/../keys/ab",
            "/dav/data/%2e%2e/keys",
            "/dav/data/a/b",
            "/dav/data/a%2fb",
            "/dav/data-x/ab",
            "/dav/other/ab",
            "/",
            "/dav/",
            "file:///dav/data/ab",
            "mailto:x",
            "http://[",
        ] {
            assert_eq!(from(asked, href), Href::Stray, "{href}");
        }
        assert_eq!(from(asked, "/dav/data/%ff"), Href::Unreadable);
        // Not an escape, so it stands for itself.
        assert_eq!(from(asked, "/dav/data/%zz"), Href::Child("%zz".to_owned()));
    }
}
