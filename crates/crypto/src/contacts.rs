//! The secret that recovery contacts hold together, and their shares of it (docs/format.md §7, §18).
//!
//! R is shared out among the contacts; the slot's key needs R *and* the blind that the slot keeps. Contacts alone, and the
//! storage alone, derive nothing. A share travels sealed: to the contact who keeps it, and from there to who recovers.

use crate::bytes::{Reader, Short};
use crate::envelope::{Finish, open_single, seal_single};
use crate::error::{OpenError, SealError, ShareError};
use crate::header::{OpenWays, SealWay};
use crate::hedge::Hedge;
use crate::identity::{Identity, PublicIdentity};
use crate::ids::{Epoch, RepoId};
use crate::kdf::derive;
use crate::kem::Purpose;
use crate::label::{Class, Label};
use crate::random::{Random, RandomFailed};
use crate::sealed::Sealed;
use crate::secret::Secret;
use crate::shamir::{join, split};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Most contacts that hold one secret.
const MAX_CONTACTS: usize = 16;
const MAX_OWNER: usize = 255;

/// R, 32 bytes: what the shares join to.
pub struct ContactsSecret(Secret);

/// One contact's part of a secret.
pub struct Share {
    /// Which sharing out it belongs to.
    set: [u8; 16],
    threshold: u8,
    x: u8,
    y: Secret,
    /// What every share of the set must be, in order: a wrong one is known by itself.
    commitments: Vec<[u8; 32]>,
    owner: String,
}

/// Where a share is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// To the contact, who keeps it.
    Keeping,
    /// From the contact to who recovers.
    Helping,
}

impl ContactsSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomFailed> {
        Secret::random(random).map(Self)
    }

    /// Shares it out: any `threshold` of `count` give it back, fewer say nothing. `owner` tells the contacts whose it is.
    ///
    /// # Errors
    /// [`ShareError::Numbers`] unless 2 ≤ threshold ≤ count ≤ 16; [`ShareError::Random`].
    pub fn share_out(
        &self,
        (threshold, count): (u8, u8),
        owner: &str,
        random: &dyn Random,
    ) -> Result<Vec<Share>, ShareError> {
        let sensible = threshold >= 2 && threshold <= count;
        if !sensible || usize::from(count) > MAX_CONTACTS || owner.len() > MAX_OWNER {
            return Err(ShareError::Numbers);
        }
        let mut set = [0; 16];
        random.fill(&mut set)?;
        let points = split(&self.0, threshold, count, random)?;
        let commitments: Vec<_> = points
            .iter()
            .map(|(x, y)| commitment(&set, *x, y))
            .collect();
        let share = |(x, y)| Share {
            set,
            threshold,
            x,
            y,
            commitments: commitments.clone(),
            owner: owner.to_owned(),
        };
        Ok(points.into_iter().map(share).collect())
    }

    /// Joins shares. More than needed do no harm.
    ///
    /// # Errors
    /// [`ShareError`], which says what is wrong with which share, counted from 1.
    pub fn join(shares: &[Share]) -> Result<Self, ShareError> {
        let Some(first) = shares.first() else {
            return Err(ShareError::TooFew { have: 0, need: 2 });
        };
        let mut points: Vec<(u8, &Secret)> = Vec::new();
        for (number, share) in (1..).zip(shares) {
            let same_set = share.set == first.set
                && share.threshold == first.threshold
                && share.commitments == first.commitments;
            if !same_set {
                return Err(ShareError::OtherSet { number });
            }
            if !share.is_right() {
                return Err(ShareError::Wrong { number });
            }
            if points.iter().any(|(x, _)| *x == share.x) {
                return Err(ShareError::Twice { number });
            }
            points.push((share.x, &share.y));
        }
        let need = usize::from(first.threshold);
        match points.get(..need) {
            Some(points) => Ok(Self(join(points))),
            None => Err(ShareError::TooFew {
                have: points.len(),
                need,
            }),
        }
    }

    /// `HKDF(R ‖ blind, "ownkey/1 slot-contacts" ‖ repo_id)`.
    pub(crate) fn kek(&self, blind: &[u8; 32], repo: &RepoId) -> Secret {
        let both = Zeroizing::new([*self.0.as_bytes(), *blind].concat());
        derive(&both, "slot-contacts", repo.as_bytes())
    }
}

