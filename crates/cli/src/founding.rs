//! Making a repository for a person: password, keys, kit, and the proof that the kit exists.
//!
//! Promise: no repository is called ready before a way back other than the password exists on
//! paper or in a file, and nothing is asked where nobody can answer.

use std::path::{Path, PathBuf};

use ownkey_engine::repository::{Founded, Founding, PasswordWay, init};
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock;
use crate::confirm;
use crate::context::{Context, host_name};
use crate::failure::Failure;
use crate::keys::{KdfCost, KitSecret, Password, Random};
use crate::kit::{self, Kit, Pin, SecretFile};
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose, must_be_usable};
use crate::phrase;
use crate::prompt::Prompt;
use crate::secrets::PASSWORD;
use crate::session::Session;
use crate::strength::{self, Weak};
use crate::ui::progress::{Progress, Work};

/// How a repository should be made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Making the repository")]
pub(crate) struct Wishes {
    /// Write the recovery kit as text into this new file, instead of showing and confirming it
    #[arg(long, value_name = "FILE")]
    recovery_key_file: Option<PathBuf>,
    /// Write the recovery kit as a page to print (HTML) into this new file
    #[arg(long, value_name = "FILE")]
    kit_page: Option<PathBuf>,
    /// Take a password that can be guessed
    #[arg(long)]
    allow_weak_password: bool,
    /// Make the password useless without a secret that is printed in the kit
    #[arg(long)]
    kit_secret: bool,
    /// Memory that each guess at the password costs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=4096))]
    kdf_memory: u32,
    /// What this machine is called in the repository
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
}

impl Wishes {
    fn weak(&self) -> Weak {
        if self.allow_weak_password {
            Weak::Allowed
        } else {
            Weak::Refused
        }
    }

    fn cost(&self) -> Result<KdfCost, Failure> {
        let (passes, lanes) = (KdfCost::DEFAULT.passes(), KdfCost::DEFAULT.lanes());
        KdfCost::new(self.kdf_memory << 10, passes, lanes)
            .map_err(|error| Failure::usage("--kdf-memory is out of bounds").caused_by(&error))
    }
}

/// The files the kit goes to, made before anything else so that a mistake costs nothing.
struct Files {
    text: Option<SecretFile>,
    page: Option<SecretFile>,
}

