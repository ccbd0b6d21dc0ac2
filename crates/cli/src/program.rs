//! One run: read the command line, do the command, end with the right code.

use std::process::ExitCode;
use std::sync::Arc;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use crate::commands::{self, Cli};
use crate::exit::Class;
use crate::failure::{Failure, Voice};
use crate::signals::Interrupt;
use crate::ui::timings::Timings;
use crate::ui::{Format, Ui, Verbosity};

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let parsed = commands::grammar()
        .try_get_matches()
        .and_then(|matches| Ok((named(&matches), Cli::from_arg_matches(&matches)?)));
    let (command, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return misread(&error).into(),
    };
    let format = cli.command.output(&cli.global);
    let ui = Ui::new(format, cli.global.verbosity());
    let ui = Arc::new(ui.telling(cli.global.timings.then(Timings::start)));
    let done = listen().and_then(|interrupt| commands::run(cli, &command, &ui, interrupt));
    // Results that are still on their way count: a full disk behind stdout is a failure.
    let done = done.and_then(|class| ui.flush().map(|()| class));
    match done {
        Ok(class) => class.into(),
        Err(failure) => {
            ui.fail(&failure);
            let _ = ui.flush();
            failure.class.into()
        }
    }
}

/// The command as the user wrote it, for what is kept by command.
fn named(matches: &clap::ArgMatches) -> String {
    matches.subcommand_name().unwrap_or_default().to_owned()
}

fn listen() -> Result<Interrupt, Failure> {
    Interrupt::listen()
        .map_err(|error| Failure::other("cannot listen for Ctrl-C").caused_by(&error))
}

/// Help and versions are answers; everything else is a mistake on the command line.
fn misread(error: &clap::Error) -> Class {
    let json = std::env::args_os().any(|arg| arg == "--json");
    let ui = Ui::new(
        if json { Format::Json } else { Format::Text },
        Verbosity::Normal,
    );
    let text = error.render().to_string();
    let is_answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if is_answer || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let shown = ui.bytes(text.as_bytes()).and_then(|()| ui.flush());
        return match shown {
            Err(failure) if failure.voice == Voice::Spoken => failure.class,
            _ if is_answer => Class::Ok,
            _ => Class::Usage,
        };
    }
    let failure = from_clap(&text);
    ui.fail(&failure);
    let _ = ui.flush();
    failure.class
}

/// clap's text in the program's own form: its first lines are the error, its tips are hints.
fn from_clap(text: &str) -> Failure {
    let is_worth_saying =
        |line: &&str| !line.is_empty() && !line.starts_with("For more information");
    let mut lines = text.lines().map(str::trim).filter(is_worth_saying);
    let first = lines.next().unwrap_or("the command line makes no sense");
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut hints = Vec::new();
    for line in lines {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if line.starts_with("Usage:") {
            hints.push(line.to_owned());
        } else if hints.is_empty() {
            message = format!("{message} {line}");
        }
    }
    let mut failure = Failure::usage(message);
    failure.hints = hints;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misread_as(arguments: &[&str]) -> Failure {
        let error = commands::grammar()
            .try_get_matches_from(arguments)
            .expect_err("a mistake");
        from_clap(&error.render().to_string())
    }

    #[test]
    fn a_misspelt_command_gets_the_right_one_as_a_hint() {
        let failure = misread_as(&["ownkey", "backpu"]);
        assert!(failure.message.contains("backpu"), "{failure:?}");
        assert!(
            failure.hints.iter().any(|hint| hint.contains("backup")),
            "{failure:?}"
        );
        assert_eq!(failure.class, Class::Usage);
    }

    #[test]
    fn a_wrong_value_is_said_in_one_sentence() {
        let failure = misread_as(&["ownkey", "check", "--read-data-subset", "3/2"]);
        assert!(
            failure.message.ends_with("write for example 2/5"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_missing_argument_is_named() {
        let failure = misread_as(&["ownkey", "restore", "latest"]);
        assert!(failure.message.contains("--target"), "{failure:?}");
    }
}
