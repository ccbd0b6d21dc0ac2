//! The secrets' types of the engine, named in one place.

pub(crate) use ownkey_engine::keys::{
    Capabilities, DeviceId, EnrolmentCode, KdfCost, KitSecret, ObjectHash, OsRandom, Password,
    Random, RecoveryKey, RecoveryKeyError, Request, SlotKind,
};
