//! A new machine's wish to be enrolled, sealed by a code that its owner carries over (docs/format.md §16).
//!
//! The code is short enough to be typed and stretched like a password, so the storage, which sees the request, cannot find
//! it by trying: it learns neither the machine's name nor its keys, and cannot make a request of its own under the same code.
//! The words of [`PublicIdentity::words`], compared on both screens, rule out everything that is left.

use crate::bytes::{Reader, Short};
use crate::envelope::{Finish, open_single, seal_single};
use crate::error::{OpenError, RecoveryKeyError, SealError, SlotError};
use crate::header::{OpenWays, SealWay};
use crate::hedge::Hedge;
use crate::human_code::{read_symbols, write_symbols};
use crate::identity::PublicIdentity;
use crate::ids::{Epoch, RepoId, RequestName, request_label};
use crate::kdf::derive;
use crate::label::{Class, Label};
use crate::password::{KdfCost, Password, stretch};
use crate::random::{Random, RandomFailed};
use crate::recovery_key::Parsed;
use crate::sealed::Sealed;
use crate::secret::Secret;
use zeroize::Zeroizing;

const DATA_SYMBOLS: usize = 8;
const SYMBOLS: usize = 10;
const GROUP: usize = 5;
const MAX_LABEL: usize = 255;

/// Forty random bits that one person carries from one screen to another.
pub struct EnrolmentCode(Secret<DATA_SYMBOLS>);

impl EnrolmentCode {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        let mut symbols = Secret::random(random)?;
        for symbol in symbols.as_mut() {
            *symbol &= 31;
        }
        Ok(Self(symbols))
    }

    /// 2 groups of 5 with a hyphen; the last two characters are a check.
    #[must_use]
    pub fn to_groups(&self) -> Zeroizing<String> {
        write_symbols::<SYMBOLS>(self.0.as_bytes(), GROUP)
    }

    /// From what was typed.
    ///
    /// # Errors
    /// [`RecoveryKeyError`].
    pub fn parse(typed: &str) -> Result<Parsed<Self>, RecoveryKeyError> {
        let (symbols, corrected) = read_symbols::<SYMBOLS>(typed)?;
        let mut data = Secret::<DATA_SYMBOLS>::zeroed();
        for (place, &symbol) in data.as_mut().iter_mut().zip(symbols.as_bytes()) {
            *place = symbol;
        }
        Ok(Parsed {
            key: Self(data),
            corrected,
        })
    }
}

/// What a code opens in one repository.
pub struct RequestKey {
    repo: RepoId,
    name: RequestName,
    key: Secret,
}

impl RequestKey {
    /// Stretches the code: Argon2id at the floor's cost, once for each code and repository.
    ///
    /// # Errors
    /// [`SlotError::OutOfMemory`].
    pub fn new(code: &EnrolmentCode, repo: &RepoId) -> Result<Self, SlotError> {
        let salt = *blake3::Hasher::new()
            .update(b"ownkey/1 request")
            .update(repo.as_bytes())
            .finalize()
            .as_bytes();
        let stretched = stretch(&Password::new(&code.to_groups()), &salt, KdfCost::FLOOR)?;
        let name = derive(stretched.as_bytes(), "request-name", repo.as_bytes());
        let [short @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *name.as_bytes();
        Ok(Self {
            repo: *repo,
            name: RequestName::from_bytes(short),
            key: derive(stretched.as_bytes(), "request", repo.as_bytes()),
        })
    }

    /// What the request is called in the storage.
    #[must_use]
    pub fn name(&self) -> RequestName {
        self.name
    }
}

/// Who wants to be enrolled. Whoever knows the code can have made it.
pub struct Request {
    /// The keys of the new machine.
    pub identity: PublicIdentity,
    /// When it asked, in seconds since 1970, by its own clock.
    pub time: i64,
    /// What it is called; at most 255 bytes.
    pub label: String,
}

impl Request {
    /// Seals it under a code.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, key: &RequestKey, hedge: &Hedge) -> Result<Sealed, SealError> {
        let length = u16::try_from(self.label.len())
            .ok()
            .filter(|_| self.label.len() <= MAX_LABEL)
            .ok_or(SealError::TooLong)?;
        let mut body = self.identity.to_bytes().to_vec();
        body.extend_from_slice(&self.time.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(self.label.as_bytes());
        let name = request_label(&key.name);
        seal_single(
            &label(key, &name),
            &SealWay::Symmetric(&key.key),
            &body,
            &Finish::Padded,
            hedge,
        )
    }

