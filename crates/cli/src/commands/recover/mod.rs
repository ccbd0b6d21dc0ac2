//! `ownkey recover`: everything back on an empty machine, with the kit alone.

mod before;
mod choosing;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ownkey_engine::access::{Admin, Wish, settle};
use ownkey_engine::fingerprint;
use ownkey_engine::format::roster::Role;
use ownkey_engine::repository::{Credential, Snapshot};
use ownkey_engine::restore::{self, RestoreOptions};
use ownkey_engine::tree::Browser;
use serde_json::json;
use zeroize::Zeroizing;

use super::device::{standing, thrown_out};
use super::restore::told;
use crate::args;
use crate::clock;
use crate::context::{Context, host_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::gathering::{Gathering, GatheringArgs};
use crate::guard::{self, Chosen, GuardArgs};
use crate::keys::{Capabilities, ContactsSecret, DeviceId, OsRandom, RecoveryKey};
use crate::kit::{self, TypedKit};
use crate::location::RepositoryUrl;
use crate::members::{Wanted, find};
use crate::prompt::Prompt;
use crate::secrets::{self, RECOVERY_KEY};
use crate::session::{Session, unreadable};
use crate::spec::short_id;
use crate::storage_key::StorageKey;
use crate::ui::progress::{Progress, Work};
use before::Predecessor;

/// How to come back. What is not given is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoverArgs {
    /// The kit as a text file
    #[arg(long, value_name = "FILE")]
    kit: Option<PathBuf>,
    /// By recovery contacts, without a kit
    #[arg(long, conflicts_with = "kit")]
    contacts: bool,
    #[command(flatten)]
    answers: GatheringArgs,
    /// The fingerprint on the kit, eight words
    #[arg(long, value_name = "WORDS")]
    fingerprint: Option<String>,
    /// The machine whose files to get back, by the name in its backups
    #[arg(long, value_name = "HOST")]
    machine: Option<String>,
    /// Which snapshot, by the beginning of its id; else that machine's newest
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// The folder to restore into; made if it is missing
    #[arg(short, long, value_name = "FOLDER")]
    target: Option<PathBuf>,
    /// What this machine should be called; it becomes a device of its own
    #[arg(long, value_name = "NAME", conflicts_with = "no_device")]
    name: Option<String>,
    /// Restore only: this machine gets no key
    #[arg(long)]
    no_device: bool,
    #[command(flatten)]
    guard: GuardArgs,
    /// Throw out the device that was lost
    #[arg(long, value_name = "DEVICE")]
    remove: Vec<String>,
    /// Go on as the machine that was restored: take its name and its profile, and throw its old key out
    #[arg(long, conflicts_with_all = ["as_new", "no_device", "name"])]
    as_old: bool,
    /// Go on as a machine of its own, without asking
    #[arg(long)]
    as_new: bool,
    /// Ask nothing: the newest snapshot, and this machine becomes a device of its own
    #[arg(long)]
    yes: bool,
}

/// Comes back.
pub(crate) fn run(cx: &Context, args: &RecoverArgs) -> Result<Class, Failure> {
    let mut recovery = Recovery {
        cx,
        args,
        prompt: cx.prompt().filter(|_| !args.yes),
        guard: args.guard.choose(cx, &OsRandom)?,
    };
    let (mut session, held) = recovery.open()?;
    let snapshot = recovery.choose(&session.repository.snapshots())?;
    let class = match &snapshot {
        Some(snapshot) => recovery.restore(&session, snapshot)?,
        None => {
            cx.ui.line("there are no snapshots in this repository")?;
            Class::Ok
        }
    };
    let before = recovery.predecessor(&session, snapshot.as_ref())?;
    let lost = recovery.lost(&session, before.as_ref())?;
    let place = session.place.to_string();
    if before.is_some() || recovery.wants_device()? {
        session = recovery.settle(session, &held, before.as_ref())?;
    }
    recovery.throw_out(session, &lost)?;
    if let Some(before) = before {
        before.take_habits(cx, &place)?;
    }
    held.end()?;
    Ok(class)
}

/// What opened the repository.
enum Held {
    Key(RecoveryKey),
    Contacts(ContactsSecret, Box<Gathering>),
}

impl Held {
    fn credential(&self) -> Credential<'_> {
        match self {
            Self::Key(key) => Credential::RecoveryKey(key),
            Self::Contacts(secret, _) => Credential::Contacts(secret),
        }
    }

    /// Everything is back.
    fn end(self) -> Result<(), Failure> {
        match self {
            Self::Key(_) => Ok(()),
            Self::Contacts(_, gathering) => gathering.end(),
        }
    }
}

