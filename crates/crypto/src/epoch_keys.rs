//! What grows from RK_e: who can read an epoch's data, and who can only add to it (docs/format.md §4).
//!
//! It promises that [`WriterKeys`] cannot open anything, its own packs included: for a write-only device it is a public key.

use crate::bytes::Reader;
use crate::envelope::{Finish, open_single, seal_single};
use crate::error::{OpenError, SealError};
use crate::header::{OpenWays, SealWay};
use crate::hedge::Hedge;
use crate::ids::{Epoch, RepoId, roster_label};
use crate::kdf::derive;
use crate::kem::{KemSecret, Purpose, ReadKemPublic};
use crate::keys::ReadKey;
use crate::label::{Class, Label};
use crate::sealed::{Opened, Sealed};
use crate::secret::Secret;
use zeroize::Zeroizing;

/// Seals and opens the data of one epoch.
pub struct ReaderKeys {
    repo: RepoId,
    epoch: Epoch,
    pack: Secret,
    meta: Secret,
    history: Secret,
    read_kem: KemSecret,
}

/// `repo_id ‖ LE32(e)`.
pub(crate) fn epoch_context(repo: &RepoId, epoch: Epoch) -> Vec<u8> {
    [repo.as_bytes().as_slice(), &epoch.get().to_le_bytes()].concat()
}

impl ReaderKeys {
    /// Of epoch `epoch` of one repository.
    #[must_use]
    pub fn new(read: &ReadKey, repo: &RepoId, epoch: Epoch) -> Self {
        let context = epoch_context(repo, epoch);
        let key = |label| derive(read.0.as_bytes(), label, &context);
        Self {
            repo: *repo,
            epoch,
            pack: key("pack"),
            meta: key("meta"),
            history: key("history"),
            read_kem: KemSecret::from_seed(&key("read-kem")),
        }
    }

    /// Which epoch they are of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The public key that write-only devices seal to.
    #[must_use]
    pub fn read_kem_public(&self) -> ReadKemPublic {
        ReadKemPublic(self.read_kem.public())
    }

    /// The half that only adds.
    #[must_use]
    pub fn writer(&self) -> WriterKeys {
        let way = Way::Full {
            pack: self.pack.duplicate(),
            meta: self.meta.duplicate(),
        };
        WriterKeys {
            repo: self.repo,
            epoch: self.epoch,
            way,
        }
    }

    /// Opens an index segment.
    ///
    /// # Errors
    /// [`OpenError`], in the order of docs/format.md §5; so for all that opens.
    pub fn open_segment(&self, object: &[u8]) -> Result<Opened, OpenError> {
        open_single(
            &self.label(Class::Segment, ""),
            &self.ways(&self.meta),
            object,
        )
    }

    /// Opens the sealed body of the log entry `entry_name`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_body(&self, entry_name: &str, bytes: &[u8]) -> Result<Opened, OpenError> {
        open_single(
            &self.label(Class::Body, entry_name),
            &self.ways(&self.meta),
            bytes,
        )
    }

    /// Opens the fold of the log entry `entry_name`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_fold(&self, entry_name: &str, bytes: &[u8]) -> Result<Opened, OpenError> {
        open_single(
            &self.label(Class::Fold, entry_name),
            &self.ways(&self.meta),
            bytes,
        )
    }

    /// Seals RK of the epoch before, for roster entry `n` that begins this epoch.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_history(
        &self,
        n: u32,
        previous: &ReadKey,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        seal_history(
            &self.label(Class::History, &roster_label(n)),
            &self.history,
            &previous.0,
            hedge,
        )
    }

    /// RK of the epoch before, from roster entry `n`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_history(&self, n: u32, bytes: &[u8]) -> Result<ReadKey, OpenError> {
        open_history(
            &self.label(Class::History, &roster_label(n)),
            &self.history,
            bytes,
        )
        .map(ReadKey)
    }

    pub(crate) fn label<'a>(&self, class: Class, name: &'a str) -> Label<'a> {
        Label {
            class,
            repo: self.repo,
            epoch: self.epoch,
            name,
        }
    }

    pub(crate) fn pack_ways(&self) -> OpenWays<'_> {
        self.ways(&self.pack)
    }

    fn ways<'a>(&'a self, symmetric: &'a Secret) -> OpenWays<'a> {
        OpenWays {
            symmetric: Some(symmetric),
            kem: Some((&self.read_kem, Purpose::ReadKem)),
        }
    }
}

