//! From a place and a credential to an open repository.

use std::sync::Arc;
use std::time::SystemTime;

use ownkey_engine::environment::Environment;
use ownkey_engine::format::roster::Role;
use ownkey_engine::monitor::Monitor;
use ownkey_engine::repository::{
    self, Credential, DeviceKey, Enrolment, GuardKind, Lies, Repository,
};
use ownkey_engine::{Class as EngineClass, Error};
use ownkey_storage::{AsOf, Storage};
use zeroize::Zeroizing;

use crate::clock;
use crate::context::{Context, EngineRoom};
use crate::exit::Class;
use crate::failure::Failure;
use crate::guard::Guarded;
use crate::keys::{KitSecret, Password, RecoveryKey, RecoveryKeyError};
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose};
use crate::parity;
use crate::secrets::{DEVICE_PASSPHRASE, KIT_SECRET, Kind, PASSWORD, RECOVERY_KEY, Sources};
use crate::ui::progress::{Progress, Work};
use crate::witnesses;

/// An open repository with the threads its storage runs on.
pub(crate) struct Session {
    pub(crate) repository: Repository,
    pub(crate) place: RepositoryUrl,
    pub(crate) room: EngineRoom,
}

impl Session {
    /// Opens the repository the settings name.
    pub(crate) fn open(cx: &Context) -> Result<Self, Failure> {
        Self::open_to(cx, Purpose::Use)
    }

    /// Opens it for a purpose.
    pub(crate) fn open_to(cx: &Context, purpose: Purpose) -> Result<Self, Failure> {
        let place = cx.place()?;
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, &place, purpose)?;
        Self::unlock(cx, place, room, &storage)
    }

    /// Opens it as its owner, with the password or the recovery key, also where this machine has a key:
    /// for what a stolen machine must not be able to do.
    pub(crate) fn open_as_owner(cx: &Context) -> Result<Self, Failure> {
        let place = cx.place()?;
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, &place, Purpose::Write)?;
        Self::through(
            cx,
            place,
            room,
            (Shown::Present(storage, lies(cx)), Whose::Owner),
        )
    }

    /// Opens it with this credential and no other.
    pub(crate) fn open_with(cx: &Context, credential: Credential<'_>) -> Result<Self, Failure> {
        Self::open_at_place(cx, cx.place()?, credential)
    }

    /// The same for a repository that stands elsewhere than in the settings.
    pub(crate) fn open_at_place(
        cx: &Context,
        place: RepositoryUrl,
        credential: Credential<'_>,
    ) -> Result<Self, Failure> {
        Self::with(cx, place, cx.engine()?, credential)
    }

    /// Opens the same repository anew with a credential.
    pub(crate) fn reopen(self, cx: &Context, credential: Credential<'_>) -> Result<Self, Failure> {
        let Self { place, room, .. } = self;
        Self::with(cx, place, room, credential)
    }

    fn with(
        cx: &Context,
        place: RepositoryUrl,
        room: EngineRoom,
        credential: Credential<'_>,
    ) -> Result<Self, Failure> {
        let storage = opening::open(cx, &room, &place, Purpose::Write)?;
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        let lies = lies(cx);
        let open = match lies {
            Lies::AreTheEnd => repository::open,
            Lies::AreDoubts => repository::open_as_shown,
        };
        let mut repository = open(&room.environment, &storage, credential, &monitor)?;
        monitor.finish();
        witnesses::meet(cx, &mut repository, lies)?;
        tell_doubts(cx, &repository)?;
        // Whatever the verb stores: what a prune moves out of packs with parity has some again.
        repository.protect(parity::wished(cx.profile.parity));
        Ok(Self {
            repository,
            place,
            room,
        })
    }

    /// Opens it whatever contradicts it, for somebody who decides what to believe.
    pub(crate) fn open_in_doubt(cx: &Context) -> Result<Self, Failure> {
        let place = cx.place()?;
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, &place, Purpose::Write)?;
        let shown = Shown::Present(storage, Lies::AreDoubts);
        Self::through(cx, place, room, (shown, Whose::This))
    }

    /// Opens it for reading, as it is or as it was at a moment.
    pub(crate) fn open_at(
        cx: &Context,
        moment: Option<SystemTime>,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        let Some(moment) = moment else {
            return Self::open_to(cx, purpose);
        };
        let place = cx.place()?;
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, &place, Purpose::LookBack)?;
        let earlier = Arc::new(AsOf::new(storage, moment)?);
        cx.ui.note(&format!(
            "this is the repository as it was at {}; nothing can be written to it",
            clock::local_moment(moment)
        ));
        Self::through(cx, place, room, (Shown::Earlier(earlier), Whose::This))
    }

    /// Opens the repository in a storage that is open.
    pub(crate) fn unlock(
        cx: &Context,
        place: RepositoryUrl,
        room: EngineRoom,
        storage: &Arc<dyn Storage>,
    ) -> Result<Self, Failure> {
        let shown = Shown::Present(Arc::clone(storage), lies(cx));
        Self::through(cx, place, room, (shown, Whose::This))
    }

    /// The same with the credentials of one of two repositories.
    pub(crate) fn unlock_as(
        cx: &Context,
        place: RepositoryUrl,
        room: EngineRoom,
        storage: &Arc<dyn Storage>,
        whose: Whose,
    ) -> Result<Self, Failure> {
        let shown = Shown::Present(Arc::clone(storage), lies(cx));
        Self::through(cx, place, room, (shown, whose))
    }

    fn through(
        cx: &Context,
        place: RepositoryUrl,
        room: EngineRoom,
        (shown, whose): (Shown, Whose),
    ) -> Result<Self, Failure> {
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        let door = Door {
            cx,
            environment: &room.environment,
            shown,
            monitor: &monitor,
            whose,
        };
        let mut repository = door.open()?;
        monitor.finish();
        let lies = match door.shown {
            Shown::Present(_, lies) => lies,
            Shown::Earlier(_) => Lies::AreTheEnd,
        };
        witnesses::meet(cx, &mut repository, lies)?;
        tell_doubts(cx, &repository)?;
        Ok(Self {
            repository,
            place,
            room,
        })
    }
}

