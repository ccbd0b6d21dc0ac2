//! Whether a password is too easy to guess for a repository that its storage can copy.

use crate::failure::Failure;

/// Fewer guesses than this are refused. Each guess costs an attacker 256 MiB and a good part of a
/// second of a core, so 10^12 of them are about ten thousand core years.
const FLOOR_LOG10: f64 = 12.0;

/// What to do about a weak password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weak {
    /// Refuse it.
    Refused,
    /// The user insists.
    Allowed,
}

/// Who could try to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guesser {
    /// The storage, which has the slots.
    Storage,
    /// Who has this machine's disk.
    Thief,
}

/// Refuses a password that can be guessed. Never repeats the password or parts of it.
pub(crate) fn judge(password: &str, weak: Weak, guesser: Guesser) -> Result<(), Failure> {
    if weak == Weak::Allowed {
        return Ok(());
    }
    let estimate = zxcvbn::zxcvbn(password, &["ownkey", "backup"]);
    if estimate.guesses_log10() >= FLOOR_LOG10 {
        return Ok(());
    }
    let (noun, who) = match guesser {
        Guesser::Storage => ("password", "copies the storage"),
        Guesser::Thief => ("passphrase", "has this disk"),
    };
    let mut failure = Failure::usage(format!(
        "this {noun} can be guessed in about 10^{:.0} attempts, and who {who} can make them",
        estimate.guesses_log10()
    ))
    .hint("take six unrelated words; on a terminal ownkey offers such a phrase");
    if guesser == Guesser::Storage {
        failure = failure.hint("--allow-weak-password takes it all the same");
    }
    if let Some(warning) = estimate.feedback().and_then(|feedback| feedback.warning()) {
        let sentence = warning.to_string().trim_end_matches('.').to_lowercase();
        failure.causes.push(sentence);
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_takes_is_refused_and_not_repeated() {
        for password in [
            "",
            "Tr0ub4dor&3",
            "hunter2hunter2",
            "ownkeybackup1",
            "qwertyuiop",
        ] {
            let failure = judge(password, Weak::Refused, Guesser::Storage).expect_err("weak");
            assert!(password.is_empty() || !format!("{failure:?}").contains(password));
            assert!(judge(password, Weak::Allowed, Guesser::Storage).is_ok());
        }
    }

    #[test]
    fn generated_phrases_are_strong_enough() {
        for seed in 0..16u8 {
            let phrase = crate::phrase::generate(|out| {
                for (place, byte) in (0u8..).zip(out) {
                    *byte = place.wrapping_mul(37).wrapping_add(seed.wrapping_mul(101));
                }
                Ok::<_, ()>(())
            });
            judge(&phrase.expect("randomness"), Weak::Refused, Guesser::Thief).expect("strong");
        }
    }
}