/// Makes a repository and its kit.
pub(crate) fn found(
    cx: &Context,
    wishes: &Wishes,
    place: RepositoryUrl,
) -> Result<Session, Failure> {
    let prompt = cx.prompt();
    if wishes.recovery_key_file.is_none() && prompt.is_none() {
        return Err(Failure::usage(
            "the recovery key can be neither shown nor confirmed: this is not a terminal",
        )
        .hint("run this on a terminal, or have the kit written with --recovery-key-file PATH"));
    }
    match place.as_folder() {
        Some(folder) => must_be_free(folder)?,
        None => must_be_usable(cx, &cx.engine()?, &place)?,
    }
    let cost = wishes.cost()?;
    let files = Files {
        text: wishes
            .recovery_key_file
            .as_deref()
            .map(SecretFile::create)
            .transpose()?,
        page: wishes
            .kit_page
            .as_deref()
            .map(SecretFile::create)
            .transpose()?,
    };
    let room = cx.engine()?;
    let random = std::sync::Arc::clone(&room.environment.random);
    let password = Password::new(&choose_password(
        cx,
        prompt.as_ref(),
        wishes.weak(),
        &*random,
    )?);
    let kit_secret = match wishes.kit_secret {
        true => Some(KitSecret::generate(&*random).map_err(|error| no_randomness(&error))?),
        false => None,
    };
    let storage = opening::open(cx, &room, &place, Purpose::Make)?;
    let founding = Founding {
        device_label: wishes.device_name.clone().unwrap_or_else(host_name),
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
    let kit = make_kit(
        &session,
        &founding.device_label,
        groups,
        kit_secret.as_ref(),
    )?;
    hand_over(prompt.as_ref(), files, &kit, &*random)?;
    announce(cx, &session, wishes)?;
    Ok(session)
}

/// A folder with other things in it is a slip of the pen: `--repo ~/Documents`.
fn must_be_free(folder: &Path) -> Result<(), Failure> {
    const OURS: [&str; 8] = [
        "ownkey", "keys", "roster", "log", "index", "data", "meta", ".staging",
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

/// The password from the settings, or from the person.
fn choose_password(
    cx: &Context,
    prompt: Option<&Prompt<'_>>,
    weak: Weak,
    random: &dyn Random,
) -> Result<Zeroizing<String>, Failure> {
    if let Some(password) = cx.secret(PASSWORD)? {
        strength::judge(&password, weak)?;
        return Ok(password);
    }
    let Some(prompt) = prompt else {
        return Err(Failure::usage("a new repository needs a password").hint(
            "give it with --password-file, --password-command or OWNKEY_PASSWORD, or run this on a terminal",
        ));
    };
    prompt.show(
        "The password opens the repository on other machines; this one will not ask for it again.\n\
         Type one of your own, or press Enter to be given six random words.",
    )?;
    loop {
        let typed = prompt.ask_secret("new password: ")?;
        let password = match typed.is_empty() {
            true => {
                let phrase = phrase::generate(|out| random.fill(out))
                    .map_err(|error| no_randomness(&error))?;
                prompt.show(&format!("\n    {}\n\nWrite it down.", phrase.as_str()))?;
                phrase
            }
            false => typed,
        };
        if let Err(failure) = strength::judge(&password, weak) {
            prompt.show(&failure.message)?;
            continue;
        }
        if *prompt.ask_secret("the same once more: ")? == *password {
            return Ok(password);
        }
        prompt.show("that was not the same; begin again")?;
    }
}

fn no_randomness(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::other("the system gives no randomness; nothing was made").caused_by(error)
}

fn make_kit(
    session: &Session,
    machine: &str,
    recovery_key: Zeroizing<String>,
    kit_secret: Option<&KitSecret>,
) -> Result<Kit, Failure> {
    let pin = session.repository.pin();
    let pin = pin.ok_or_else(|| Failure::other("the new repository has no log entry to pin"))?;
    Ok(Kit {
        repository: session.place.to_string(),
        repository_id: session.repository.id().to_string(),
        pin: Pin {
            log: pin.device.to_string(),
            seq: pin.at.seq,
            hash: pin.at.hash.to_string(),
        },
        recovery_key,
        kit_secret: kit_secret.map(KitSecret::to_groups),
        made: clock::day(session.room.environment.clock.now().seconds),
        machine: machine.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Gives the kit to its owner: into files, or onto the screen and back through the keyboard.
fn hand_over(
    prompt: Option<&Prompt<'_>>,
    files: Files,
    kit: &Kit,
    random: &dyn Random,
) -> Result<(), Failure> {
    let text = kit::text(kit);
    if let Some(page) = files.page {
        page.write(&kit::page(kit))?;
    }
    match (files.text, prompt) {
        (Some(file), _) => file.write(&text),
        (None, Some(prompt)) => {
            let mut drawn = [0; confirm::ASKED];
            random
                .fill(&mut drawn)
                .map_err(|error| no_randomness(&error))?;
            confirm::by_hand(prompt, &kit.recovery_key, &text, drawn)
        }
        (None, None) => Err(confirm::unconfirmed()),
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
        ("recovery kit", &wishes.recovery_key_file),
        ("page to print", &wishes.kit_page),
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
            "recovery_key_file": wishes.recovery_key_file.as_ref().map(|path| path.to_string_lossy()),
            "kit_page": wishes.kit_page.as_ref().map(|path| path.to_string_lossy()),
        }),
    )
}
