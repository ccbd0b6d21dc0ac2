//! Choosing a password: from the settings, typed twice, or six random words.

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{KdfCost, Password, Random};
use crate::phrase;
use crate::prompt::Prompt;
use crate::secrets::{DEVICE_PASSPHRASE, Kind, NEW_DEVICE_PASSPHRASE, NEW_PASSWORD, PASSWORD};
use crate::strength::{self, Guesser, Weak};

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

/// What is being chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The password of a new repository.
    Password,
    /// What takes its place.
    NewPassword,
    /// What the key of this machine is kept behind.
    DevicePassphrase,
    /// What takes its place, or the place of nothing.
    NewDevicePassphrase,
}

impl Choice {
    fn kind(self) -> Kind {
        match self {
            Self::Password => PASSWORD,
            Self::NewPassword => NEW_PASSWORD,
            Self::DevicePassphrase => DEVICE_PASSPHRASE,
            Self::NewDevicePassphrase => NEW_DEVICE_PASSPHRASE,
        }
    }

    fn guesser(self) -> Guesser {
        match self {
            Self::Password | Self::NewPassword => Guesser::Storage,
            Self::DevicePassphrase | Self::NewDevicePassphrase => Guesser::Thief,
        }
    }

    /// What to know before choosing, and the question.
    fn words(self) -> (&'static str, &'static str) {
        match self.guesser() {
            Guesser::Storage => (
                "The password opens the repository on other machines; this one will not ask for it again.\n\
                 Type one of your own, or press Enter to be given six random words.",
                "new password: ",
            ),
            Guesser::Thief => (
                "The device passphrase opens the key of this machine, and nothing elsewhere. Every run here asks for it.\n\
                 Type one of your own, or press Enter to be given six random words.",
                "new device passphrase: ",
            ),
        }
    }

    fn nobody_to_ask(self) -> Failure {
        let variable = self.kind().variable;
        let ways = match self {
            Self::Password => "--password-file, --password-command, ",
            _ => "",
        };
        let missing = match self.guesser() {
            Guesser::Storage => format!("a repository needs a {}", self.kind().noun),
            Guesser::Thief => format!("the {} is missing", self.kind().noun),
        };
        Failure::usage(missing).hint(format!(
            "give it with {ways}{variable}, {variable}_FILE or {variable}_COMMAND, or run this on a terminal",
        ))
    }
}

/// A new password or passphrase, from the settings or from the person.
pub(crate) fn choose(
    cx: &Context,
    prompt: Option<&Prompt<'_>>,
    weak: Weak,
    choice: Choice,
    random: &dyn Random,
) -> Result<Password, Failure> {
    let judge = |typed: &str| strength::judge(typed, weak, choice.guesser());
    if let Some(password) = cx.secret(choice.kind())? {
        judge(&password)?;
        return Ok(Password::new(&password));
    }
    let prompt = prompt.ok_or_else(|| choice.nobody_to_ask())?;
    let (about, question) = choice.words();
    prompt.show(about)?;
    loop {
        let typed = prompt.ask_secret(question)?;
        let password = match typed.is_empty() {
            true => {
                let phrase = phrase::generate(|out| random.fill(out))
                    .map_err(|error| no_randomness(&error))?;
                prompt.show(&format!("\n    {}\n\nWrite it down.", phrase.as_str()))?;
                phrase
            }
            false => typed,
        };
        if let Err(failure) = judge(&password) {
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
