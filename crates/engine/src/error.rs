//! Everything that ends a verb, and the few classes a program tells apart.

use std::path::PathBuf;

use ownkey_crypto::{
    DeviceId, ObjectHash, OpenError, RandomFailed, SealError, ShareError, SlotError,
};
use ownkey_storage::{ObjectName, StorageError, StorageErrorKind};

use crate::format::FormatError;
use crate::format::entry::{EntryRef, ROSTER};
use crate::format::header::HeaderError;
use crate::guard::GuardKind;

/// What a failure means for the user; the program maps each to one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anything without a class of its own.
    Failure,
    /// There is no repository at the location.
    NoRepository,
    /// The password, recovery key or device key does not open this repository.
    WrongCredential,
    /// An object is missing or damaged.
    Damage,
    /// The storage shows something else than it showed before, or something nobody signed.
    StorageLied,
    /// The storage did not answer.
    Unreachable,
    /// The storage has no room.
    Full,
    /// The user asked to stop.
    Cancelled,
}

/// Why a verb could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The location holds no header.
    #[error("there is no ownkey repository at {0}")]
    NoRepository(String),
    /// The location holds one already.
    #[error("there is an ownkey repository at {0} already")]
    RepositoryExists(String),
    /// The storage failed.
    #[error(transparent)]
    Storage(StorageError),
    /// The header is damaged or of another version.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// This machine holds no key of the repository.
    #[error("this machine is not enrolled in the repository at {0}")]
    NotEnrolled(String),
    /// No slot opens with the credential.
    #[error("the {credential} opens none of the {tried} key slots of this repository")]
    WrongCredential {
        /// What was tried.
        credential: &'static str,
        /// How many slots were tried.
        tried: usize,
    },
    /// This machine's key is kept behind something that was not given.
    #[error("the key of this machine is kept behind {0}")]
    DeviceKeyGuarded(GuardKind),
    /// What was given is not what this machine's key is kept behind.
    #[error("that does not open the key of this machine, which is kept behind {0}")]
    WrongGuard(GuardKind),
    /// What was typed could not be made into a key.
    #[error("cannot compute a key from what was typed")]
    Stretch(#[source] SlotError),
    /// A slot could not be used.
    #[error("cannot use key slot {name}")]
    Slot {
        /// Its object.
        name: ObjectName,
        /// Why.
        source: SlotError,
    },
    /// A slot could not be made.
    #[error("cannot make the key slot")]
    SealSlot(#[source] SlotError),
    /// The identity is right but the storage has no grant that opens for it.
    #[error(
        "no key grant of this repository opens for this identity: it was not let in yet, or it was removed, or the storage hides the grant"
    )]
    NoGrant,
    /// An object does not open, or is not what its place says.
    #[error("object {name} is damaged or was replaced")]
    Object {
        /// The object.
        name: ObjectName,
        /// How it shows.
        source: OpenError,
    },
    /// An authentic object is not what the format says.
    #[error("object {name} cannot be understood")]
    Format {
        /// The object.
        name: ObjectName,
        /// How it shows.
        source: FormatError,
    },
    /// A pack, segment or chunk is missing or broken.
    #[error("{what} is missing or damaged")]
    Damage {
        /// What, as a phrase.
        what: String,
    },
    /// The storage lied.
    #[error(transparent)]
    Lie(#[from] Lie),
    /// This device may not do that.
    #[error("this device may not {0}; a device with that capability can")]
    NotAllowed(&'static str),
    /// An earlier state is shown.
    #[error(
        "this shows the repository as it was at an earlier time: it can be read and restored from, and nothing can be written"
    )]
    EarlierState,
    /// No snapshot of that name.
    #[error("there is no snapshot {0:?} in this repository")]
    NoSnapshot(String),
    /// More than one snapshot of that name.
    #[error("{prefix:?} is the beginning of {count} snapshot ids")]
    AmbiguousSnapshot {
        /// What was asked.
        prefix: String,
        /// How many fit.
        count: usize,
    },
    /// What was forgotten cannot be had back.
    #[error("it is too late for snapshot {snapshot}: of what it needs, {} is not there any more, or about to go", path.display())]
    TooLate {
        /// The snapshot.
        snapshot: ObjectHash,
        /// The first path of which something is missing.
        path: PathBuf,
    },
    /// Somebody wants to keep it.
    #[error("snapshot {0} is pinned, and nothing was forgotten")]
    Pinned(ObjectHash),
    /// No such path in a snapshot.
    #[error("there is no {0:?} in this snapshot")]
    NoPath(PathBuf),
    /// A local file or folder failed.
    #[error("cannot {action} {}", path.display())]
    Local {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
    },
    /// A file of the state folder was changed by someone else.
    #[error("{} was not written by this device: it was damaged or tampered with", .0.display())]
    StateTampered(PathBuf),
    /// Other admins change the roster at the same time.
    #[error("another admin is changing who has access at the same moment; nothing was lost")]
    Contended,
    /// No request to be enrolled under this code.
    #[error("no machine asks to be enrolled in this repository with that code")]
    NoRequest,
    /// An identity that was removed wants to come back.
    #[error("that machine was removed from this repository, and its old keys stay out")]
    RemovedBefore,
    /// This machine has a key that opens the repository.
    #[error("this machine is enrolled in the repository at {0} already")]
    AlreadyEnrolled(String),
    /// What was given as a share or as an answer is none.
    #[error("this is no share for this machine: it is damaged, or was made for somebody else")]
    NotAShare(#[source] OpenError),
    /// Shares that give no secret.
    #[error(transparent)]
    Shares(#[from] ShareError),
    /// Another run holds the lock.
    #[error("another ownkey is writing to this repository from this machine")]
    Locked,
    /// The random source failed; nothing was sealed.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// Sealing failed.
    #[error("cannot seal")]
    Seal(#[from] SealError),
    /// A command whose output was backed up failed.
    #[error("{0}; no snapshot was made")]
    Source(String),
    /// Somebody writes to a repository all the time that it is mirrored.
    #[error(
        "the repository at {0} is written to faster than it can be mirrored; try again when fewer backups run"
    )]
    KeepsChanging(String),
    /// A prune cannot know what a snapshot needs.
    #[error(
        "snapshot {snapshot} cannot be read wholly, so nobody can tell what it needs, and nothing was deleted"
    )]
    NeedsUnknown {
        /// The snapshot.
        snapshot: ObjectHash,
        /// What of it.
        source: Box<Self>,
    },
    /// Somebody is being removed, and nobody has said yet up to where what it wrote counts.
    #[error(
        "a device is being removed, and until an admin has finished that, nobody can tell which of its entries count; nothing was deleted"
    )]
    RemovalUnfinished,
    /// Deleting needs reads that are as fresh as writes.
    #[error(
        "{0} may show what was there before a change; then nobody can tell what may be deleted, and nothing was"
    )]
    StaleReads(String),
    /// What a check found wrong was something else each time, while others went on.
    #[error(
        "others moved and deleted so much meanwhile that nobody can tell whether {0} things are damaged, or are only where this check did not look"
    )]
    Unsettled(usize),
    /// A copy of a repository into itself.
    #[error("both places hold the same repository; to have it in two places, mirror it")]
    SameRepository,
    /// Nothing that was asked for could be read at all.
    #[error("nothing to back up: none of the paths could be read")]
    NothingToBackUp,
    /// The user asked to stop.
    #[error("interrupted; what was stored so far is kept and will not be sent again")]
    Cancelled,
    /// A worker thread ended without an answer; a bug.
    #[error("an internal worker stopped unexpectedly")]
    WorkerLost,
}

