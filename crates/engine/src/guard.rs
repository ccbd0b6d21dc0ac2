//! What a device key is kept behind.

use ownkey_crypto::{Password, RecoveryKey};

/// What a device key is kept behind.
#[derive(Clone, Copy)]
pub enum Guard<'a> {
    /// The mode of its file and nothing else: no run asks for anything.
    Nothing,
    /// A passphrase.
    Passphrase(&'a Password),
    /// A key that a keychain holds for this user.
    Keychain(&'a RecoveryKey),
}

/// What stands before a device key, without what opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardKind {
    /// Nothing but the mode of its file.
    Nothing,
    /// A passphrase.
    Passphrase,
    /// A key in the keychain of the desktop.
    Keychain,
}

impl std::fmt::Display for GuardKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing but its file",
            Self::Passphrase => "a passphrase",
            Self::Keychain => "this user's keychain",
        })
    }
}

impl Guard<'_> {
    /// Which one it is.
    pub fn kind(&self) -> GuardKind {
        match self {
            Self::Nothing => GuardKind::Nothing,
            Self::Passphrase(_) => GuardKind::Passphrase,
            Self::Keychain(_) => GuardKind::Keychain,
        }
    }
}
