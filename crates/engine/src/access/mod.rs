//! Changing who has access: what only an admin does.
//!
//! ```text
//! enrol     AddIdentity, then a grant of the epoch in force
//! expel     Remove, a look at the log to its end, Cut; then a new epoch, or what was taken could still read
//! epoch     grants for all who stand, then NewEpoch: the entry is the commit point, as everywhere
//! ways      a recovery identity: its slot, AddIdentity, Slot, a grant
//! contacts  a way back whose secret is shared out
//! accept    an Accept for every log that is in doubt
//! ```
//!
//! Every step can be the last before a crash: what is there then takes nothing from anybody, and the next admin's
//! command completes a removal that lacks its cut.

mod accept;
mod contacts;
mod enrol;
mod epoch;
mod expel;
mod ways;

use ownkey_crypto::{Capabilities, DeviceId, Grant, Sealed};
use ownkey_storage::ObjectName;

use crate::error::{Error, Result};
use crate::format::cbor;
use crate::format::entry::RosterPosition;
use crate::format::layout::{self, Object};
use crate::format::roster::{Change, RosterEntry};
use crate::monitor::Monitor;
use crate::repository::{Repository, put, unlock};
use crate::state::Lock;

pub use accept::accept;
pub use contacts::{Contact, Given, Kept, Part, Person, contact_words};
pub use enrol::{Asked, Before, Found, Wish, ask, find_request, settle};
pub use ways::{SlotOf, slots_of, strangers};

/// An admin at work: holds the root keys that the grant of its identity has, until dropped.
pub struct Admin<'r> {
    repository: &'r mut Repository,
    monitor: &'r dyn Monitor,
    grant: Grant,
    _lock: Lock,
}

/// Times that an entry is put behind another admin's.
const ATTEMPTS: usize = 8;

impl<'r> Admin<'r> {
    /// Takes up the work, and completes removals that were left without a cut.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the identity that opened the repository is no admin; those of reading.
    pub fn of(repository: &'r mut Repository, monitor: &'r dyn Monitor) -> Result<Self> {
        repository.must_be_writable()?;
        let mut admin = Self::take_up(repository, monitor)?;
        admin.finish_removals()?;
        Ok(admin)
    }

    fn take_up(repository: &'r mut Repository, monitor: &'r dyn Monitor) -> Result<Self> {
        if repository.roster.standing_admin(&repository.me()).is_none() {
            return Err(Error::NotAllowed("change who has access"));
        }
        let lock = repository.state.lock()?;
        repository.reread_roster(monitor)?;
        let grant = unlock::own_grant(&repository.io, &repository.keys, &repository.roster)?;
        Ok(Self {
            repository,
            monitor,
            grant,
            _lock: lock,
        })
    }

    /// The repository, as the changes so far have left it.
    pub fn repository(&self) -> &Repository {
        self.repository
    }

    /// Gives an identity another name.
    ///
    /// # Errors
    /// Those of storing.
    pub fn rename(&mut self, device: &DeviceId, label: &str) -> Result<()> {
        self.append(&Change::Label {
            device: *device,
            label: label.to_owned(),
        })
    }

    /// Puts an entry at the end of the roster; behind whatever another admin puts there meanwhile.
    fn append(&mut self, change: &Change) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let entry = self.entry(change);
            if !self.repository.roster.admits(&entry) {
                return Err(Error::NotAllowed("make this change"));
            }
            let sealed = self.repository.keys.current_log()?.seal_roster(
                entry.n,
                &cbor::encode(&entry),
                &self.repository.keys.holder.identity,
                &self.repository.keys.holder.hedge,
            )?;
            let put = self.put(entry.n, sealed)?;
            self.look_again()?;
            match put {
                Some(at) if self.repository.roster.contains(&at) => return Ok(()),
                _ => {}
            }
        }
        Err(Error::Contended)
    }

    /// Stores entry `n`, unless another admin's stands at the same place: then it is taken back.
    ///
    /// Looked at after the own entry is there: of two that are put at once at least one sees the other, and who
    /// sees another gives way, because the other may have looked before and told its user that it is done. Where
    /// nothing can be deleted both stay, and the smaller hash is followed (docs/format.md §12).
    fn put(&self, n: u32, sealed: Sealed) -> Result<Option<RosterPosition>> {
        let io = &self.repository.io;
        let hash = put::roster_entry(io, n, sealed)?;
        let is_rival = |name: &ObjectName| match Object::parse(name) {
            Some(Object::RosterEntry(at, other)) => at == n && other != hash,
            _ => false,
        };
        if io
            .list(&layout::roster())?
            .iter()
            .any(|object| is_rival(&object.name))
        {
            io.delete(&[layout::roster_entry(n, &hash)]);
            return Ok(None);
        }
        Ok(Some(RosterPosition { n, hash }))
    }

    fn next(&self) -> u32 {
        self.repository.roster.position().n.saturating_add(1)
    }

    fn entry(&self, change: &Change) -> RosterEntry {
        RosterEntry {
            n: self.next(),
            previous: self.repository.roster.position().hash,
            signer: self.repository.me(),
            time: self.repository.environment.clock.now(),
            change: change.clone(),
        }
    }

    /// Reads the roster again; if a new epoch has begun meanwhile, its keys are those to pass on.
    fn look_again(&mut self) -> Result<()> {
        self.repository.reread_roster(self.monitor)?;
        if self.repository.keys.granted().epoch != self.grant.epoch {
            self.grant = unlock::own_grant(
                &self.repository.io,
                &self.repository.keys,
                &self.repository.roster,
            )?;
        }
        Ok(())
    }

    /// Stores the keys of this grant's epoch for an identity of the roster.
    fn put_grant(&mut self, device: &DeviceId) -> Result<()> {
        let Some(member) = self.repository.roster.standing(device) else {
            return Err(Error::NoGrant);
        };
        let RosterPosition { n, hash } = self.repository.roster.position();
        self.grant.roster = (n, hash);
        self.grant.signer = self.repository.me();
        self.grant.capabilities = member.capabilities;
        let may_read = member.capabilities.contain(Capabilities::READ);
        // Who may not read is not given what reads.
        let held = if may_read {
            None
        } else {
            self.grant.read.take()
        };
        let keys = &self.repository.keys;
        let sealed = self.grant.seal(
            &member.public,
            &keys.repo,
            &keys.holder.identity,
            &keys.holder.hedge,
        );
        if held.is_some() {
            self.grant.read = held;
        }
        put::grant(
            &self.repository.io,
            &member.public.grant_name(&keys.repo),
            self.grant.epoch,
            sealed?,
        )
    }
}
