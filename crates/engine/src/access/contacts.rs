//! Recovery contacts: people who together, and only together, open a repository for its owner.
//!
//! ```text
//! contact   seed in the state folder, public keys -> owner
//! owner     R shared out, each share sealed to one contact; slot under R and a blind
//! recovery  one-time keys -> contacts; each opens its share and seals it to them -> R -> slot
//! ```
//!
//! No server is between them: what travels is text, by any means. Six words over the telephone say that the keys in it
//! are those of the person one talks to.

use std::path::PathBuf;

use ownkey_crypto::{
    ContactsSecret, DeviceId, Hedge, Identity, IdentitySeed, Leg, PublicIdentity, RepoId, Share,
    ShareError, peek_repo,
};

use super::Admin;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::repository::Way;
use crate::state::seed;

/// Somebody who keeps a share.
pub struct Contact {
    /// What the owner calls them.
    pub name: String,
    /// Their keys.
    pub public: PublicIdentity,
}

/// Keys of a person, outside of any repository: a contact's own, or those of one recovery.
pub struct Person {
    identity: Identity,
    hedge: Hedge,
    path: PathBuf,
}

/// What a person's keys are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Keeping shares for others.
    Contact,
    /// Collecting the answers of one's own contacts.
    Recovery,
}

/// What the words of a contact's public keys name instead of a repository.
const NO_REPOSITORY: RepoId = RepoId::from_bytes([0; 32]);

const MAGIC: &seed::Magic = b"ownkey person 1\n";

impl Person {
    /// The keys for one part, as this machine keeps them; made if there are none.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn of(environment: &Environment, part: Part) -> Result<Self> {
        if let Some(person) = Self::find(environment, part)? {
            return Ok(person);
        }
        let path = Self::path(environment, part);
        let seed = IdentitySeed::generate(environment.random.as_ref())?;
        seed::store(&path, MAGIC, &seed)?;
        Ok(Self::grown(environment, &seed, path))
    }

    /// The same, if there are any.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn find(environment: &Environment, part: Part) -> Result<Option<Self>> {
        let path = Self::path(environment, part);
        let seed = seed::load(&path, MAGIC)?;
        Ok(seed.map(|seed| Self::grown(environment, &seed, path)))
    }

    fn path(environment: &Environment, part: Part) -> PathBuf {
        environment.state.join(match part {
            Part::Contact => "contact-key",
            Part::Recovery => "recovery-in-progress",
        })
    }

    fn grown(environment: &Environment, seed: &IdentitySeed, path: PathBuf) -> Self {
        Self {
            identity: Identity::from_seed(seed),
            hedge: Hedge::new(seed, environment.random.clone()),
            path,
        }
    }

    /// Their public keys, to be given to others.
    pub fn public(&self) -> &PublicIdentity {
        self.identity.public()
    }

    /// A share that was given to this contact to keep.
    ///
    /// # Errors
    /// [`Error::NotAShare`] if it is damaged or was sealed to somebody else.
    pub fn open_kept(&self, share: &[u8]) -> Result<Kept> {
        let opened = peek_repo(share).and_then(|repo| {
            let share = Share::open(Leg::Keeping, share, &self.identity, &repo)?;
            Ok(Kept { share, repo })
        });
        opened.map_err(Error::NotAShare)
    }

    /// Seals a kept share to the keys of a recovery.
    ///
    /// # Errors
    /// Those of sealing.
    pub fn help(&self, kept: &Kept, recovery: &PublicIdentity) -> Result<Vec<u8>> {
        let sealed = kept
            .share
            .seal(Leg::Helping, recovery, &kept.repo, &self.hedge)?;
        Ok(sealed.into_bytes())
    }

    /// The answer of a contact to this recovery.
    ///
    /// # Errors
    /// [`Error::NotAShare`] if it is damaged, of another repository, or for another recovery.
    pub fn accept(&self, answer: &[u8], repo: &RepoId) -> Result<Share> {
        Share::open(Leg::Helping, answer, &self.identity, repo).map_err(Error::NotAShare)
    }

    /// Throws the keys away: for those of a recovery that has ended.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn forget(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(Error::local("remove", &self.path))
    }
}

/// The words of a contact's public keys.
#[must_use]
pub fn contact_words(public: &PublicIdentity) -> [u16; 6] {
    public.words(&NO_REPOSITORY)
}

/// A share that opened.
pub struct Kept {
    share: Share,
    repo: RepoId,
}

impl Kept {
    /// Whose repository it helps to open, in its owner's words.
    pub fn owner(&self) -> &str {
        self.share.owner()
    }

    /// How many contacts are needed, and how many there are.
    pub fn numbers(&self) -> (usize, usize) {
        self.share.numbers()
    }

    /// The words that the owner's screen must show.
    pub fn words(&self, recovery: &PublicIdentity) -> [u16; 6] {
        recovery.words(&self.repo)
    }
}

/// A contact's share, sealed to them.
pub struct Given {
    /// Whose it is.
    pub name: String,
    /// To be sent to them by any means.
    pub share: Vec<u8>,
}

impl Admin<'_> {
    /// Makes a way back of contacts, `threshold` of whom are needed. `owner` tells them whose share they keep.
    ///
    /// # Errors
    /// [`Error::Shares`] for numbers that make no sense; those of storing.
    pub fn set_contacts(
        &mut self,
        threshold: u8,
        contacts: &[Contact],
        owner: &str,
    ) -> Result<(DeviceId, Vec<Given>)> {
        let count = u8::try_from(contacts.len()).map_err(|_| ShareError::Numbers)?;
        let random = self.repository.environment.random.clone();
        let secret = ContactsSecret::generate(random.as_ref())?;
        let shares = secret.share_out((threshold, count), owner, random.as_ref())?;
        let holder = &self.repository.keys.holder;
        let mut given = Vec::new();
        for (contact, share) in contacts.iter().zip(&shares) {
            let repo = &self.repository.keys.repo;
            let sealed = share.seal(Leg::Keeping, &contact.public, repo, &holder.hedge)?;
            given.push(Given {
                name: contact.name.clone(),
                share: sealed.into_bytes(),
            });
        }
        let names: Vec<&str> = contacts
            .iter()
            .map(|contact| contact.name.as_str())
            .collect();
        let label = format!("{threshold} of {}", names.join(", "));
        let device = self.add_way_back(&label, &Way::Contacts(&secret))?;
        Ok((device, given))
    }
}
