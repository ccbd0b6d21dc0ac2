//! What stands on the command line before the command's own arguments, and the help's shape.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory as _, Parser};

use crate::commands::{self, Command};
use crate::folders::Lookup;
use crate::options::StorageOptions;
use crate::secrets::Sources;
use crate::ui::{Format, Verbosity};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "ownkey",
    version,
    about = "Everything you own, backed up to storage you don't trust. The keys never leave your hands.",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where the repository is: a path or a URL (ownkey help places)
    #[arg(
        short,
        long,
        global = true,
        value_name = "PLACE",
        env = "OWNKEY_REPOSITORY",
        hide_env_values = true
    )]
    pub(crate) repo: Option<OsString>,
    /// Take settings from this profile of config.toml
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "OWNKEY_PROFILE",
        hide_env_values = true
    )]
    pub(crate) profile: Option<String>,
    /// Read the password from this file (also OWNKEY_PASSWORD_FILE)
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from what this command prints (also OWNKEY_PASSWORD_COMMAND)
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        conflicts_with = "password_file"
    )]
    pub(crate) password_command: Option<OsString>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say less: results, problems and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: every file as well
    #[arg(short, long, global = true, action = ArgAction::SetTrue, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) storage: StorageOptions,
}

impl Global {
    /// How much is said.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, false) => Verbosity::Normal,
            (false, true) => Verbosity::Verbose,
        }
    }

    /// What standard output carries, for a command that prints results.
    pub(crate) fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }

    /// The password's sources on the command line.
    pub(crate) fn password_sources(&self) -> Sources {
        Sources {
            value: None,
            file: self.password_file.clone(),
            command: self.password_command.clone(),
        }
    }
}

/// The command line's grammar, with the commands grouped by task in its help.
pub(crate) fn grammar() -> clap::Command {
    let mut command = Cli::command();
    let listing = commands::listing(&command);
    command = command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listing}Options of every command:\n{{options}}\n\n\
         Exit codes: `ownkey help exit-codes`. One command: `ownkey help COMMAND`."
    ));
    command
}

/// The variables of this process.
pub(crate) fn environment() -> Lookup<'static> {
    &|name| std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        grammar().debug_assert();
    }

    #[test]
    fn no_option_takes_a_secret_as_its_value() {
        let takes_secret =
            |name: &str| ["password", "secret", "key", "recovery-key", "token"].contains(&name);
        let command = grammar();
        for sub in std::iter::once(&command).chain(command.get_subcommands()) {
            for arg in sub.get_arguments() {
                let long = arg.get_long().unwrap_or_default();
                assert!(
                    !(takes_secret(long) && arg.get_action().takes_values()),
                    "--{long} of {} would put a secret on the command line",
                    sub.get_name()
                );
            }
        }
    }

    #[test]
    fn every_command_and_option_is_explained() {
        let command = grammar();
        for sub in command.get_subcommands() {
            assert!(
                sub.get_about().is_some(),
                "{} says nothing of itself",
                sub.get_name()
            );
            for arg in sub.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{} {}",
                    sub.get_name(),
                    arg.get_id()
                );
            }
        }
    }
}
