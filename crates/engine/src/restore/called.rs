//! Names that a target may not tell apart.
//!
//! Where a file system knows a file by its name in any case, as exFAT, NTFS and many shares do, the second of two names that differ
//! only in case would silently take the place of the first.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::format::name::Name;

/// What the entries of a directory were called so far.
#[derive(Default)]
pub(super) struct Called {
    /// Hashes of names without their case: with a key of this run, because a stranger may have chosen the names.
    seen: HashSet<u64>,
    key: RandomState,
    /// Whether the target ignores case; asked when two names are alike for the first time.
    ignores_case: Option<bool>,
}

impl Called {
    /// Whether the target would take `name` for one that came before.
    pub(super) fn meets(
        &mut self,
        name: &Name,
        ignores_case: impl FnOnce() -> Option<bool>,
    ) -> bool {
        let hash = match std::str::from_utf8(name.as_bytes()) {
            Ok(text) => {
                let without_case = text.chars().flat_map(without_case);
                self.key.hash_one(without_case.collect::<String>())
            }
            Err(_) => self.key.hash_one(name.as_bytes()),
        };
        if self.seen.insert(hash) {
            return false;
        }
        if self.ignores_case.is_none() {
            self.ignores_case = ignores_case();
        }
        self.ignores_case == Some(true)
    }
}

/// File systems fold letter by letter, by way of capitals: ς is Σ is σ, and ß stays what it is.
fn without_case(letter: char) -> impl Iterator<Item = char> {
    let mut capital = letter.to_uppercase();
    let capital = match (capital.next(), capital.next()) {
        (Some(one), None) => one,
        _ => letter,
    };
    capital.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).expect("a name")
    }

    #[test]
    fn only_where_case_is_ignored_names_that_differ_in_nothing_else_meet() {
        let mut called = Called::default();
        let nobody_asks = || panic!("it is known, or nothing is alike");
        for text in ["notes", "Notes.txt", "straße", "STRASSE"] {
            assert!(!called.meets(&name(text), nobody_asks), "{text}");
        }
        assert!(called.meets(&name("NOTES"), || Some(true)));
        assert!(called.meets(&name("STRAßE"), nobody_asks));
        assert!(!called.meets(&name("ΟΔΟΣ.txt"), nobody_asks));
        assert!(called.meets(&name("οδος.txt"), nobody_asks));

        let mut called = Called::default();
        assert!(!called.meets(&name("notes"), nobody_asks));
        assert!(!called.meets(&name("NOTES"), || Some(false)));
        assert!(!called.meets(&name("Notes"), nobody_asks));
    }
}