/// Seals the data of one epoch and opens nothing.
pub struct WriterKeys {
    repo: RepoId,
    epoch: Epoch,
    way: Way,
}

enum Way {
    Full { pack: Secret, meta: Secret },
    WriteOnly(Box<ReadKemPublic>),
}

impl WriterKeys {
    /// Of a device that may not read.
    #[must_use]
    pub fn write_only(to: &ReadKemPublic, repo: &RepoId, epoch: Epoch) -> Self {
        Self {
            repo: *repo,
            epoch,
            way: Way::WriteOnly(Box::new(to.clone())),
        }
    }

    /// Which epoch they are of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Seals an index segment.
    ///
    /// # Errors
    /// [`SealError`]; so for all that seals.
    pub fn seal_segment(&self, body: &[u8], hedge: &Hedge) -> Result<Sealed, SealError> {
        seal_single(
            &self.label(Class::Segment, ""),
            &self.meta_way(),
            body,
            &Finish::Padded,
            hedge,
        )
    }

    /// Seals the body of the log entry `entry_name`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_body(
        &self,
        entry_name: &str,
        body: &[u8],
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        seal_single(
            &self.label(Class::Body, entry_name),
            &self.meta_way(),
            body,
            &Finish::Inner,
            hedge,
        )
    }

    /// Seals the fold of the log entry `entry_name`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_fold(
        &self,
        entry_name: &str,
        body: &[u8],
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        seal_single(
            &self.label(Class::Fold, entry_name),
            &self.meta_way(),
            body,
            &Finish::Inner,
            hedge,
        )
    }

    pub(crate) fn label<'a>(&self, class: Class, name: &'a str) -> Label<'a> {
        Label {
            class,
            repo: self.repo,
            epoch: self.epoch,
            name,
        }
    }

    pub(crate) fn pack_way(&self) -> SealWay<'_> {
        match &self.way {
            Way::Full { pack, .. } => SealWay::Symmetric(pack),
            Way::WriteOnly(to) => SealWay::Kem(&to.0, Purpose::ReadKem),
        }
    }

    fn meta_way(&self) -> SealWay<'_> {
        match &self.way {
            Way::Full { meta, .. } => SealWay::Symmetric(meta),
            Way::WriteOnly(to) => SealWay::Kem(&to.0, Purpose::ReadKem),
        }
    }
}

pub(crate) fn seal_history(
    label: &Label<'_>,
    key: &Secret,
    previous: &Secret,
    hedge: &Hedge,
) -> Result<Sealed, SealError> {
    seal_single(
        label,
        &SealWay::Symmetric(key),
        previous.as_bytes(),
        &Finish::Inner,
        hedge,
    )
}

pub(crate) fn open_history(
    label: &Label<'_>,
    key: &Secret,
    bytes: &[u8],
) -> Result<Secret, OpenError> {
    let ways = OpenWays {
        symmetric: Some(key),
        kem: None,
    };
    let opened = Zeroizing::new(open_single(label, &ways, bytes)?.into_bytes());
    let mut reader = Reader::new(&opened);
    let previous = Zeroizing::new(reader.array().map_err(|_| OpenError::Malformed)?);
    if reader.remaining() != 0 {
        return Err(OpenError::Malformed);
    }
    Ok(Secret::from_bytes(&previous))
}
