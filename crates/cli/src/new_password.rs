//! Choosing a password: from the settings, typed twice, or six random words.

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::{Password, Random};
use crate::phrase;
use crate::prompt::Prompt;
use crate::secrets::{Kind, PASSWORD};
use crate::strength::{self, Weak};

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
