//! `ownkey device`: the machines that have a key of the repository.

mod approve;
mod protect;
mod request;

use clap::Subcommand;
use ownkey_engine::access::Admin;
use ownkey_engine::format::roster::Role;
use ownkey_engine::repository::{GuardKind, Repository};
use ownkey_engine::{Member, abilities};
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::guard;
use crate::keys::{DeviceId, Epoch};
use crate::members::{Wanted, find};
use crate::session::Session;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::table::{Align, Table};

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the machines that have a key
    List,
    /// Say everything known of one
    Show {
        /// Its name, or the beginning of its id
        device: String,
    },
    /// Give one another name
    Rename {
        /// Its name, or the beginning of its id
        device: String,
        /// The new name
        name: String,
    },
    /// Take one's rights away, and begin new keys that it does not get
    Remove(RemoveArgs),
    /// Ask for this machine to be let in: prints a code for a machine that is
    Request(request::RequestArgs),
    /// Say what this machine's key is kept behind: a passphrase, the keychain, or nothing
    Protect(protect::ProtectArgs),
    /// Let in the machine that shows a code
    Approve(approve::ApproveArgs),
}

/// Which devices to remove.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Names, or beginnings of ids
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<String>,
    /// Keep the keys: the removed device adds nothing, and goes on reading what it can get hold of
    #[arg(long)]
    keep_keys: bool,
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &DeviceCommand) -> Result<Class, Failure> {
    match command {
        DeviceCommand::List => list(cx),
        DeviceCommand::Show { device } => show(cx, device),
        DeviceCommand::Rename { device, name } => rename(cx, device, name),
        DeviceCommand::Remove(args) => remove(cx, args),
        DeviceCommand::Request(args) => request::run(cx, args),
        DeviceCommand::Protect(args) => protect::run(cx, args),
        DeviceCommand::Approve(args) => approve::run(cx, args),
    }
}

fn list(cx: &Context) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    let repository = &session.repository;
    let mut table = Table::new(&[
        ("id", Align::Left),
        ("may", Align::Left),
        ("since", Align::Left),
        ("last backup", Align::Left),
        ("name", Align::Left),
    ]);
    for member in standing(repository, Role::Device) {
        cx.ui.json("device", described(repository, member)?)?;
        let is_this = member.id == repository.me();
        let mark = match guard::of_member(repository, member)? {
            Some(guard) if guard != GuardKind::Nothing => {
                format!(" (this machine; its key behind {guard})")
            }
            _ if is_this => " (this machine)".to_owned(),
            _ => String::new(),
        };
        table.row([
            short(member),
            abilities(member.capabilities).join(", "),
            clock::day(repository.roster().added(member).seconds),
            last_backup(repository, member).unwrap_or_else(|| "none".to_owned()),
            format!("{}{mark}", member.label),
        ]);
    }
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    Ok(Class::Ok)
}

/// Members of one role that were not removed.
pub(in crate::commands) fn standing(
    repository: &Repository,
    role: Role,
) -> impl Iterator<Item = &Member> {
    let members = repository.roster().members();
    members.filter(move |member| member.removed.is_none() && member.role == role)
}

fn described(repository: &Repository, member: &Member) -> Result<serde_json::Value, Failure> {
    let guard = guard::of_member(repository, member)?;
    let since = repository.roster().added(member);
    Ok(json!({
        "id": member.id.to_string(),
        "name": member.label,
        "capabilities": abilities(member.capabilities),
        "since": clock::rfc3339(since.seconds, since.nanoseconds),
        "removed": member.removed.is_some(),
        "current": member.id == repository.me(),
        "guard": guard.map(guard::word),
    }))
}

fn last_backup(repository: &Repository, member: &Member) -> Option<String> {
    let mut snapshots = repository.snapshots().into_iter();
    let newest = snapshots.rfind(|snapshot| snapshot.device == member.id)?;
    let started = newest.record.started;
    Some(clock::local(started.seconds, started.nanoseconds))
}

fn short(member: &Member) -> String {
    member.id.to_string().chars().take(8).collect()
}