/// What the user wants to become of lies.
fn lies(cx: &Context) -> Lies {
    match cx.global.despite_lies {
        true => Lies::AreDoubts,
        false => Lies::AreTheEnd,
    }
}

/// Tells what contradicts what will be read; nobody must miss that.
fn tell_doubts(cx: &Context, repository: &Repository) -> Result<(), Failure> {
    for lie in repository.doubts() {
        cx.ui.tell_person(&format!("read in spite of this: {lie}"));
        cx.ui
            .json("doubt", serde_json::json!({ "message": lie.to_string() }))?;
    }
    Ok(())
}

/// Says so where a machine writes without a key of its own.
pub(crate) fn note_borrowed_identity(cx: &Context, repository: &Repository) {
    let me = repository.me();
    let borrowed = repository.roster().member(&me);
    if let Some(member) = borrowed.filter(|member| member.role == Role::Recovery) {
        cx.ui.note(&format!(
            "this machine has no key of its own in this repository and writes with that of the {}",
            member.label
        ));
    }
}

/// Wrong answers on a terminal before the program gives up.
const TRIES: usize = 3;

struct Door<'a> {
    cx: &'a Context,
    environment: &'a Environment,
    shown: Shown,
    monitor: &'a dyn Monitor,
    whose: Whose,
}

/// Which state of the repository the storage shows.
enum Shown {
    /// The one that is compared with what this machine has seen, and can be added to.
    Present(Arc<dyn Storage>, Lies),
    /// One that is past.
    Earlier(Arc<AsOf>),
}

/// Whose credentials are meant, of a command with two repositories.
pub(crate) enum Whose {
    /// Those of the repository that the settings name.
    This,
    /// The same, but for what this machine has itself.
    Owner,
    /// Those of the other one; its password has flags, too.
    Other(Sources),
}

