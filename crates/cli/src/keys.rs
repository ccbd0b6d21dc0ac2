//! The secrets' types of the engine, named in one place.

pub(crate) use ownkey_engine::keys::{
    Capabilities, ContactsSecret, DeviceId, EnrolmentCode, Epoch, KdfCost, KitSecret, ObjectHash,
    OsRandom, Password, PublicIdentity, Random, RecoveryKey, RecoveryKeyError, RepoId, Request,
    Share, SlotKind, object_hash,
};