/// What the storage shows contradicts what it showed before, or what a device signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// Another repository than before at the same place.
    #[error("{location} held repository {before} and now shows {now}")]
    OtherRepository {
        /// Where.
        location: String,
        /// The id remembered.
        before: String,
        /// The id shown.
        now: String,
    },
    /// A log ends before an entry this device has seen.
    #[error(
        "the log of device {device} ends before entry {seq}, which this device has seen: the storage was rolled back or hides entries"
    )]
    LogRolledBack {
        /// Whose log.
        device: DeviceId,
        /// The newest entry seen.
        seq: u64,
    },
    /// A log has another entry where this device has seen one.
    #[error(
        "entry {seq} of the log of device {device} is not the one this device has seen: the storage shows another history"
    )]
    LogForked {
        /// Whose log.
        device: DeviceId,
        /// Where the histories part.
        seq: u64,
    },
    /// A mirror and its repository have different bytes under one name that is no hash.
    #[error(
        "{name} is one object at {here} and another at {there}: they hold different histories, and nothing was overwritten"
    )]
    OtherHistory {
        /// The object.
        name: String,
        /// The repository.
        here: String,
        /// The mirror.
        there: String,
    },
    /// A mirror has an entry that its repository does not show.
    #[error(
        "{there} has {name} and {here} does not show it: the repository was rolled back, or somebody backed up to its mirror; nothing was written"
    )]
    MirrorAhead {
        /// The entry.
        name: String,
        /// The repository.
        here: String,
        /// The mirror.
        there: String,
    },
    /// One device has seen what the storage does not show us.
    #[error(
        "device {witness} has seen entry {seq} of the log of device {device}, which the storage does not show"
    )]
    SeenAhead {
        /// Whose log.
        device: DeviceId,
        /// The entry seen.
        seq: u64,
        /// Who saw it.
        witness: DeviceId,
    },
    /// The log's chain is broken.
    #[error(
        "entry {seq} of the log of device {device} was not signed by that device at that place"
    )]
    NotSigned {
        /// Whose log.
        device: DeviceId,
        /// Which entry.
        seq: u64,
    },
    /// The roster ends before an entry this device has seen.
    #[error(
        "the roster ends before entry {0}, which this device has seen: the storage was rolled back or hides entries"
    )]
    RosterRolledBack(u32),
    /// The roster has another entry where this device has seen one.
    #[error(
        "entry {0} of the roster is not the one this device has seen: the storage shows another history"
    )]
    RosterForked(u32),
    /// The roster does not begin with the entry the repository is named after.
    #[error("the roster does not begin with the entry this repository is named after")]
    NotGenesis,
    /// The state that a fingerprint names is not part of what is shown.
    #[error(
        "no log of this repository has the entry that the fingerprint names: the storage shows an older state or another repository, or a word is wrong"
    )]
    NotPinned,
    /// A witness holds what its author signed and the storage does not show.
    #[error(
        "the witness at {place} holds entry {} of {}, signed by who made it, and the storage does not show that entry", .entry.at.seq, log(&.entry.device)
    )]
    Witnessed {
        /// Where the witness is.
        place: String,
        /// The entry.
        entry: EntryRef,
    },
    /// A grant or roster entry whose signer may not make one.
    #[error("{0} was not signed by an admin of this repository")]
    NotByAdmin(String),
    /// Two runs wrote under one device identity.
    #[error(
        "another machine writes as this device: its identity was copied; make this machine a device of its own"
    )]
    IdentityCopied,
}

