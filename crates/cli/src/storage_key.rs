//! The key of an S3 service, as a kit can carry it: with it, the kit alone reaches what it opens.
//!
//! Promise: the secret half goes onto kits and into requests' signatures, and nowhere else.

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::folders::Lookup;
use crate::prompt::Prompt;

/// A pair of keys that does not expire.
pub(crate) struct StorageKey {
    /// The public half.
    pub(crate) id: String,
    /// The secret half.
    pub(crate) secret: Zeroizing<String>,
}

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
/// Comes with keys that expire.
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// Somebody who sets one of these means it.
const TELLING: [&str; 5] = [
    ID,
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// Longest half that is taken, in bytes; Amazon's are 20 and 40.
const LONGEST: usize = 256;

impl StorageKey {
    /// Both halves, if they can stand on a line of a kit.
    pub(crate) fn new(id: &str, secret: &str) -> Option<Self> {
        let is_half = |text: &str| {
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        (is_half(id) && is_half(secret)).then(|| Self {
            id: id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    /// What a kit should carry: the pair of the environment, or one that is typed.
    pub(crate) fn for_kit(
        environment: Lookup<'_>,
        prompt: Option<&Prompt<'_>>,
    ) -> Result<Self, Failure> {
        let told = |name: &str| {
            let value = environment(name).filter(|value| !value.is_empty());
            value
                .and_then(|value| value.into_string().ok())
                .map(Zeroizing::new)
        };
        if told(TOKEN).is_some() {
            return Err(Failure::usage(format!(
                "{TOKEN} is set: these keys expire, and a kit is for years"
            ))
            .hint(
                "make a pair that lasts, for this purpose alone, in the console of the service",
            ));
        }
        match (told(ID), told(SECRET), prompt) {
            (Some(id), Some(secret), _) => Self::new(&id, &secret).ok_or_else(unfit),
            (_, _, Some(prompt)) => Self::ask(prompt)?.ok_or_else(unfit),
            (_, _, None) => Err(
                Failure::usage("there is no key of the storage to put on the kit").hint(format!(
                    "give it with {ID} and {SECRET}, or run this on a terminal"
                )),
            ),
        }
    }

    /// Has it typed; none if the first answer is empty.
    pub(crate) fn ask(prompt: &Prompt<'_>) -> Result<Option<Self>, Failure> {
        let id = prompt.ask("storage key id (access key id; Enter if there is none): ")?;
        if id.trim().is_empty() {
            return Ok(None);
        }
        let secret = prompt.ask_secret("storage secret (secret access key): ")?;
        Self::new(id.trim(), secret.trim())
            .ok_or_else(unfit)
            .map(Some)
    }

    /// Whether the environment says whose requests these are.
    pub(crate) fn is_told(environment: Lookup<'_>) -> bool {
        TELLING
            .iter()
            .any(|name| environment(name).is_some_and(|value| !value.is_empty()))
    }
}

fn unfit() -> Failure {
    Failure::usage("that is no key of a storage: each half is one word of printable characters")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn for_kit(pairs: &[(&str, &str)]) -> Result<StorageKey, Failure> {
        let find = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(pair.1))
        };
        StorageKey::for_kit(&find, None)
    }

    #[test]
    fn a_kit_takes_a_lasting_pair_and_nothing_else() {
        let pair = [(ID, "AKIA"), (SECRET, "sesame/+")];
        let key = for_kit(&pair).expect("a pair");
        assert_eq!((key.id.as_str(), key.secret.as_str()), ("AKIA", "sesame/+"));
        for wrong in [
            &[(ID, "AKIA"), (SECRET, "sesame"), (TOKEN, "t")][..],
            &[(ID, "AKIA")],
            &[],
            &[(ID, "AK IA"), (SECRET, "sesame")],
            &[(ID, "AKIA"), (SECRET, "ses\name")],
        ] {
            let failure = for_kit(wrong).map(drop).expect_err("no pair");
            assert!(!format!("{failure:?}").contains("sesame"));
        }
    }
}