fn show(cx: &Context, device: &str) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    let repository = &session.repository;
    let member = find(repository.roster(), device, Wanted::Ever)?;
    let roster = repository.roster();
    let added = roster.added(member);
    cx.ui.json("device", described(repository, member)?)?;
    cx.ui.line(&format!("name:         {}", member.label))?;
    cx.ui.line(&format!("id:           {}", member.id))?;
    cx.ui.line(&format!(
        "may:          {}",
        abilities(member.capabilities).join(", ")
    ))?;
    cx.ui.line(&format!(
        "since:        {}",
        clock::local(added.seconds, added.nanoseconds)
    ))?;
    if let Some(guard) = guard::of_member(repository, member)? {
        cx.ui.line(&format!("key behind:   {guard}"))?;
    }
    if let Some(n) = member.removed {
        let entry = roster.changes_after(n.saturating_sub(1)).next();
        let when = entry.map(|entry| clock::local(entry.time.seconds, entry.time.nanoseconds));
        cx.ui
            .line(&format!("removed:      {}", when.unwrap_or_default()))?;
    }
    let own = repository
        .snapshots()
        .into_iter()
        .filter(|snapshot| snapshot.device == member.id);
    let newest = own.clone().next_back();
    cx.ui.line(&format!("snapshots:    {}", own.count()))?;
    if let Some(snapshot) = newest {
        let started = snapshot.record.started;
        cx.ui.line(&format!(
            "last backup:  {} of {} ({})",
            clock::local(started.seconds, started.nanoseconds),
            snapshot.record.host,
            short_id(&snapshot.id)
        ))?;
    }
    Ok(Class::Ok)
}

fn rename(cx: &Context, device: &str, name: &str) -> Result<Class, Failure> {
    must_be_name(name)?;
    let mut session = Session::open(cx)?;
    let member = find(session.repository.roster(), device, Wanted::Standing)?;
    let (id, before) = (member.id, member.label.clone());
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    Admin::of(&mut session.repository, &monitor)?.rename(&id, name)?;
    monitor.finish();
    cx.ui.line(&format!("{before} is called {name} now"))?;
    cx.ui.json(
        "device_renamed",
        json!({ "id": id.to_string(), "before": before, "name": name }),
    )?;
    Ok(Class::Ok)
}

/// Names stand in lists, on paper and in questions.
pub(super) fn must_be_name(name: &str) -> Result<(), Failure> {
    let unfit = name.trim().is_empty() || name.len() > 255 || name.contains(char::is_control);
    match unfit {
        true => Err(Failure::usage(
            "a name is one line of at least one character and at most 255 bytes",
        )),
        false => Ok(()),
    }
}

fn remove(cx: &Context, args: &RemoveArgs) -> Result<Class, Failure> {
    let mut session = Session::open(cx)?;
    let me = session.repository.me();
    let mut leaving = Vec::new();
    for name in &args.devices {
        let member = find(session.repository.roster(), name, Wanted::NotYetOut)?;
        if member.role == Role::Recovery {
            return Err(Failure::usage(format!("{} is a way back, not a device", member.label))
                .hint("to replace the password: ownkey key passwd; the recovery key: ownkey recovery key new"));
        }
        if member.id == me {
            return Err(Failure::usage("this machine cannot remove itself")
                .hint("do it on another one, or with the recovery key: OWNKEY_RECOVERY_KEY_FILE"));
        }
        leaving.push((member.id, member.label.clone()));
    }
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let mut admin = Admin::of(&mut session.repository, &monitor)?;
    for (id, _) in &leaving {
        admin.remove(id)?;
    }
    let epoch = match args.keep_keys {
        true => None,
        false => Some(admin.begin_epoch()?),
    };
    monitor.finish();
    thrown_out(cx, &leaving, epoch.map(Epoch::get))?;
    Ok(Class::Ok)
}

/// Says who is out, and what that means; `epoch` is the one that began without them.
pub(in crate::commands) fn thrown_out(
    cx: &Context,
    devices: &[(DeviceId, String)],
    epoch: Option<u32>,
) -> Result<(), Failure> {
    for (id, label) in devices {
        cx.ui.line(&format!(
            "{label} is out: {}",
            what_it_means(epoch.is_some())
        ))?;
        cx.ui.json(
            "device_removed",
            json!({ "id": id.to_string(), "name": label, "epoch": epoch }),
        )?;
    }
    Ok(())
}

/// In two sentences: what a removal stops, and what it cannot.
fn what_it_means(new_keys: bool) -> &'static str {
    match new_keys {
        true => {
            "it can add nothing any more, and whatever is written from the moment a machine learns of this is closed to it. \
             What it could read until now stays readable to whoever has its keys and a copy of the storage, and nobody can \
             change that; take away its access to the storage too."
        }
        false => {
            "it can add nothing any more. Its keys still read this repository, also what is backed up from now on, until \
             `ownkey rotate` begins new ones."
        }
    }
}
