//! The one public object (docs/format.md §3).

use ownkey_crypto::RepoId;

const LINE: &str = "ownkey 1\nrepository ";
const TEXT: &str = "\nThis is an encrypted backup repository made by ownkey.\n\
                    Its contents open only with its owner's keys; this file holds none.\n";

/// Why the header object is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Another version of the format.
    #[error("this repository has a format this version does not know; use a newer ownkey")]
    Unsupported,
    /// Not a header.
    #[error("the header object is damaged")]
    Damaged,
}

/// The bytes of the header of `repo`.
pub fn to_bytes(repo: &RepoId) -> Vec<u8> {
    format!("{LINE}{repo}{TEXT}").into_bytes()
}

/// The id that a header claims; believed only when roster entry 0 hashes to it.
pub fn parse(bytes: &[u8]) -> Result<RepoId, HeaderError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::Damaged)?;
    if !text.starts_with("ownkey 1\n") {
        let other = text
            .strip_prefix("ownkey ")
            .and_then(|rest| rest.split('\n').next());
        let is_version =
            other.is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
        return Err(if is_version {
            HeaderError::Unsupported
        } else {
            HeaderError::Damaged
        });
    }
    let id = text
        .strip_prefix(LINE)
        .and_then(|rest| rest.strip_suffix(TEXT))
        .ok_or(HeaderError::Damaged)?;
    RepoId::parse(id).map_err(|_| HeaderError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_text_is_a_header() {
        let repo = RepoId::from_bytes([7; 32]);
        let bytes = to_bytes(&repo);
        assert_eq!(parse(&bytes), Ok(repo));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(
                parse(&damaged).is_err() || parse(&damaged) != Ok(repo),
                "byte {at}"
            );
            assert!(parse(&bytes[..at]).is_err());
        }
        assert_eq!(
            parse(b"ownkey 2\nrepository"),
            Err(HeaderError::Unsupported)
        );
    }
}