/// A log in words.
fn log(device: &DeviceId) -> String {
    match *device == ROSTER {
        true => "the roster".to_owned(),
        false => format!("the log of device {device}"),
    }
}

impl Lie {
    /// The log that it is about; [`ROSTER`] for the roster.
    #[must_use]
    pub fn log(&self) -> Option<DeviceId> {
        match self {
            Self::LogRolledBack { device, .. }
            | Self::LogForked { device, .. }
            | Self::SeenAhead { device, .. }
            | Self::NotSigned { device, .. } => Some(*device),
            Self::RosterRolledBack(_) | Self::RosterForked(_) => Some(ROSTER),
            Self::Witnessed { entry, .. } => Some(entry.device),
            Self::OtherRepository { .. }
            | Self::OtherHistory { .. }
            | Self::MirrorAhead { .. }
            | Self::NotGenesis
            | Self::NotPinned
            | Self::NotByAdmin(_)
            | Self::IdentityCopied => None,
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error.kind() {
            StorageErrorKind::Interrupted => Self::Cancelled,
            _ => Self::Storage(error),
        }
    }
}

impl Error {
    /// The class of this error.
    pub fn class(&self) -> Class {
        match self {
            Self::NoRepository(_) => Class::NoRepository,
            Self::WrongCredential { .. }
            | Self::NotEnrolled(_)
            | Self::DeviceKeyGuarded(_)
            | Self::WrongGuard(_)
            | Self::NoGrant
            | Self::NoRequest
            | Self::RemovedBefore
            | Self::NotAShare(_)
            | Self::Shares(_) => Class::WrongCredential,
            Self::Damage { .. } | Self::Header(HeaderError::Damaged) | Self::Slot { .. } => {
                Class::Damage
            }
            Self::Object { .. } | Self::Format { .. } | Self::NeedsUnknown { .. } => Class::Damage,
            Self::Lie(_) => Class::StorageLied,
            Self::Cancelled => Class::Cancelled,
            Self::Storage(error) => match error.kind() {
                StorageErrorKind::NoSuchRepositoryFolder => Class::NoRepository,
                StorageErrorKind::Timeout | StorageErrorKind::Unavailable => Class::Unreachable,
                StorageErrorKind::Full => Class::Full,
                StorageErrorKind::BrokenContract => Class::StorageLied,
                StorageErrorKind::NotFound | StorageErrorKind::InvalidRange => Class::Damage,
                _ => Class::Failure,
            },
            _ => Class::Failure,
        }
    }

    /// For `map_err` on local I/O: context is mandatory.
    pub(crate) fn local(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Local {
            action,
            path,
            source,
        }
    }
}

/// The result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;
