//! Going on as the machine that is gone: its name and its habits come along, its identity does not.
//!
//! Promise: nobody continues a log that another machine may still be writing. The new machine is an identity of its own with the
//! old one's name; the old one is thrown out. What is taken from the snapshot is shown before anybody agrees to it.

use ownkey_engine::format::roster::Role;
use ownkey_engine::repository::{Repository, Snapshot};
use serde_json::json;

use super::Recovery;
use crate::args;
use crate::context::Context;
use crate::failure::Failure;
use crate::folders;
use crate::habits::{self, Habits};
use crate::keys::DeviceId;
use crate::profile;
use crate::session::Session;

/// The machine that a snapshot is of.
pub(super) struct Predecessor {
    /// What it was called.
    pub(super) name: String,
    /// Its identity, if it still stands.
    pub(super) device: Option<DeviceId>,
    habits: Option<Habits>,
}

impl Recovery<'_> {
    /// The machine to go on as, if that is wanted.
    pub(super) fn predecessor(
        &self,
        session: &Session,
        snapshot: Option<&Snapshot>,
    ) -> Result<Option<Predecessor>, Failure> {
        let args = self.args;
        let Some(snapshot) = snapshot.filter(|_| !args.as_new && !args.no_device) else {
            return match args.as_old {
                true => Err(Failure::usage(
                    "there is no snapshot of a machine to go on as",
                )),
                false => Ok(None),
            };
        };
        let before = Predecessor::of(&session.repository, snapshot);
        let agreed = match &self.prompt {
            _ if args.as_old => true,
            Some(prompt) if args.name.is_none() => {
                prompt.show(&before.told())?;
                prompt.agrees(&format!("go on as {:?} on this machine?", before.name))?
            }
            _ => false,
        };
        Ok(agreed.then_some(before))
    }
}

impl Predecessor {
    fn of(repository: &Repository, snapshot: &Snapshot) -> Self {
        let member = repository.roster().member(&snapshot.device);
        let member = member.filter(|member| member.role == Role::Device);
        let record = &snapshot.record;
        Self {
            name: member.map_or_else(|| record.host.clone(), |member| member.label.clone()),
            device: member
                .filter(|member| member.removed.is_none())
                .map(|member| member.id),
            habits: record
                .profile
                .as_ref()
                .and_then(|bytes| Habits::read(bytes, profile::is_understood)),
        }
    }

    /// What going on as it means.
    fn told(&self) -> String {
        let name = &self.name;
        match &self.habits {
            None => format!(
                "This machine can go on as {name:?}: it takes its name, and {name:?} is thrown out. Its snapshot carries no profile."
            ),
            Some(habits) => format!(
                "This machine can go on as {name:?}: it takes its name and this profile, and {name:?} is thrown out.\n\n{}\n\n\
                 Files and commands of passwords, programs and proxies are not among it.",
                indented(&habits.text())
            ),
        }
    }

    /// Writes its profile where this machine looks for one.
    pub(super) fn take_habits(self, cx: &Context, place: &str) -> Result<(), Failure> {
        let Some(habits) = self.habits else {
            return cx
                .ui
                .remark(&format!("the snapshot carries no profile of {}", self.name));
        };
        let habits = habits.at(place);
        let (name, text) = (habits.name().to_owned(), habits.text());
        let usual = folders::settings_file(args::environment())?;
        let Some(path) = habits::write(&usual, &self.name, &text)? else {
            cx.ui.lines(&format!(
                "there is no home folder to write the profile of {} to; it is:\n\n{}",
                self.name,
                indented(&text)
            ))?;
            return cx.ui.json(
                "profile",
                json!({ "name": name, "path": null, "text": text }),
            );
        };
        let what_next = match usual.path() == Some(path.as_path()) {
            true => "read it once before you rely on it",
            false => "this machine has settings of its own, so take from it what you want",
        };
        cx.ui.line(&format!(
            "the profile {name} of {} is in {}; {what_next}",
            self.name,
            path.display()
        ))?;
        cx.ui.json(
            "profile",
            json!({ "name": name, "path": path.to_string_lossy(), "text": text }),
        )
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.is_empty() {
        true => String::new(),
        false => format!("    {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
