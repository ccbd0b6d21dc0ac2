//! Making a repository for a person: password, keys, kit, and the proof that the kit exists.
//!
//! Promise: no repository is called ready before a way back other than the password exists on
//! paper or in a file, and nothing is asked where nobody can answer.

use std::path::Path;

use ownkey_engine::repository::{Founded, Founding, PasswordWay, init};
use serde_json::json;

use crate::context::{Context, host_name};
use crate::failure::Failure;
use crate::guard::GuardArgs;
use crate::keys::KitSecret;
use crate::kit::{KitFiles, kit_of};
use crate::location::RepositoryUrl;
use crate::new_password::{self, Choice, PasswordArgs, no_randomness};
use crate::opening::{self, Purpose, must_be_usable};
use crate::session::Session;
use crate::ui::progress::{Progress, Work};

/// How a repository should be made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Making the repository")]
pub(crate) struct Wishes {
    #[command(flatten)]
    kit: KitFiles,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    pub(crate) guard: GuardArgs,
    /// Make the password useless without a secret that is printed in the kit
    #[arg(long)]
    kit_secret: bool,
    /// What this machine is called in the repository
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
}

/// Makes a repository and its kit.
pub(crate) fn found(
    cx: &Context,
    wishes: &Wishes,
    place: RepositoryUrl,
) -> Result<Session, Failure> {
    let prompt = cx.prompt();
    wishes.kit.must_reach_somebody(prompt.as_ref())?;
    match place.as_folder() {
        Some(folder) => must_be_free(folder)?,
        None => must_be_usable(cx, &cx.engine()?, &place)?,
    }
    let cost = wishes.password.cost()?;
    let files = wishes.kit.create()?;
    let room = cx.engine()?;
    let random = std::sync::Arc::clone(&room.environment.random);
    let password = new_password::choose(
        cx,
        prompt.as_ref(),
        wishes.password.weak(),
        Choice::Password,
        &*random,
    )?;
    let guard = wishes.guard.choose(cx, &*random)?;
    let kit_secret = match wishes.kit_secret {
        true => Some(KitSecret::generate(&*random).map_err(|error| no_randomness(&error))?),
        false => None,
    };
    let storage = opening::open(cx, &room, &place, Purpose::Make)?;
    let founding = Founding {
        device_label: wishes.device_name.clone().unwrap_or_else(host_name),
        guard: guard.guard(),
        password: Some(PasswordWay {
            password: &password,
            cost,
            kit: kit_secret.as_ref(),
        }),
    };
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let Founded {
        repository,
        recovery_key,
    } = init(&room.environment, &storage, &founding, &monitor)?;
    monitor.finish();
    let session = Session {
        repository,
        place,
        room,
    };
    let groups = recovery_key.to_groups();
    let kit = kit_of(
        &session,
        &founding.device_label,
        groups,
        kit_secret.as_ref(),
    )?;
    files.hand_over(prompt.as_ref(), &kit, &*random)?;
    announce(cx, &session, wishes)?;
    Ok(session)
}

/// A folder with other things in it is a slip of the pen: `--repo ~/Documents`.
fn must_be_free(folder: &Path) -> Result<(), Failure> {
    const OURS: [&str; 9] = [
        "ownkey", "keys", "roster", "log", "index", "data", "meta", ".staging", ".reserve",
    ];
    // What cannot be listed now gives its own error when the storage is made.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    let foreign = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .find(|name| {
            let name = name.to_string_lossy();
            name != "lost+found" && !OURS.contains(&name.as_ref())
        });
    match foreign {
        None => Ok(()),
        Some(name) => Err(Failure::usage(format!(
            "{} is not empty: there is {} in it",
            folder.display(),
            Path::new(&name).display()
        ))
        .hint("give an empty or a new folder, for example one level deeper")),
    }
}

fn announce(cx: &Context, session: &Session, wishes: &Wishes) -> Result<(), Failure> {
    cx.ui.line(&format!(
        "made repository {} at {}",
        session
            .repository
            .id()
            .to_string()
            .chars()
            .take(8)
            .collect::<String>(),
        session.place
    ))?;
    for (what, path) in [
        ("recovery kit", &wishes.kit.recovery_key_file),
        ("page to print", &wishes.kit.kit_page),
    ] {
        if let Some(path) = path {
            cx.ui.line(&format!(
                "{what}: {} (keep it away from this machine)",
                path.display()
            ))?;
        }
    }
    cx.ui.json(
        "initialized",
        json!({
            "id": session.repository.id().to_string(),
            "repository": session.place.to_string(),
            "recovery_key_file": wishes.kit.recovery_key_file.as_ref().map(|path| path.to_string_lossy()),
            "kit_page": wishes.kit.kit_page.as_ref().map(|path| path.to_string_lossy()),
        }),
    )
}
