//! What grows from LK_e: the envelopes of the log and the roster (docs/format.md §12, §13).
//!
//! Every enrolled device has these keys, write-only ones too, so what opens under them is [`Unverified`]: its author must
//! be found in the roster and its signature verified before a byte of it counts.

use crate::envelope::{Finish, open_signed, seal_single};
use crate::epoch_keys::{epoch_context, open_history, seal_history};
use crate::error::{OpenError, SealError};
use crate::header::{OpenWays, SealWay};
use crate::hedge::Hedge;
use crate::identity::Identity;
use crate::ids::{Epoch, RepoId, roster_label};
use crate::kdf::derive;
use crate::keys::LogKey;
use crate::label::{Class, Label};
use crate::sealed::{Sealed, Unverified};
use crate::secret::Secret;

/// Seals and opens log and roster entries of one epoch.
pub struct LogKeys {
    log: Secret,
    roster: RosterKeys,
}

impl LogKeys {
    /// Of epoch `epoch` of one repository.
    #[must_use]
    pub fn new(log: &LogKey, repo: &RepoId, epoch: Epoch) -> Self {
        let key = derive(log.0.as_bytes(), "log", &epoch_context(repo, epoch));
        Self {
            log: key,
            roster: RosterKeys::new(log, repo, epoch),
        }
    }

    /// Which epoch they are of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.roster.epoch
    }

    /// The part that opens the roster.
    #[must_use]
    pub fn roster_keys(&self) -> &RosterKeys {
        &self.roster
    }

    /// Seals and signs the log entry `name` ([`crate::log_name`]).
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_log(
        &self,
        name: &str,
        body: &[u8],
        signer: &Identity,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        let label = self.roster.label(Class::Log, name);
        seal_single(
            &label,
            &SealWay::Symmetric(&self.log),
            body,
            &Finish::Signed(signer),
            hedge,
        )
    }

    /// Opens the log entry `name`.
    ///
    /// # Errors
    /// [`OpenError`]; an entry under another name is [`OpenError::WrongKey`].
    pub fn open_log(&self, name: &str, object: &[u8]) -> Result<Unverified, OpenError> {
        open_signed(
            &self.roster.label(Class::Log, name),
            &symmetric(&self.log),
            object,
        )
    }

    /// Seals and signs roster entry `n`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_roster(
        &self,
        n: u32,
        body: &[u8],
        signer: &Identity,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        let name = roster_label(n);
        let label = self.roster.label(Class::Roster, &name);
        seal_single(
            &label,
            &SealWay::Symmetric(&self.roster.roster),
            body,
            &Finish::Signed(signer),
            hedge,
        )
    }

    /// Opens roster entry `n`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_roster(&self, n: u32, object: &[u8]) -> Result<Unverified, OpenError> {
        self.roster.open_roster(n, object)
    }

    /// Seals LK of the epoch before, for roster entry `n` that begins this epoch.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_history(
        &self,
        n: u32,
        previous: &LogKey,
        hedge: &Hedge,
    ) -> Result<Sealed, SealError> {
        let name = roster_label(n);
        seal_history(
            &self.roster.label(Class::History, &name),
            &self.roster.history,
            &previous.0,
            hedge,
        )
    }

    /// LK of the epoch before, from roster entry `n`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_history(&self, n: u32, bytes: &[u8]) -> Result<LogKey, OpenError> {
        self.roster.open_history(n, bytes)
    }
}

/// Opens roster entries, and no more: what a grant gives before its signer is known.
pub struct RosterKeys {
    repo: RepoId,
    epoch: Epoch,
    roster: Secret,
    history: Secret,
}

impl RosterKeys {
    pub(crate) fn new(log: &LogKey, repo: &RepoId, epoch: Epoch) -> Self {
        let context = epoch_context(repo, epoch);
        let key = |label| derive(log.0.as_bytes(), label, &context);
        Self {
            repo: *repo,
            epoch,
            roster: key("roster"),
            history: key("log-history"),
        }
    }

    /// Which epoch they are of.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Opens roster entry `n`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_roster(&self, n: u32, object: &[u8]) -> Result<Unverified, OpenError> {
        open_signed(
            &self.label(Class::Roster, &roster_label(n)),
            &symmetric(&self.roster),
            object,
        )
    }

    /// The roster keys of the epoch before, from the history of LK in roster entry `n`.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::WrongEpoch`] before the first.
    pub fn earlier(&self, n: u32, history: &[u8]) -> Result<Self, OpenError> {
        let previous = self.epoch.previous().ok_or(OpenError::WrongEpoch)?;
        Ok(Self::new(
            &self.open_history(n, history)?,
            &self.repo,
            previous,
        ))
    }

    fn open_history(&self, n: u32, bytes: &[u8]) -> Result<LogKey, OpenError> {
        open_history(
            &self.label(Class::History, &roster_label(n)),
            &self.history,
            bytes,
        )
        .map(LogKey)
    }

    fn label<'a>(&self, class: Class, name: &'a str) -> Label<'a> {
        Label {
            class,
            repo: self.repo,
            epoch: self.epoch,
            name,
        }
    }
}

fn symmetric(key: &Secret) -> OpenWays<'_> {
    OpenWays {
        symmetric: Some(key),
        kem: None,
    }
}
