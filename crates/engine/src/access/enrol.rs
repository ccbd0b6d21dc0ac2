//! Enrolling a machine: it asks, and an admin's machine says yes.
//!
//! ```text
//! new machine                              storage              a machine of an admin
//! seed -> device key, code -> screen
//! Request under the code          ->  keys/request/<name>
//!                                                         <-    code typed, request opened
//! six words  ==================  compared by a person  ==================  six words
//!                                     AddIdentity, grant  <-
//! next run opens the grant
//! ```
//!
//! Who knows the code can have made the request; the words, which name the machine's keys *and* the repository, say that
//! it was this machine, and say to this machine that it was this repository.

use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, DeviceId, EnrolmentCode, Identity, IdentitySeed, Request, RequestKey,
};
use ownkey_storage::{ObjectName, Storage};

use super::Admin;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::format::layout;
use crate::format::roster::{Change, Introduced, Role};
use crate::io::{Io, Outgoing};
use crate::keyring::Holder;
use crate::monitor::Monitor;
use crate::repository::{Credential, DeviceKey, Guard, Repository, open, read_header};
use crate::state::{Enrolment, State};

/// What the new machine shows.
pub struct Asked {
    /// To be typed on a machine of an admin.
    pub code: EnrolmentCode,
    /// To be compared: numbers of words.
    pub words: [u16; 6],
    /// What opens the repository from then on.
    pub key: DeviceKey,
}

/// How a machine wants to be a device.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// What it should be called.
    pub label: &'a str,
    /// What its key is kept behind.
    pub guard: Guard<'a>,
}

/// What becomes of a key that this machine has.
#[derive(Clone, Copy)]
pub enum Before<'a> {
    /// It stays if it opens the repository: with what was read out of its file, where something guards it.
    Tried(Option<&'a DeviceKey>),
    /// It is put aside, whatever it opens.
    PutAside,
}

/// Asks for this machine to be enrolled in the repository in `storage`. Its key is
/// kept from now on and opens the repository as soon as an admin has approved it.
///
/// # Errors
/// [`Error::AlreadyEnrolled`], [`Error::DeviceKeyGuarded`]; those of the storage and of the state folder.
pub fn ask(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    (wish, before): (&Wish<'_>, Before<'_>),
    monitor: &dyn Monitor,
) -> Result<Asked> {
    let io = Io::new(Arc::clone(storage), environment);
    let repo = read_header(&io)?;
    let state = State::of(environment, &repo, io.location());
    let _lock = state.lock()?;
    match state.enrolment()? {
        Enrolment::None => {}
        Enrolment::Copied => state.set_aside_device_key()?,
        Enrolment::Own(_) => {
            let credential = match before {
                Before::Tried(None) => Some(Credential::Device),
                Before::Tried(Some(key)) => Some(Credential::DeviceKey(key)),
                Before::PutAside => None,
            };
            match credential.map(|credential| open(environment, storage, credential, monitor)) {
                Some(Ok(_)) => return Err(Error::AlreadyEnrolled(io.location().to_string())),
                // It was removed, or never approved: what opens nothing is not asked for again.
                None | Some(Err(Error::NoGrant)) => state.set_aside_device_key()?,
                Some(Err(error)) => return Err(error),
            }
        }
    }
    let random = environment.random.as_ref();
    let seed = IdentitySeed::generate(random)?;
    let code = EnrolmentCode::generate(random)?;
    let key = RequestKey::new(&code, &repo).map_err(Error::Stretch)?;
    let holder = Holder::new(&seed, Arc::clone(&environment.random));
    let request = Request {
        identity: holder.identity.public().clone(),
        time: environment.clock.now().seconds,
        label: wish.label.to_owned(),
    };
    let sealed = request.seal(&key, &holder.hedge)?;
    state.store_device_key(&seed, wish.guard, random)?;
    io.create(&layout::request(&key.name()), Outgoing::Object(sealed))?;
    Ok(Asked {
        code,
        words: request.identity.words(&repo),
        key: DeviceKey(seed),
    })
}

/// Makes this machine a device of its own in a repository that was opened by a way back; gives its id. Its
/// key is kept from now on.
///
/// # Errors
/// [`Error::AlreadyEnrolled`]; those of storing and of the state folder.
pub fn settle(
    repository: &mut Repository,
    wish: &Wish<'_>,
    capabilities: Capabilities,
    monitor: &dyn Monitor,
) -> Result<DeviceId> {
    match repository.state.enrolment()? {
        Enrolment::None => {}
        Enrolment::Copied => repository.state.set_aside_device_key()?,
        Enrolment::Own(_) => {
            let place = repository.location().to_string();
            return Err(Error::AlreadyEnrolled(place));
        }
    }
    let seed = IdentitySeed::generate(repository.environment.random.as_ref())?;
    let identity = Introduced {
        public: Identity::from_seed(&seed).public().clone(),
        role: Role::Device,
        capabilities,
        label: wish.label.to_owned(),
    };
    let device = repository.keys.names.device_id(&identity.public);
    Admin::of(repository, monitor)?.introduce(identity, device)?;
    // Last, so that a key in the state folder opens something.
    let random = repository.environment.random.as_ref();
    repository
        .state
        .store_device_key(&seed, wish.guard, random)?;
    Ok(device)
}

/// A request that was found under its code.
pub struct Found {
    /// Who asks.
    pub request: Request,
    name: ObjectName,
}

/// The request under a code.
///
/// # Errors
/// [`Error::NoRequest`], [`Error::Object`]; those of the storage.
pub fn find_request(repository: &Repository, code: &EnrolmentCode) -> Result<Found> {
    let key = RequestKey::new(code, &repository.id()).map_err(Error::Stretch)?;
    let name = layout::request(&key.name());
    let bytes = repository.io.find(&name)?.ok_or(Error::NoRequest)?;
    match Request::open(&bytes, &key) {
        Ok(request) => Ok(Found { request, name }),
        Err(source) => Err(Error::Object { name, source }),
    }
}

impl Admin<'_> {
    /// Enrols the machine that asked, with these capabilities. The caller has had the words compared.
    ///
    /// # Errors
    /// [`Error::RemovedBefore`]; those of storing.
    pub fn enrol(&mut self, request: &Request, capabilities: Capabilities) -> Result<DeviceId> {
        let device = self.repository.keys.names.device_id(&request.identity);
        self.introduce(
            Introduced {
                public: request.identity.clone(),
                role: Role::Device,
                capabilities,
                label: request.label.clone(),
            },
            device,
        )?;
        Ok(device)
    }

    /// Adds an identity, unless that was done before a crash, and grants it the epoch's keys.
    pub(super) fn introduce(&mut self, identity: Introduced, device: DeviceId) -> Result<()> {
        match self.repository.roster.member(&device) {
            Some(member) if member.removed.is_some() => return Err(Error::RemovedBefore),
            Some(_) => {}
            None => self.append(&Change::AddIdentity(Box::new(identity)))?,
        }
        self.put_grant(&device)
    }

    /// Takes away a request that was answered. It is of no use to anybody, so nothing depends on it.
    pub fn clear(&self, found: &Found) {
        self.repository.io.delete(std::slice::from_ref(&found.name));
    }
}
