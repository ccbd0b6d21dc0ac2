//! What opens a slot, for who makes one.

use ownkey_crypto::{
    ContactsSecret, KdfCost, KitSecret, Password, Random, RecoveryKey, RepoId, Sealed, Slot,
    SlotContent,
};

use crate::error::{Error, Result};

/// What a new way back is opened with.
pub enum Way<'a> {
    /// A password, alone or with a kit secret.
    Password(PasswordWay<'a>),
    /// A recovery key.
    RecoveryKey(&'a RecoveryKey),
    /// What recovery contacts hold together.
    Contacts(&'a ContactsSecret),
}

/// A password and what it costs to try one.
#[derive(Clone, Copy)]
pub struct PasswordWay<'a> {
    /// The password.
    pub password: &'a Password,
    /// Argon2id's cost.
    pub cost: KdfCost,
    /// A secret printed in the kit that is needed besides.
    pub kit: Option<&'a KitSecret>,
}

impl Way<'_> {
    /// A slot that this opens.
    pub(crate) fn seal(
        &self,
        content: &SlotContent,
        repo: &RepoId,
        random: &dyn Random,
    ) -> Result<Sealed> {
        let sealed = match self {
            Self::RecoveryKey(key) => Slot::seal_recovery_key(content, repo, key, random),
            Self::Contacts(secret) => Slot::seal_contacts(content, repo, secret, random),
            Self::Password(PasswordWay {
                password,
                cost,
                kit: None,
            }) => Slot::seal_password(content, repo, password, *cost, random),
            Self::Password(PasswordWay {
                password,
                cost,
                kit: Some(kit),
            }) => Slot::seal_password_kit(content, repo, (password, kit), *cost, random),
        };
        sealed.map_err(Error::SealSlot)
    }
}
