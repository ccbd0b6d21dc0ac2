//! Reading a kit: the text, a paste of it, or what is in its square.

use ownkey_engine::fingerprint::Fingerprint;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::phrase;

/// What stands on a kit, as far as it was given.
#[derive(Default)]
pub(crate) struct TypedKit {
    pub(crate) repository: Option<String>,
    pub(crate) recovery_key: Option<Zeroizing<String>>,
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Reads the lines that it knows; the others are for people.
pub(crate) fn read(text: &str) -> Result<TypedKit, Failure> {
    let mut kit = TypedKit::default();
    for line in text.lines() {
        let line = line.trim();
        let after = |names: [&str; 2]| {
            let rest = names.iter().find_map(|name| line.strip_prefix(name));
            rest.map(str::trim).filter(|rest| !rest.is_empty())
        };
        if let Some(place) = after(["repository:", "repo "]) {
            kit.repository = Some(place.to_owned());
        } else if let Some(key) = after(["recovery key:", "key "]) {
            kit.recovery_key = Some(Zeroizing::new(key.to_owned()));
        } else if let Some(words) = after(["fingerprint:", "words "]) {
            kit.fingerprint = Some(fingerprint(words)?);
        }
    }
    Ok(kit)
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
    use super::super::{qr, sample, text};
    use super::*;

    #[test]
    fn the_text_and_the_square_of_a_kit_are_read_back() {
        let kit = sample();
        for given in [text(&kit), qr::contents(&kit)] {
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
