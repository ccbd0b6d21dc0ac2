//! The keys of an unlocked repository, of every epoch this identity can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, DeviceId, Epoch, Grant, Hedge, Identity, IdentitySeed, LogKeys, NameKeys,
    ObjectHash, Random, ReaderKeys, RepoId, WriterKeys,
};

use crate::error::{Error, Result};
use crate::roster::Roster;

/// Keys of one epoch.
struct EpochKeys {
    log: LogKeys,
    /// Absent for who may only write.
    reader: Option<ReaderKeys>,
}

/// All keys, and the identity that holds them.
pub(crate) struct Keyring {
    pub(crate) repo: RepoId,
    pub(crate) holder: Arc<Holder>,
    pub(crate) names: NameKeys,
    pub(crate) capabilities: Capabilities,
    writer: WriterKeys,
    epochs: BTreeMap<Epoch, EpochKeys>,
    granted: GrantVersion,
}

/// Which of the grants of one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GrantVersion {
    pub(crate) epoch: Epoch,
    /// Of all its bytes.
    pub(crate) hash: ObjectHash,
}

/// Who opens, and with which source of salts.
pub(crate) struct Holder {
    pub(crate) identity: Identity,
    pub(crate) hedge: Hedge,
    random: Arc<dyn Random>,
}

impl Holder {
    pub(crate) fn new(seed: &IdentitySeed, random: Arc<dyn Random>) -> Arc<Self> {
        let hedge = Hedge::new(seed, Arc::clone(&random));
        Arc::new(Self {
            identity: Identity::from_seed(seed),
            hedge,
            random,
        })
    }
}

impl Keyring {
    /// Walks from the granted epoch back to the first.
    pub(crate) fn unlock(
        repo: RepoId,
        holder: Arc<Holder>,
        (version, grant): (ObjectHash, &Grant),
        roster: &Roster,
    ) -> Result<Self> {
        let mut epochs = BTreeMap::new();
        let mut epoch = grant.epoch;
        let mut keys = EpochKeys {
            log: LogKeys::new(&grant.log, &repo, epoch),
            reader: grant
                .read
                .as_ref()
                .map(|read| ReaderKeys::new(read, &repo, epoch)),
        };
        let writer = match &keys.reader {
            Some(reader) => reader.writer(),
            None => WriterKeys::write_only(&grant.read_kem, &repo, epoch),
        };
        while let Some(before) = epoch.previous() {
            let earlier = keys.earlier(&repo, epoch, before, roster)?;
            epochs.insert(epoch, keys);
            (keys, epoch) = (earlier, before);
        }
        epochs.insert(epoch, keys);
        Ok(Self {
            repo,
            holder,
            names: NameKeys::new(&grant.dedup, &repo),
            capabilities: grant.capabilities,
            writer,
            epochs,
            granted: GrantVersion {
                epoch: grant.epoch,
                hash: version,
            },
        })
    }

    /// The device id of the identity that holds these keys.
    pub(crate) fn me(&self) -> DeviceId {
        self.names.device_id(self.holder.identity.public())
    }

    pub(crate) fn log(&self, epoch: Epoch) -> Result<&LogKeys> {
        self.epochs
            .get(&epoch)
            .map(|keys| &keys.log)
            .ok_or(Error::NoGrant)
    }

    pub(crate) fn current_log(&self) -> Result<&LogKeys> {
        self.log(self.granted.epoch)
    }

    /// Keys that read; an error for a device that may only write.
    pub(crate) fn reader(&self, epoch: Epoch) -> Result<&ReaderKeys> {
        let keys = self.epochs.get(&epoch).ok_or(Error::NoGrant)?;
        keys.reader.as_ref().ok_or(Error::NotAllowed("read"))
    }

    pub(crate) fn may_read(&self) -> bool {
        self.epochs.values().all(|keys| keys.reader.is_some())
    }

    /// The grant that was opened.
    pub(crate) fn granted(&self) -> GrantVersion {
        self.granted
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.holder.random.as_ref()
    }

    pub(crate) fn writer(&self) -> &WriterKeys {
        &self.writer
    }
}

impl EpochKeys {
    fn earlier(&self, repo: &RepoId, epoch: Epoch, before: Epoch, roster: &Roster) -> Result<Self> {
        let start = roster.epoch_start(epoch).ok_or(Error::NoGrant)?;
        let log = self
            .log
            .open_history(start.n, &start.log_history)
            .map_err(|_| Error::NoGrant)?;
        let read = match &self.reader {
            Some(reader) => Some(
                reader
                    .open_history(start.n, &start.read_history)
                    .map_err(|_| Error::NoGrant)?,
            ),
            None => None,
        };
        Ok(Self {
            log: LogKeys::new(&log, repo, before),
            reader: read.map(|read| ReaderKeys::new(&read, repo, before)),
        })
    }
}
