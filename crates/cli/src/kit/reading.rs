//! Reading a kit: the text, a paste of it, the page to print, or what is in its square.

use ownkey_engine::fingerprint::Fingerprint;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::phrase;
use crate::storage_key::StorageKey;

/// What stands on a kit, as far as it was given.
#[derive(Default)]
pub(crate) struct TypedKit {
    pub(crate) repository: Option<String>,
    pub(crate) recovery_key: Option<Zeroizing<String>>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) storage_key: Option<StorageKey>,
}

/// Reads the lines that it knows; the others are for people.
pub(crate) fn read(text: &str) -> Result<TypedKit, Failure> {
    let plain = match is_page(text) {
        true => Some(lines_of_page(text)),
        false => None,
    };
    let mut kit = TypedKit::default();
    let mut storage_key = [None, None];
    for line in plain.as_ref().map_or(text, |plain| plain).lines() {
        let line = line.trim();
        let after = |names: [&str; 2]| {
            let rest = names.iter().find_map(|name| line.strip_prefix(name));
            rest.map(str::trim).filter(|rest| !rest.is_empty())
        };
        let [storage_id, storage_secret] = &mut storage_key;
        if let Some(place) = after(["repository:", "repo "]) {
            kit.repository = Some(place.to_owned());
        } else if let Some(key) = after(["recovery key:", "key "]) {
            kit.recovery_key = Some(Zeroizing::new(key.to_owned()));
        } else if let Some(words) = after(["fingerprint:", "words "]) {
            kit.fingerprint = Some(fingerprint(words)?);
        } else if let Some(id) = after(["storage key id:", "storage-key-id "]) {
            *storage_id = Some(id);
        } else if let Some(secret) = after(["storage secret:", "storage-secret "]) {
            *storage_secret = Some(secret);
        }
    }
    if let [Some(id), Some(secret)] = storage_key {
        kit.storage_key = StorageKey::new(id, secret);
    }
    Ok(kit)
}

/// Whether this is the page to print, and not the text.
fn is_page(text: &str) -> bool {
    let begins = |start: &[u8]| start.eq_ignore_ascii_case(b"<!doctype html");
    text.trim_start().as_bytes().get(..14).is_some_and(begins)
}

/// The lines of a page that hold a name and its value, as the text has them. Nothing else on it is understood.
fn lines_of_page(page: &str) -> Zeroizing<String> {
    // Reserved once, so that growing leaves no copy of a secret behind.
    let mut lines = Zeroizing::new(String::with_capacity(2 * page.len()));
    for line in page.lines() {
        let texts = line.split('<').filter_map(|part| part.split_once('>'));
        let mut texts = texts
            .map(|(_, text)| text.trim())
            .filter(|text| !text.is_empty());
        if let (Some(name), Some(value), None) = (texts.next(), texts.next(), texts.next()) {
            lines.push_str(&name.to_lowercase());
            lines.push(':');
            unescape(value, &mut lines);
            lines.push('\n');
        }
    }
    lines
}

/// What the page wrote, with its five escapes taken back; none of them is longer than what it stands for.
fn unescape(text: &str, out: &mut String) {
    const ESCAPES: [(&str, char); 5] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
        ("&#39;", '\''),
    ];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let escape = ESCAPES.iter().find(|(escape, _)| rest.starts_with(escape));
        let (length, meant) = escape.map_or((first.len_utf8(), first), |(escape, meant)| {
            (escape.len(), *meant)
        });
        out.push(meant);
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Eight words.
pub(crate) fn fingerprint(typed: &str) -> Result<Fingerprint, Failure> {
    let numbers = phrase::numbers(typed).map_err(|word| {
        Failure::usage(format!("{word:?} is no word of a fingerprint"))
            .hint("compare it with the kit; the first four letters of each word are enough")
    })?;
    let count = numbers.len();
    Fingerprint::try_from(numbers)
        .map_err(|_| Failure::usage(format!("a fingerprint has 8 words, and these are {count}")))
}

#[cfg(test)]
mod tests {
    use super::super::{page, qr, sample, text};
    use super::*;

    #[test]
    fn the_text_the_page_and_the_square_of_a_kit_are_read_back() {
        let mut kit = sample();
        kit.storage_key = StorageKey::new("AKIA<&>", "se'sa\"me/+==");
        for given in [text(&kit), page(&kit), qr::contents(&kit)] {
            let Ok(read) = read(&given) else {
                panic!("a kit")
            };
            assert_eq!(read.repository.as_deref(), Some(kit.repository.as_str()));
            assert_eq!(
                read.recovery_key.map(|key| key.to_string()).as_deref(),
                Some(kit.recovery_key.as_str())
            );
            assert_eq!(
                read.fingerprint.map(|words| phrase::of(&words)),
                Some(kit.fingerprint.clone())
            );
            let key = read.storage_key.expect("a key of the storage");
            assert_eq!(
                (key.id.as_str(), key.secret.as_str()),
                ("AKIA<&>", "se'sa\"me/+==")
            );
        }
    }

    #[test]
    fn a_page_that_somebody_else_wrote_is_no_kit_and_no_trouble() {
        for page in [
            "<!doctype html>",
            "<!DOCTYPE HTML><td>Repository</td><td></td>",
            "<!doctype html>\n<td>Recovery key</td><td>&am&lt</td>\n<<<>>><",
            "<!doctype html>\n<td>Storage secret</td><td>x</td>",
        ] {
            let Ok(read) = read(page) else {
                panic!("lines")
            };
            assert!(read.repository.is_none() && read.storage_key.is_none());
        }
    }

    #[test]
    fn a_wrong_or_missing_word_is_named() {
        let wrong =
            fingerprint("robust erupt end cluster fantasy plate armor xyzzy").expect_err("no word");
        assert!(wrong.message.contains("xyzzy"), "{}", wrong.message);
        let short = fingerprint("robust erupt").expect_err("too few");
        assert!(short.message.contains("these are 2"), "{}", short.message);
    }
}
