//! The whole command line, and the shape of its help.

use clap::{CommandFactory as _, Parser};

use super::Command;
use crate::args::Global;

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

/// The command line's grammar, with the commands grouped by task in its help.
pub(crate) fn grammar() -> clap::Command {
    let mut command = Cli::command();
    let listing = super::listing(&command);
    command = command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listing}Options of every command:\n{{options}}\n\n\
         Exit codes: `ownkey help exit-codes`. One command: `ownkey help COMMAND`."
    ));
    command
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
