//! The zero-knowledge core of ownkey: keys, sealing, slots, ids, padding, boundaries. Bytes in, bytes out.
//!
//! What it promises: everything that leaves the machine is [`Sealed`], everything that is parsed was [`Opened`], and only
//! this crate can make either. It does no I/O, reads no clock, keeps no global state, offers no choice of algorithm, and
//! has no nonce in its interface. Secrets cannot be cloned, printed, compared or serialised, and are erased when dropped.
//! The format is written down in `docs/format.md`; the code cites its sections.
//!
//! # What does not compile
//!
//! Bytes cannot be passed off as sealed or as opened:
//! ```compile_fail,E0423
//! let forged = ownkey_crypto::Sealed(vec![0u8; 4096]);
//! ```
//! ```compile_fail,E0423
//! let believed = ownkey_crypto::Opened(vec![0u8; 32]);
//! ```
//! A secret cannot be cloned or printed:
//! ```compile_fail,E0308
//! fn leak(key: &ownkey_crypto::ReadKey) -> ownkey_crypto::ReadKey { key.clone() }
//! ```
//! ```compile_fail,E0277
//! fn leak(seed: &ownkey_crypto::IdentitySeed) -> String { format!("{seed:?}") }
//! ```
//! ```compile_fail,E0369
//! fn compare(a: &ownkey_crypto::Password, b: &ownkey_crypto::Password) -> bool { a == b }
//! ```
//! Who may only write cannot open:
//! ```compile_fail,E0599
//! fn peek(keys: &ownkey_crypto::WriterKeys, segment: &[u8]) { let _ = keys.open_segment(segment); }
//! ```
//! Nothing is sealed without saying what it is and where it belongs:
//! ```compile_fail,E0061
//! fn seal(keys: &ownkey_crypto::WriterKeys, hedge: &ownkey_crypto::Hedge) { let _ = keys.seal_body(b"record", hedge); }
//! ```
//! There is no nonce to choose:
//! ```compile_fail,E0061
//! fn seal(keys: &ownkey_crypto::WriterKeys, hedge: &ownkey_crypto::Hedge) {
//!     let _ = keys.seal_segment(b"segment", [0u8; 12], hedge);
//! }
//! ```
//! A grant's keys are out of reach until its signer was found:
//! ```compile_fail,E0616
//! fn believe(grant: ownkey_crypto::UncheckedGrant) -> ownkey_crypto::LogKey { grant.grant.log }
//! ```
//! An opened log entry is not its contents until its signature was verified:
//! ```compile_fail,E0308
//! fn believe(keys: &ownkey_crypto::LogKeys, entry: &[u8]) -> Result<ownkey_crypto::Opened, ownkey_crypto::OpenError> {
//!     keys.open_log("log/00/00", entry)
//! }
//! ```
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod aead;
mod boundaries;
mod boundaries_batch;
#[cfg(test)]
mod boundaries_reference;
mod bytes;
mod contacts;
mod directory;
mod envelope;
mod epoch_keys;
mod error;
mod grant;
mod header;
mod hedge;
mod human_code;
mod identity;
mod ids;
mod kdf;
mod kem;
mod keys;
mod label;
mod local_state;
mod log_keys;
mod name_keys;
mod pack;
mod pack_open;
mod padding;
mod password;
mod random;
mod recovery_key;
mod request;
mod sealed;
mod secret;
mod shamir;
mod slot;

pub use boundaries::{Boundaries, End, Profile};
pub use contacts::{ContactsSecret, Leg, Share};
pub use directory::{ChunkType, Codec, Directory, FrameEntry};
pub use epoch_keys::{ReaderKeys, WriterKeys};
pub use error::{OpenError, RecoveryKeyError, SealError, ShareError, SlotError, Unsupported};
pub use grant::{Capabilities, Grant, GrantClaim, UncheckedGrant};
pub use header::{HEADER_LEN, MAX_HEADER_LEN, peek_epoch, peek_repo};
pub use hedge::Hedge;
pub use identity::{Identity, IdentitySeed, PublicIdentity, Signature, Signed};
pub use ids::{
    BadHex, ChunkId, DeviceId, Epoch, GrantName, ObjectHash, ObjectHasher, RepoId, RequestName,
    grant_label, log_name, object_hash, request_label, roster_label,
};
pub use kem::ReadKemPublic;
pub use keys::{DedupKey, LogKey, ReadKey};
pub use label::Class;
pub use local_state::LocalStateKey;
pub use log_keys::{LogKeys, RosterKeys};
pub use name_keys::NameKeys;
pub use pack::{FrameInput, PackInput, PackKind, PackPadding, ParityCode, SealedPack, seal_pack};
pub use pack_open::{PackOpener, Trailer};
pub use padding::{padme, single_class, small_session_class};
pub use password::{KdfCost, Password};
pub use random::{OsRandom, Random, RandomFailed};
pub use recovery_key::{KitSecret, Parsed, RecoveryKey};
pub use request::{EnrolmentCode, Request, RequestKey};
pub use sealed::{Opened, Sealed, Unverified};
pub use slot::{Slot, SlotContent, SlotKind};
