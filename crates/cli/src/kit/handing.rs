//! Giving the kit to its owner, and making sure that it arrived.

use std::path::PathBuf;

use ownkey_engine::fingerprint::fingerprint;
use zeroize::Zeroizing;

use super::{Kit, SecretFile};
use crate::clock;
use crate::confirm;
use crate::failure::Failure;
use crate::keys::{KitSecret, Random};
use crate::kit;
use crate::new_password::no_randomness;
use crate::phrase;
use crate::prompt::Prompt;
use crate::session::Session;

/// Where a kit should go.
#[derive(Debug, clap::Args)]
pub(crate) struct KitFiles {
    /// Write the recovery kit as text into this new file, instead of showing and confirming it
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_key_file: Option<PathBuf>,
    /// Write the recovery kit as a page to print (HTML) into this new file
    #[arg(long, value_name = "FILE")]
    pub(crate) kit_page: Option<PathBuf>,
}

impl KitFiles {
    /// A kit that nobody is shown opens nothing.
    pub(crate) fn must_reach_somebody(&self, prompt: Option<&Prompt<'_>>) -> Result<(), Failure> {
        if self.recovery_key_file.is_some() || prompt.is_some() {
            return Ok(());
        }
        Err(Failure::usage(
            "the recovery key can be neither shown nor confirmed: this is not a terminal",
        )
        .hint("run this on a terminal, or have the kit written with --recovery-key-file PATH"))
    }

    /// Makes the files, before anything else, so that a mistake costs nothing.
    pub(crate) fn create(&self) -> Result<Waiting, Failure> {
        let made = |path: &Option<PathBuf>| path.as_deref().map(SecretFile::create).transpose();
        Ok(Waiting {
            text: made(&self.recovery_key_file)?,
            page: made(&self.kit_page)?,
        })
    }
}

/// Files that wait for their kit; they go away if it does not come.
pub(crate) struct Waiting {
    text: Option<SecretFile>,
    page: Option<SecretFile>,
}

impl Waiting {
    /// Gives the kit to its owner: into files, or onto the screen and back through the keyboard.
    pub(crate) fn hand_over(
        self,
        prompt: Option<&Prompt<'_>>,
        kit: &Kit,
        random: &dyn Random,
    ) -> Result<(), Failure> {
        let text = kit::text(kit);
        if let Some(page) = self.page {
            page.write(&kit::page(kit))?;
        }
        match (self.text, prompt) {
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
}

/// The kit of an open repository, with this recovery key.
pub(crate) fn kit_of(
    session: &Session,
    machine: &str,
    recovery_key: Zeroizing<String>,
    kit_secret: Option<&KitSecret>,
) -> Result<Kit, Failure> {
    let pin = session.repository.pin();
    let pin = pin.ok_or_else(|| Failure::other("the new repository has no log entry to pin"))?;
    Ok(Kit {
        repository: session.place.to_string(),
        fingerprint: phrase::of(&fingerprint(&session.repository.id(), &pin)),
        recovery_key,
        kit_secret: kit_secret.map(KitSecret::to_groups),
        storage_key: None,
        made: clock::day(session.room.environment.clock.now().seconds),
        machine: machine.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
    })
}
