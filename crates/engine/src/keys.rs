//! The secrets a program passes in and shows, from the crypto core. A program needs no other way
//! to that core, and has none.

pub use ownkey_crypto::{
    Capabilities, ContactsSecret, DeviceId, EnrolmentCode, Epoch, KdfCost, KitSecret, ObjectHash,
    OsRandom, Parsed, Password, PublicIdentity, Random, RandomFailed, RecoveryKey,
    RecoveryKeyError, RepoId, Request, Share, SlotKind, object_hash,
};
