//! This machine's own key of a repository: whether there is one, and what it is kept behind.

use std::sync::Arc;

use ownkey_crypto::IdentitySeed;
use ownkey_storage::Storage;

use super::{Repository, read_header};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::guard::{Guard, GuardKind};
use crate::io::Io;
use crate::state::{Enrolment, State, pinned};

/// The key of this machine, out of its file.
pub struct DeviceKey(pub(crate) IdentitySeed);

/// Whether this machine has a key of the repository in `storage`.
///
/// # Errors
/// [`Error::StateTampered`]; those of the storage where this machine has not seen the repository yet.
pub fn enrolment(environment: &Environment, storage: &Arc<dyn Storage>) -> Result<Enrolment> {
    state(environment, storage)?.enrolment()
}

/// This machine's key of the repository in `storage`, opened once for as many uses as there are.
///
/// # Errors
/// [`Error::NotEnrolled`], [`Error::DeviceKeyGuarded`] if something else guards it, [`Error::WrongGuard`],
/// [`Error::Stretch`].
pub fn device_key(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    guard: Guard<'_>,
) -> Result<DeviceKey> {
    let seed = state(environment, storage)?.load_device_key(guard)?;
    let none = || Error::NotEnrolled(storage.location().to_string());
    seed.map(DeviceKey).ok_or_else(none)
}

/// Keeps this machine's key behind something else from now on. What the disk still has of the earlier file is
/// not erased.
///
/// # Errors
/// [`Error::Locked`]; those of the state folder.
pub fn keep_device_key(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    key: &DeviceKey,
    guard: Guard<'_>,
) -> Result<()> {
    let state = state(environment, storage)?;
    let _lock = state.lock()?;
    state.guard_device_key(&key.0, guard, environment.random.as_ref())
}

/// The folder of the repository that was at this place before; of the one that is there, on a new machine.
fn state(environment: &Environment, storage: &Arc<dyn Storage>) -> Result<State> {
    let io = Io::new(Arc::clone(storage), environment);
    let repo = match pinned(environment, io.location())? {
        Some(repo) => repo,
        None => read_header(&io)?,
    };
    Ok(State::of(environment, &repo, io.location()))
}

impl Repository {
    /// What this machine's own key is kept behind, if it has one.
    ///
    /// # Errors
    /// [`Error::StateTampered`].
    pub fn own_key(&self) -> Result<Option<GuardKind>> {
        Ok(match self.state.enrolment()? {
            Enrolment::Own(guard) => Some(guard),
            Enrolment::None | Enrolment::Copied => None,
        })
    }
}
