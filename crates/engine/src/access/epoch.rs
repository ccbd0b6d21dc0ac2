//! Beginning an epoch: new root keys for all who stand.

use ownkey_crypto::{DeviceId, Epoch, Grant, LogKey, LogKeys, ReadKey, ReaderKeys};

use super::{ATTEMPTS, Admin};
use crate::error::{Error, Result};
use crate::format::cbor;
use crate::format::roster::Change;
use crate::roster::Roster;

impl Admin<'_> {
    /// Draws new keys and grants them to every identity that stands. From now on this repository
    /// seals under them, and every other machine does from when it next looks.
    ///
    /// The entry that begins the epoch is put last: before it the grants are of an epoch that never began
    /// and nobody uses them.
    ///
    /// # Errors
    /// [`Error::Contended`]; those of storing.
    pub fn begin_epoch(mut self) -> Result<Epoch> {
        let begun = self.grant.epoch;
        let epoch = begun
            .next()
            .ok_or(Error::NotAllowed("begin any more epochs"))?;
        let keys = &self.repository.keys;
        let (repo, random) = (keys.repo, keys.random());
        let (read, log) = (ReadKey::generate(random)?, LogKey::generate(random)?);
        let readers = ReaderKeys::new(&read, &repo, epoch);
        let logs = LogKeys::new(&log, &repo, epoch);
        let Grant {
            read: old_read,
            log: old_log,
            dedup,
            capabilities,
            roster,
            signer,
            ..
        } = self.grant;
        let old_read = old_read.ok_or(Error::NotAllowed("read"))?;
        self.grant = Grant {
            epoch,
            read_kem: readers.read_kem_public(),
            read: Some(read),
            log,
            dedup,
            capabilities,
            roster,
            signer,
        };
        let mut granted = Vec::new();
        for _ in 0..ATTEMPTS {
            self.grant_all(&mut granted)?;
            let holder = &self.repository.keys.holder;
            let n = self.next();
            let read_history = readers.seal_history(n, &old_read, &holder.hedge)?;
            let log_history = logs.seal_history(n, &old_log, &holder.hedge)?;
            let entry = self.entry(&Change::NewEpoch {
                epoch,
                read_kem: self.grant.read_kem.to_bytes().to_vec(),
                read_history: read_history.into_bytes(),
                log_history: log_history.into_bytes(),
            });
            let body = cbor::encode(&entry);
            let sealed = logs.seal_roster(n, &body, &holder.identity, &holder.hedge)?;
            let put = self.put(n, sealed)?;
            self.repository.reread_roster(self.monitor)?;
            if let Some(ours) = put {
                return match self.repository.roster.contains(&ours) {
                    true => Ok(epoch),
                    false => Err(Error::Contended),
                };
            }
            if self.repository.keys.granted().epoch != begun {
                break;
            }
        }
        Err(Error::Contended)
    }

    /// Grants the new keys to all who stand and were not granted them yet.
    fn grant_all(&mut self, granted: &mut Vec<DeviceId>) -> Result<()> {
        let standing = |roster: &Roster| -> Vec<_> {
            roster
                .members()
                .filter(|member| member.removed.is_none())
                .map(|member| member.id)
                .collect()
        };
        for device in standing(&self.repository.roster) {
            if !granted.contains(&device) {
                self.put_grant(&device)?;
                granted.push(device);
            }
        }
        Ok(())
    }
}
