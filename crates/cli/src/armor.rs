//! Bytes that people send each other, as one line of text.
//!
//! `ownkey-share:` and then base64 (RFC 4648 §5, without padding). What mail programs do to it, line breaks and quotes,
//! is taken out again; what it is is said in front, so that nobody sends the wrong one.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::failure::Failure;
use crate::secrets::text_of;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Armored {
    /// A contact's public keys.
    Contact,
    /// A share that a contact keeps.
    Share,
    /// The keys of a recovery.
    Code,
    /// A contact's answer to it.
    Answer,
}

impl Armored {
    const ALL: [Self; 4] = [Self::Contact, Self::Share, Self::Code, Self::Answer];

    fn prefix(self) -> &'static str {
        match self {
            Self::Contact => "ownkey-contact:",
            Self::Share => "ownkey-share:",
            Self::Code => "ownkey-code:",
            Self::Answer => "ownkey-answer:",
        }
    }

    /// For messages.
    fn noun(self) -> &'static str {
        match self {
            Self::Contact => "a contact's public code",
            Self::Share => "a share",
            Self::Code => "the code of a recovery",
            Self::Answer => "a contact's answer",
        }
    }

    /// The line.
    pub(crate) fn write(self, bytes: &[u8]) -> String {
        format!("{}{}", self.prefix(), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads it from a text that it stands in.
    pub(crate) fn read(self, text: &str) -> Result<Vec<u8>, Failure> {
        let Some((_, after)) = text.split_once(self.prefix()) else {
            let other = Self::ALL
                .into_iter()
                .find(|kind| text.contains(kind.prefix()));
            let found = match other {
                Some(kind) => format!("this is {}, not {}", kind.noun(), self.noun()),
                None => format!("this is not {}", self.noun()),
            };
            return Err(Failure::usage(found)
                .hint(format!("it is one line that begins with {}", self.prefix())));
        };
        // Mail breaks lines and quotes them; after a blank line comes somebody's signature.
        let plain = after.replace("\r\n", "\n");
        let block = plain.split("\n\n").next().unwrap_or_default();
        let code: String = block
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '>')
            .collect();
        URL_SAFE_NO_PAD.decode(code).map_err(|error| {
            Failure::usage(format!("{} is damaged", self.noun()))
                .caused_by(&error)
                .hint("copy the whole line, from its beginning to its end")
        })
    }

    /// Reads what was given on the command line: the text itself, or the file it is in.
    pub(crate) fn given(self, argument: &str) -> Result<Vec<u8>, Failure> {
        if argument.contains(self.prefix()) {
            return self.read(argument);
        }
        self.read(&text_of(self.noun(), Path::new(argument))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_mail() {
        let bytes: Vec<u8> = (0..=255).collect();
        let line = Armored::Share.write(&bytes);
        let (first, second) = line.split_at(100);
        for text in [
            line.clone(),
            format!("Dear Bob,\n\n{line}\n\nYours, Ada"),
            format!("> Dear Bob\r\n> {first}\r\n> {second}\r\n"),
        ] {
            assert_eq!(
                Armored::Share.read(&text).ok(),
                Some(bytes.clone()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_something_else_is_named() {
        let line = Armored::Code.write(b"x");
        let failure = Armored::Share.read(&line).expect_err("another kind");
        assert!(
            failure.message.contains("the code of a recovery"),
            "{}",
            failure.message
        );
        assert!(Armored::Share.read("hello").is_err());
        assert!(Armored::Share.read("ownkey-share:!!").is_err());
    }
}