/// `BLAKE3("ownkey/1 share" ‖ set ‖ x ‖ y)`. Of 256 random bits a hash tells nothing.
fn commitment(set: &[u8; 16], x: u8, y: &Secret) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(b"ownkey/1 share")
        .update(set)
        .update(&[x])
        .update(y.as_bytes());
    *hasher.finalize().as_bytes()
}

impl Share {
    /// Whose secret it is a part of, in the owner's words.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// How many are needed, and how many there are.
    #[must_use]
    pub fn numbers(&self) -> (usize, usize) {
        (usize::from(self.threshold), self.commitments.len())
    }

    fn is_right(&self) -> bool {
        let ours = commitment(&self.set, self.x, &self.y);
        let wanted = usize::from(self.x)
            .checked_sub(1)
            .and_then(|place| self.commitments.get(place));
        wanted.is_some_and(|wanted| wanted.ct_eq(&ours).into())
    }

    /// Seals it for one leg of its way.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        leg: Leg,
        to: &PublicIdentity,
        repo: &RepoId,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        let count = u8::try_from(self.commitments.len()).map_err(|_| SealError::TooLong)?;
        let owner = u16::try_from(self.owner.len()).map_err(|_| SealError::TooLong)?;
        let mut body = Zeroizing::new(Vec::with_capacity(1024));
        body.extend_from_slice(&self.set);
        body.extend_from_slice(&[self.threshold, count, self.x, 0]);
        body.extend_from_slice(self.y.as_bytes());
        for commitment in &self.commitments {
            body.extend_from_slice(commitment);
        }
        body.extend_from_slice(&owner.to_le_bytes());
        body.extend_from_slice(self.owner.as_bytes());
        seal_single(
            &label(leg, repo),
            &SealWay::Kem(&to.kem, Purpose::Share),
            &body,
            &Finish::Inner,
            hedge,
        )
    }

    /// Opens what was sealed to `me` for one leg.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(leg: Leg, object: &[u8], me: &Identity, repo: &RepoId) -> Result<Self, OpenError> {
        let ways = OpenWays {
            symmetric: None,
            kem: Some((&me.kem, Purpose::Share)),
        };
        let body = Zeroizing::new(open_single(&label(leg, repo), &ways, object)?.into_bytes());
        let share = Self::decode(&mut Reader::new(&body)).map_err(|Short| OpenError::Malformed)?;
        share.ok_or(OpenError::Malformed)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        let set = reader.array()?;
        let [threshold, count, x, zero] = reader.array::<4>()?;
        let y = Secret::from_bytes(&Zeroizing::new(reader.array()?));
        let fits = threshold >= 2
            && threshold <= count
            && usize::from(count) <= MAX_CONTACTS
            && (1..=count).contains(&x)
            && zero == 0;
        if !fits {
            return Ok(None);
        }
        let mut commitments = Vec::new();
        for _ in 0..count {
            commitments.push(reader.array()?);
        }
        let length = usize::from(reader.u16()?);
        let owner = std::str::from_utf8(reader.take(length)?).ok();
        let owner = owner.filter(|owner| owner.len() <= MAX_OWNER && reader.remaining() == 0);
        Ok(owner.map(|owner| Self {
            set,
            threshold,
            x,
            y,
            commitments,
            owner: owner.to_owned(),
        }))
    }
}

