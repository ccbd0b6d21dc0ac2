//! What this machine's key is kept behind, as the user says it and as it is opened.
//!
//! Promise: nobody is asked where nobody can answer. A guarded key without what opens it is an error that names the
//! variables, so an unattended run ends instead of waiting.

use std::sync::Arc;

use ownkey_engine::environment::Environment;
use ownkey_engine::repository::{DeviceKey, Guard, GuardKind, Repository, device_key};
use ownkey_engine::{Error, Member};
use ownkey_storage::Storage;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keychain;
use crate::keys::{Password, Random, RecoveryKey};
use crate::new_password::{self, Choice};
use crate::secrets::{DEVICE_PASSPHRASE, Kind};
use crate::strength::Weak;

/// What a new key of this machine should be kept behind. Nothing, unless it is asked for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct GuardArgs {
    /// Keep this machine's key behind a passphrase, which every run here then needs
    #[arg(long, conflicts_with = "keychain")]
    device_passphrase: bool,
    /// Keep this machine's key behind the keychain of your desktop (Secret Service)
    #[arg(long)]
    keychain: bool,
}

impl GuardArgs {
    pub(crate) fn kind(self) -> GuardKind {
        match (self.device_passphrase, self.keychain) {
            (true, _) => GuardKind::Passphrase,
            (false, true) => GuardKind::Keychain,
            (false, false) => GuardKind::Nothing,
        }
    }

    /// Has it chosen, before anything is made.
    pub(crate) fn choose(self, cx: &Context, random: &dyn Random) -> Result<Chosen, Failure> {
        Chosen::of(cx, self.kind(), Choice::DevicePassphrase, random)
    }
}

/// What was chosen.
pub(crate) enum Chosen {
    Nothing,
    Passphrase(Password),
    Keychain(RecoveryKey),
}

impl Chosen {
    /// Has the person choose a passphrase, or the keychain give its key.
    pub(crate) fn of(
        cx: &Context,
        kind: GuardKind,
        choice: Choice,
        random: &dyn Random,
    ) -> Result<Self, Failure> {
        Ok(match kind {
            GuardKind::Nothing => Self::Nothing,
            GuardKind::Passphrase => {
                let prompt = cx.prompt();
                let prompt = prompt.as_ref();
                Self::Passphrase(new_password::choose(
                    cx,
                    prompt,
                    Weak::Refused,
                    choice,
                    random,
                )?)
            }
            GuardKind::Keychain => Self::Keychain(keychain::key_or_new(&cx.interrupt, random)?),
        })
    }

    pub(crate) fn guard(&self) -> Guard<'_> {
        match self {
            Self::Nothing => Guard::Nothing,
            Self::Passphrase(passphrase) => Guard::Passphrase(passphrase),
            Self::Keychain(key) => Guard::Keychain(key),
        }
    }
}

/// Wrong answers on a terminal before the program gives up.
const TRIES: usize = 3;

/// A key of this machine that is in its file.
pub(crate) struct Guarded<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) environment: &'a Environment,
    pub(crate) storage: &'a Arc<dyn Storage>,
    pub(crate) kind: GuardKind,
}

impl Guarded<'_> {
    /// Opens it: with the passphrase that `settings` give, which are read for no other guard, else with one that is
    /// typed; or with the keychain's key. `variable` is where a passphrase is given.
    pub(crate) fn open(
        &self,
        variable: Kind,
        settings: impl Fn(Kind) -> Result<Option<Zeroizing<String>>, Failure>,
    ) -> Result<DeviceKey, Failure> {
        match self.kind {
            GuardKind::Nothing => Ok(self.with(Guard::Nothing)?),
            GuardKind::Keychain => {
                let key = keychain::key(&self.cx.interrupt)?;
                Ok(self.with(Guard::Keychain(&key))?)
            }
            GuardKind::Passphrase => match settings(DEVICE_PASSPHRASE)? {
                Some(text) => Ok(self.with(Guard::Passphrase(&Password::new(&text)))?),
                None => self.ask(variable),
            },
        }
    }

    fn ask(&self, variable: Kind) -> Result<DeviceKey, Failure> {
        let Some(prompt) = self.cx.prompt() else {
            return Err(nobody_to_ask(variable.variable));
        };
        for left in (0..TRIES).rev() {
            let typed = prompt.ask_secret("passphrase of this machine's key: ")?;
            match self.with(Guard::Passphrase(&Password::new(&typed))) {
                Err(Error::WrongGuard(_)) if left > 0 => {
                    prompt.show("that does not open it; try again")?;
                }
                opened => return Ok(opened?),
            }
        }
        Err(Error::WrongGuard(self.kind).into())
    }

    fn with(&self, guard: Guard<'_>) -> Result<DeviceKey, Error> {
        device_key(self.environment, self.storage, guard)
    }
}

/// What runs here need, as the end of a sentence.
pub(crate) fn needed(kind: GuardKind) -> &'static str {
    match kind {
        GuardKind::Nothing => "no password",
        GuardKind::Passphrase => "the device passphrase and no password",
        GuardKind::Keychain => "this user's unlocked keychain and no password",
    }
}

/// In JSON, and as `device protect` takes it.
pub(crate) fn word(kind: GuardKind) -> &'static str {
    match kind {
        GuardKind::Nothing => "nothing",
        GuardKind::Passphrase => "passphrase",
        GuardKind::Keychain => "keychain",
    }
}

/// What the key of `member` is kept behind, if that is this machine: no other one knows.
pub(crate) fn of_member(
    repository: &Repository,
    member: &Member,
) -> Result<Option<GuardKind>, Failure> {
    Ok(match member.id == repository.me() {
        true => repository.own_key()?,
        false => None,
    })
}

/// This machine's key of the repository that the settings name.
pub(crate) fn own_key(
    cx: &Context,
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    kind: GuardKind,
) -> Result<DeviceKey, Failure> {
    let guarded = Guarded {
        cx,
        environment,
        storage,
        kind,
    };
    guarded.open(DEVICE_PASSPHRASE, |kind| cx.secret(kind))
}

fn nobody_to_ask(variable: &str) -> Failure {
    Failure::new(
        Class::WrongCredential,
        "the key of this machine is kept behind a passphrase, and none was given",
    )
    .hint(format!(
        "give it with {variable}, {variable}_FILE or {variable}_COMMAND, or run this on a terminal"
    ))
    .hint("if it is lost: ownkey device request --new-key; nothing else is lost with it")
}