impl Door<'_> {
    /// This machine's own key if it has one; else what the settings hold; else what is typed.
    fn open(&self) -> Result<Repository, Failure> {
        let storage = match &self.shown {
            Shown::Present(storage, _) => Arc::clone(storage),
            Shown::Earlier(storage) => Arc::<AsOf>::clone(storage) as Arc<dyn Storage>,
        };
        if !matches!(self.whose, Whose::Owner) {
            match repository::enrolment(self.environment, &storage)? {
                Enrolment::Own(GuardKind::Nothing) => return Ok(self.with(Credential::Device)?),
                Enrolment::Own(kind) => {
                    let key = self.guarded(&storage, kind)?;
                    return Ok(self.with(Credential::DeviceKey(&key))?);
                }
                Enrolment::Copied => self.cx.ui.note(
                    "the key in the state folder is that of another machine, from which the folder was copied; this machine gets one of \
                     its own with `ownkey device request`",
                ),
                Enrolment::None => {}
            }
        }
        if let Some(text) = self.secret(RECOVERY_KEY)? {
            let key = recovery_key(&text)?;
            return Ok(self.with(Credential::RecoveryKey(&key))?);
        }
        let kit = self.kit_secret()?;
        if let Some(password) = self.secret(PASSWORD)? {
            return Ok(self.with(Credential::Password(
                &Password::new(&password),
                kit.as_ref(),
            ))?);
        }
        self.ask(kit.as_ref())
    }

    /// This machine's key, which something guards.
    fn guarded(&self, storage: &Arc<dyn Storage>, kind: GuardKind) -> Result<DeviceKey, Failure> {
        let variable = match self.whose {
            Whose::This | Whose::Owner => DEVICE_PASSPHRASE,
            Whose::Other(_) => DEVICE_PASSPHRASE.of_the_other(),
        };
        let guarded = Guarded {
            cx: self.cx,
            environment: self.environment,
            storage,
            kind,
        };
        guarded.open(variable, |kind| self.secret(kind))
    }

    fn with(&self, credential: Credential<'_>) -> Result<Repository, Error> {
        match &self.shown {
            Shown::Present(storage, Lies::AreTheEnd) => {
                repository::open(self.environment, storage, credential, self.monitor)
            }
            Shown::Present(storage, Lies::AreDoubts) => {
                repository::open_as_shown(self.environment, storage, credential, self.monitor)
            }
            Shown::Earlier(storage) => {
                repository::open_earlier(self.environment, storage, credential, self.monitor)
            }
        }
    }

    fn secret(&self, kind: Kind) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.whose {
            Whose::This | Whose::Owner => self.cx.secret(kind),
            Whose::Other(flags) => self.cx.secret_of_the_other(kind, flags),
        }
    }

    /// The kit secret, if the user has one.
    fn kit_secret(&self) -> Result<Option<KitSecret>, Failure> {
        let Some(text) = self.secret(KIT_SECRET)? else {
            return Ok(None);
        };
        let parsed = KitSecret::parse(&text).map_err(|error| unreadable("kit secret", error))?;
        Ok(Some(parsed.key))
    }

    fn ask(&self, kit: Option<&KitSecret>) -> Result<Repository, Failure> {
        let Some(prompt) = self.cx.prompt() else {
            return Err(no_credential(&self.whose));
        };
        let question = match self.whose {
            Whose::This | Whose::Owner => "password or recovery key: ",
            Whose::Other(_) => "password or recovery key of the other repository: ",
        };
        let mut left = TRIES;
        loop {
            let typed = prompt.ask_secret(question)?;
            let opened = match RecoveryKey::parse(&typed) {
                Ok(parsed) => self.with(Credential::RecoveryKey(&parsed.key)),
                Err(_) => self.with(Credential::Password(&Password::new(&typed), kit)),
            };
            left -= 1;
            match opened {
                Err(error) if error.class() == EngineClass::WrongCredential && left > 0 => {
                    prompt.show("that does not open this repository; try again")?;
                }
                opened => return Ok(opened?),
            }
        }
    }
}

/// What to say where nobody can be asked.
fn no_credential(whose: &Whose) -> Failure {
    let (which, flags, variable) = match whose {
        Whose::This | Whose::Owner => ("this repository", "--password", "OWNKEY"),
        Whose::Other(_) => ("the other repository", "--to-password", "OWNKEY_TO"),
    };
    Failure::new(
        Class::WrongCredential,
        match whose {
            Whose::Owner => {
                "only its owner may do this, and neither password nor recovery key was given".to_owned()
            }
            _ => format!("this machine has no key of {which}, and no password was given"),
        },
    )
    .hint(format!(
        "give it with {flags}-file, {flags}-command or {variable}_PASSWORD, or run this on a terminal"
    ))
    .hint(format!(
        "or give the kit's recovery key with {variable}_RECOVERY_KEY_FILE"
    ))
}

fn recovery_key(text: &Zeroizing<String>) -> Result<RecoveryKey, Failure> {
    let parsed = RecoveryKey::parse(text).map_err(|error| unreadable("recovery key", error))?;
    Ok(parsed.key)
}

pub(crate) fn unreadable(noun: &str, error: RecoveryKeyError) -> Failure {
    Failure::new(
        Class::WrongCredential,
        format!("the {noun} cannot be read as one"),
    )
    .caused_by(&error)
    .hint("compare it with the kit, group by group")
}