    /// Opens the object named [`RequestKey::name`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(object: &[u8], key: &RequestKey) -> Result<Self, OpenError> {
        let ways = OpenWays {
            symmetric: Some(&key.key),
            kem: None,
        };
        let name = request_label(&key.name);
        let body = open_single(&label(key, &name), &ways, object)?;
        Self::decode(&mut Reader::new(body.as_bytes())).map_err(|Short| OpenError::Malformed)?
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Result<Self, OpenError>, Short> {
        let identity = PublicIdentity::parse(reader.take(PublicIdentity::LEN)?);
        let time = i64::from_le_bytes(reader.array()?);
        let length = usize::from(reader.u16()?);
        let label = std::str::from_utf8(reader.take(length)?);
        let (Ok(identity), Ok(label), 0) = (identity, label, reader.remaining()) else {
            return Ok(Err(OpenError::Malformed));
        };
        Ok(Ok(Self {
            identity,
            time,
            label: label.to_owned(),
        }))
    }
}

fn label<'a>(key: &RequestKey, name: &'a str) -> Label<'a> {
    Label {
        class: Class::Request,
        repo: key.repo,
        // No epoch's keys have a part in it.
        epoch: Epoch::FIRST,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, IdentitySeed};
    use crate::random::testing::SeededRandom;
    use std::sync::Arc;

    const REPO: RepoId = RepoId::from_bytes([7; 32]);

    fn request() -> (Request, Hedge) {
        let seed = IdentitySeed::from_file_bytes(&[5; 32]);
        let request = Request {
            identity: Identity::from_seed(&seed).public().clone(),
            time: -1,
            label: "new \u{1f4bb}".to_owned(),
        };
        (request, Hedge::new(&seed, Arc::new(SeededRandom::new(3))))
    }

    fn key(seed: u8, repo: &RepoId) -> RequestKey {
        let code = EnrolmentCode::generate(&SeededRandom::new(seed)).unwrap();
        RequestKey::new(&code, repo).unwrap()
    }

    #[test]
    fn a_code_is_two_groups_of_five_and_one_wrong_character_is_put_right() {
        for seed in 0..20 {
            let code = EnrolmentCode::generate(&SeededRandom::new(seed)).unwrap();
            let text = code.to_groups();
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [5, 5]);
            for position in (0..11).filter(|position| *position != 5) {
                let mut typed = text.to_lowercase().into_bytes();
                typed[position] = if typed[position] == b'7' { b'8' } else { b'7' };
                let parsed = EnrolmentCode::parse(std::str::from_utf8(&typed).unwrap());
                let parsed = parsed.ok().unwrap();
                assert_eq!(parsed.key.0.as_bytes(), code.0.as_bytes());
                assert!(parsed.corrected.is_some());
            }
        }
        let short = EnrolmentCode::parse("ABCD-EFGH").err();
        assert_eq!(
            short,
            Some(RecoveryKeyError::Length {
                wanted: 10,
                found: 8
            })
        );
    }

    #[test]
    fn a_request_opens_with_its_code_in_its_repository_and_nowhere_else() {
        let (request, hedge) = request();
        let ours = key(1, &REPO);
        let object = request.seal(&ours, &hedge).unwrap().into_bytes();
        assert_eq!(object.len() % 4096, 0);
        let opened = Request::open(&object, &ours).unwrap();
        assert_eq!(
            (&opened.identity, opened.time, &opened.label),
            (&request.identity, -1, &request.label)
        );
        for other in [key(2, &REPO), key(1, &RepoId::from_bytes([8; 32]))] {
            assert_ne!(other.name(), ours.name());
            assert!(Request::open(&object, &other).is_err());
        }
    }

    #[test]
    fn every_changed_byte_of_a_request_is_detected() {
        let (request, hedge) = request();
        let ours = key(1, &REPO);
        let object = request.seal(&ours, &hedge).unwrap().into_bytes();
        for at in 0..object.len() {
            let mut bad = object.clone();
            bad[at] ^= 1;
            assert!(Request::open(&bad, &ours).is_err(), "byte {at}");
        }
        assert!(Request::open(&[], &ours).is_err());
    }

    #[test]
    fn a_label_that_is_too_long_is_refused() {
        let (mut request, hedge) = request();
        request.label = "x".repeat(256);
        let refused = request.seal(&key(1, &REPO), &hedge).err();
        assert_eq!(refused, Some(SealError::TooLong));
    }
}
