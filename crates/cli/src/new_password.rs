//! Choosing a password: from the settings, typed twice, or six random words.

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{KdfCost, Password, Random};
use crate::phrase;
use crate::prompt::Prompt;
use crate::secrets::{Kind, PASSWORD};
use crate::strength::{self, Weak};

/// What a new password has to be, and to cost.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Take a password that can be guessed
    #[arg(long)]
    allow_weak_password: bool,
    /// Memory that each guess at the password costs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=4096))]
    kdf_memory: u32,
}

impl PasswordArgs {
    pub(crate) fn weak(&self) -> Weak {
        match self.allow_weak_password {
            true => Weak::Allowed,
            false => Weak::Refused,
        }
    }

    pub(crate) fn cost(&self) -> Result<KdfCost, Failure> {
        let (passes, lanes) = (KdfCost::DEFAULT.passes(), KdfCost::DEFAULT.lanes());
        KdfCost::new(self.kdf_memory << 10, passes, lanes)
            .map_err(|error| Failure::usage("--kdf-memory is out of bounds").caused_by(&error))
    }
}

/// A new password, from the settings or from the person.
pub(crate) fn choose(
    cx: &Context,
    prompt: Option<&Prompt<'_>>,
    weak: Weak,
    kind: Kind,
    random: &dyn Random,
) -> Result<Password, Failure> {
    if let Some(password) = cx.secret(kind)? {
        strength::judge(&password, weak)?;
        return Ok(Password::new(&password));
    }
    let Some(prompt) = prompt else {
        let variable = kind.variable;
        let ways = match variable == PASSWORD.variable {
            true => "--password-file, --password-command, ",
            false => "",
        };
        return Err(Failure::usage(format!("a repository needs a {}", kind.noun)).hint(format!(
            "give it with {ways}{variable}, {variable}_FILE or {variable}_COMMAND, or run this on a terminal",
        )));
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
            return Ok(Password::new(&password));
        }
        prompt.show("that was not the same; begin again")?;
    }
}

pub(crate) fn no_randomness(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::other("the system gives no randomness; nothing was made").caused_by(error)
}
