//! The one table from what went wrong to exit code and JSON code. Nothing else names a number.
//!
//! The codes up to 12 are restic's, which scripts in this field already know; those above are
//! listed in `ownkey help exit-codes`. A code that a script does not know is a failure.

use std::process::ExitCode;

/// How a run of the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Everything was done.
    Ok,
    /// Something else went wrong.
    Failure,
    /// The command line or the settings do not make sense.
    Usage,
    /// Finished, but some files could not be read or restored.
    Partial,
    /// There is no repository at the given place.
    NoRepository,
    /// The password, recovery key or device key does not open the repository.
    WrongCredential,
    /// Stored bytes are missing or broken.
    Damage,
    /// The storage shows less, or something else, than it showed before.
    StorageLied,
    /// The storage does not answer.
    Unreachable,
    /// The storage takes no more bytes.
    Full,
    /// The user stopped the run.
    Interrupted,
}

/// One row: the class, its exit code, its word in JSON, and its line in `ownkey help exit-codes`.
pub(crate) struct Row {
    pub(crate) class: Class,
    pub(crate) code: u8,
    pub(crate) word: &'static str,
    pub(crate) meaning: &'static str,
}

const fn row(class: Class, code: u8, word: &'static str, meaning: &'static str) -> Row {
    Row {
        class,
        code,
        word,
        meaning,
    }
}

/// Every way to end, in the order of the codes.
pub(crate) const TABLE: [Row; 11] = [
    row(Class::Ok, 0, "ok", "everything was done"),
    row(
        Class::Failure,
        1,
        "failure",
        "it failed; the message says why",
    ),
    row(
        Class::Usage,
        2,
        "usage",
        "the command line or the settings do not make sense",
    ),
    row(
        Class::Partial,
        3,
        "partial",
        "finished, but some files could not be read or restored",
    ),
    row(
        Class::NoRepository,
        10,
        "no_repository",
        "there is no repository at the given place",
    ),
    row(
        Class::WrongCredential,
        12,
        "wrong_credential",
        "the password or key does not open it",
    ),
    row(
        Class::Damage,
        13,
        "damage",
        "stored data is missing or broken",
    ),
    row(
        Class::StorageLied,
        14,
        "storage_lied",
        "the storage shows an older or different state",
    ),
    row(
        Class::Unreachable,
        15,
        "unreachable",
        "the storage does not answer",
    ),
    row(Class::Full, 16, "full", "the storage is full"),
    row(
        Class::Interrupted,
        130,
        "interrupted",
        "stopped by the user",
    ),
];

impl Class {
    fn row(self) -> &'static Row {
        // The test below proves that every class has its row; `Failure` stands in otherwise.
        TABLE
            .iter()
            .find(|row| row.class == self)
            .unwrap_or(&TABLE[1])
    }

    /// The number a shell sees.
    pub(crate) fn code(self) -> u8 {
        self.row().code
    }

    /// The word a JSON reader sees.
    pub(crate) fn word(self) -> &'static str {
        self.row().word
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        Self::from(class.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_row_and_its_documented_code() {
        let all = [
            (Class::Ok, 0),
            (Class::Failure, 1),
            (Class::Usage, 2),
            (Class::Partial, 3),
            (Class::NoRepository, 10),
            (Class::WrongCredential, 12),
            (Class::Damage, 13),
            (Class::StorageLied, 14),
            (Class::Unreachable, 15),
            (Class::Full, 16),
            (Class::Interrupted, 130),
        ];
        for (class, code) in all {
            assert_eq!(class.code(), code, "{class:?}");
            assert_eq!(
                TABLE.iter().filter(|row| row.class == class).count(),
                1,
                "{class:?}"
            );
        }
        assert_eq!(TABLE.len(), all.len());
    }
}