fn label(leg: Leg, repo: &RepoId) -> Label<'static> {
    Label {
        class: Class::Share,
        repo: *repo,
        // No epoch's keys have a part in it.
        epoch: Epoch::FIRST,
        name: match leg {
            Leg::Keeping => "keeping",
            Leg::Helping => "helping",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentitySeed;
    use crate::random::testing::SeededRandom;
    use std::sync::Arc;

    const REPO: RepoId = RepoId::from_bytes([2; 32]);

    fn secret(byte: u8) -> ContactsSecret {
        ContactsSecret(Secret::from_bytes(&[byte; 32]))
    }

    fn shares(byte: u8, numbers: (u8, u8)) -> Vec<Share> {
        secret(byte)
            .share_out(numbers, "Ada", &SeededRandom::new(byte))
            .ok()
            .unwrap()
    }

    fn joined(shares: &[Share]) -> Result<[u8; 32], ShareError> {
        ContactsSecret::join(shares).map(|secret| *secret.0.as_bytes())
    }

    /// Some of the shares of a set, by their numbers.
    fn some(byte: u8, numbers: (u8, u8), chosen: &[usize]) -> Vec<Share> {
        let chosen = chosen.iter();
        chosen
            .map(|number| shares(byte, numbers).swap_remove(*number))
            .collect()
    }

    #[test]
    fn neither_the_contacts_without_the_blind_nor_the_blind_without_them_give_the_key() {
        let r = secret(1);
        let kek = *r.kek(&[3; 32], &REPO).as_bytes();
        assert_ne!(kek, *r.kek(&[0; 32], &REPO).as_bytes());
        assert_ne!(kek, *secret(0).kek(&[3; 32], &REPO).as_bytes());
        assert_ne!(
            kek,
            *r.kek(&[3; 32], &RepoId::from_bytes([0; 32])).as_bytes()
        );
        assert_eq!(kek, *r.kek(&[3; 32], &REPO).as_bytes());
    }

    #[test]
    fn enough_shares_join_and_what_is_wrong_with_others_is_said() {
        for chosen in [[0, 1], [2, 0], [1, 2]] {
            assert_eq!(joined(&some(1, (2, 3), &chosen)), Ok([1; 32]));
        }
        assert_eq!(joined(&some(1, (2, 3), &[0, 1, 2])), Ok([1; 32]));
        assert_eq!(
            joined(&some(1, (2, 3), &[1])),
            Err(ShareError::TooFew { have: 1, need: 2 })
        );
        assert_eq!(
            joined(&some(1, (2, 3), &[1, 1])),
            Err(ShareError::Twice { number: 2 })
        );
        let mut mixed = some(1, (2, 3), &[0]);
        mixed.extend(some(9, (2, 3), &[1]));
        assert_eq!(joined(&mixed), Err(ShareError::OtherSet { number: 2 }));
        let mut wrong = some(1, (2, 3), &[0, 1]);
        wrong[1].y.as_mut()[5] ^= 1;
        assert_eq!(joined(&wrong), Err(ShareError::Wrong { number: 2 }));
        let mut renumbered = some(1, (2, 3), &[0, 1]);
        renumbered[0].x = 3;
        assert_eq!(joined(&renumbered), Err(ShareError::Wrong { number: 1 }));
        let mut zero = some(1, (2, 3), &[0, 1]);
        zero[0].x = 0;
        assert_eq!(joined(&zero), Err(ShareError::Wrong { number: 1 }));
        assert_eq!(joined(&[]), Err(ShareError::TooFew { have: 0, need: 2 }));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for numbers in [(0, 0), (1, 3), (4, 3), (2, 17)] {
            let refused = secret(1).share_out(numbers, "Ada", &SeededRandom::new(1));
            assert_eq!(refused.err(), Some(ShareError::Numbers), "{numbers:?}");
        }
        assert_eq!(shares(1, (16, 16)).len(), 16);
    }

    #[test]
    fn a_share_opens_for_whom_and_for_what_it_was_sealed_and_any_change_is_noticed() {
        let identity = |byte| Identity::from_seed(&IdentitySeed::from_file_bytes(&[byte; 32]));
        let hedge = Hedge::new(
            &IdentitySeed::from_file_bytes(&[1; 32]),
            Arc::new(SeededRandom::new(1)),
        );
        let (contact, other) = (identity(5), identity(6));
        let share = shares(1, (2, 3)).swap_remove(1);
        let sealed = share.seal(Leg::Keeping, contact.public(), &REPO, &hedge);
        let object = sealed.unwrap().into_bytes();
        let opened = Share::open(Leg::Keeping, &object, &contact, &REPO)
            .ok()
            .unwrap();
        assert_eq!((opened.owner(), opened.numbers()), ("Ada", (2, 3)));
        assert_eq!(
            joined(&[opened, shares(1, (2, 3)).swap_remove(0)]),
            Ok([1; 32])
        );
        let open = |leg, object: &[u8], me: &Identity, repo: &RepoId| {
            Share::open(leg, object, me, repo).is_ok()
        };
        assert!(!open(Leg::Keeping, &object, &other, &REPO));
        assert!(!open(Leg::Helping, &object, &contact, &REPO));
        let elsewhere = RepoId::from_bytes([9; 32]);
        assert!(!open(Leg::Keeping, &object, &contact, &elsewhere));
        for at in (0..object.len()).step_by(7) {
            let mut bad = object.clone();
            bad[at] ^= 1;
            assert!(!open(Leg::Keeping, &bad, &contact, &REPO), "byte {at}");
        }
    }
}