/// One way back.
struct Recovery<'a> {
    cx: &'a Context,
    args: &'a RecoverArgs,
    /// Nobody, where nothing is to be asked.
    prompt: Option<Prompt<'a>>,
    /// What this machine's key is going to be kept behind; chosen first, so that nothing fails for want of it.
    guard: Chosen,
}

impl Recovery<'_> {
    /// From the kit to the repository that it is the kit of.
    fn open(&mut self) -> Result<(Session, Held), Failure> {
        let mut kit = match &self.args.kit {
            Some(path) => kit::read(&secrets::text_of("kit", path)?)?,
            None => TypedKit::default(),
        };
        if let Some(words) = &self.args.fingerprint {
            kit.fingerprint = Some(kit::fingerprint(words)?);
        }
        let place = self.place(kit.repository.take())?;
        self.log_in(&place, kit.storage_key.take())?;
        let held = match self.args.contacts {
            true => {
                let gathering = Gathering::begin(self.cx, &place)?;
                let secret = gathering.collect(self.cx, &self.args.answers)?;
                Held::Contacts(secret, Box::new(gathering))
            }
            false => Held::Key(self.key(kit.recovery_key.take())?),
        };
        let session = Session::open_at_place(self.cx, place, held.credential())?;
        if kit.fingerprint.is_none()
            && let Some(prompt) = &self.prompt
        {
            let typed = prompt.ask("fingerprint (eight words; Enter if you have none): ")?;
            if !typed.trim().is_empty() {
                kit.fingerprint = Some(kit::fingerprint(&typed)?);
            }
        }
        match kit.fingerprint {
            Some(words) => {
                fingerprint::find(&session.repository, &words)?;
                self.cx.ui.remark(
                    "the fingerprint is right: this is the repository of the kit, and at least as new",
                )?;
            }
            None => self.cx.ui.note(
                "without the fingerprint nobody can tell whether the storage shows an older state",
            ),
        }
        Ok((session, held))
    }

    fn place(&self, on_kit: Option<String>) -> Result<RepositoryUrl, Failure> {
        if let Some(place) = self.cx.place_if_told()? {
            return Ok(place);
        }
        let written = match (on_kit, &self.prompt) {
            (Some(place), _) => place,
            (None, Some(prompt)) => prompt.ask("repository, as on the kit: ")?.trim().to_owned(),
            (None, None) => {
                return Err(Failure::usage("which repository?")
                    .hint("give the kit with --kit FILE, or the place with --repo"));
            }
        };
        let here = std::env::current_dir().ok();
        self.cx
            .read_place(&OsString::from(written), here.as_deref())
    }

    /// Takes the storage's key from the kit, or has it typed, unless this machine has one.
    fn log_in(&self, place: &RepositoryUrl, on_kit: Option<StorageKey>) -> Result<(), Failure> {
        let (cx, environment) = (self.cx, args::environment());
        if !matches!(place, RepositoryUrl::S3(_)) || StorageKey::is_told(environment) {
            return Ok(());
        }
        let key = match (on_kit, &self.prompt) {
            (Some(key), _) => {
                cx.ui
                    .remark("the storage's key is taken from the kit, for this run")?;
                Some(key)
            }
            (None, Some(prompt)) if !self.has_own_key() => StorageKey::ask(prompt)?,
            (None, _) => None,
        };
        if let Some(key) = key {
            // Nobody has given another one: there is one kit.
            let _ = cx.storage_key.set(key);
        }
        Ok(())
    }

    /// Whether there is a place of this machine where the storage's client looks for keys.
    fn has_own_key(&self) -> bool {
        let in_home = std::env::home_dir().is_some_and(|home| home.join(".aws").is_dir());
        self.cx.storage.s3_instance_credentials || in_home
    }

    fn key(&self, on_kit: Option<Zeroizing<String>>) -> Result<RecoveryKey, Failure> {
        const TRIES: usize = 3;
        let given = match on_kit {
            Some(key) => Some(key),
            None => self.cx.secret(RECOVERY_KEY)?,
        };
        if let Some(text) = given {
            let parsed =
                RecoveryKey::parse(&text).map_err(|error| unreadable("recovery key", error))?;
            return Ok(parsed.key);
        }
        let Some(prompt) = &self.prompt else {
            return Err(Failure::usage("the recovery key is missing")
                .hint("give the kit with --kit FILE, or the key with OWNKEY_RECOVERY_KEY_FILE"));
        };
        for left in (0..TRIES).rev() {
            let typed = prompt.ask_secret("recovery key: ")?;
            match RecoveryKey::parse(&typed) {
                Ok(parsed) => return Ok(parsed.key),
                Err(error) if left > 0 => prompt.show(&format!("{error}; once more"))?,
                Err(error) => return Err(unreadable("recovery key", error)),
            }
        }
        Err(Failure::usage("the recovery key is missing"))
    }

    fn restore(&self, session: &Session, snapshot: &Snapshot) -> Result<Class, Failure> {
        let cx = self.cx;
        let target = match (&self.args.target, &self.prompt) {
            (Some(target), _) => target.clone(),
            (None, Some(prompt)) => {
                let typed = prompt.ask("restore into which folder (Enter: not now)? ")?;
                if typed.trim().is_empty() {
                    cx.ui.line(&format!(
                        "nothing was restored; later: ownkey restore {} --target FOLDER",
                        short_id(&snapshot.id)
                    ))?;
                    return Ok(Class::Ok);
                }
                PathBuf::from(typed.trim())
            }
            (None, None) => {
                return Err(Failure::usage("where should the files go?")
                    .hint("give a folder with --target FOLDER"));
            }
        };
        self.restore_into(session, snapshot, &target)
    }

    fn restore_into(
        &self,
        session: &Session,
        snapshot: &Snapshot,
        target: &Path,
    ) -> Result<Class, Failure> {
        let cx = self.cx;
        cx.ui.remark(&format!(
            "restoring {} of {} ({})",
            short_id(&snapshot.id),
            snapshot.record.host,
            clock::local(snapshot.record.started.seconds, 0)
        ))?;
        let options = RestoreOptions::into_folder(target);
        let browser = Browser::new(&session.repository)?;
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Restore);
        let report = restore::run(&session.repository, &browser, snapshot, &options, &monitor)?;
        monitor.finish();
        told(cx, target, options.mode, &monitor, &report)
    }

    fn wants_device(&self) -> Result<bool, Failure> {
        match (&self.prompt, self.args.no_device) {
            (_, true) => Ok(false),
            (Some(prompt), false) if self.args.name.is_none() => prompt.agrees(
                "should this machine get a key of its own, to back up and restore without the kit?",
            ),
            _ => Ok(true),
        }
    }

    /// Makes this machine a device, and opens the repository as that.
    fn settle(
        &self,
        mut session: Session,
        held: &Held,
        before: Option<&Predecessor>,
    ) -> Result<Session, Failure> {
        let cx = self.cx;
        let name = match before {
            Some(before) => before.name.clone(),
            None => self.args.name.clone().unwrap_or_else(host_name),
        };
        let wish = Wish {
            label: &name,
            guard: self.guard.guard(),
        };
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        let device = settle(&mut session.repository, &wish, Capabilities::ALL, &monitor)?;
        monitor.finish();
        cx.ui.line(&format!(
            "{name} is a device now: ownkey backup and ownkey restore need {} here",
            guard::needed(wish.guard.kind())
        ))?;
        if cx.storage_key.get().is_some() {
            cx.ui.note(
                "the storage's key was used for this run and is kept nowhere: backups need it in ~/.aws/credentials or the environment",
            );
        }
        cx.ui.json(
            "device_enrolled",
            json!({ "id": device.to_string(), "name": name, "guard": guard::word(wish.guard.kind()) }),
        )?;
        session.reopen(cx, held.credential())
    }

    /// Devices to throw out: those that were named, or that somebody here says are lost.
    fn lost(
        &self,
        session: &Session,
        before: Option<&Predecessor>,
    ) -> Result<Vec<(DeviceId, String)>, Failure> {
        let roster = session.repository.roster();
        let replaced = before.and_then(|before| Some((before.device?, before.name.clone())));
        let mut lost: Vec<_> = replaced.into_iter().collect();
        for name in &self.args.remove {
            let member = find(roster, name, Wanted::Standing)?;
            if lost.iter().all(|(id, _)| *id != member.id) {
                lost.push((member.id, member.label.clone()));
            }
        }
        let Some(prompt) = &self.prompt else {
            return Ok(lost);
        };
        for member in standing(&session.repository, Role::Device) {
            let named = lost.iter().any(|(id, _)| *id == member.id);
            let question = format!(
                "is {:?} lost or stolen, and should it be thrown out?",
                member.label
            );
            if !named && prompt.agrees(&question)? {
                lost.push((member.id, member.label.clone()));
            }
        }
        Ok(lost)
    }

    fn throw_out(&self, mut session: Session, lost: &[(DeviceId, String)]) -> Result<(), Failure> {
        let cx = self.cx;
        if lost.is_empty() {
            return Ok(());
        }
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        let mut admin = Admin::of(&mut session.repository, &monitor)?;
        for (device, _) in lost {
            admin.remove(device)?;
        }
        let epoch = admin.begin_epoch()?;
        monitor.finish();
        thrown_out(cx, lost, Some(epoch.get()))
    }
}
