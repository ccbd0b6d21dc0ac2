//! `ownkey recovery`: the ways back for when every machine is gone.

mod contacts;
mod key;
mod kit;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;

/// What to do with the ways back.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// The recovery key: make a new one, or try the one on paper
    #[command(subcommand)]
    Key(key::RecoveryKeyCommand),
    /// People who together open the repository for you
    #[command(subcommand)]
    Contacts(contacts::ContactsCommand),
    /// Print the kit anew, as things are today; asks for the recovery key
    Kit(kit::KitArgs),
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &RecoveryCommand) -> Result<Class, Failure> {
    match command {
        RecoveryCommand::Key(command) => key::run(cx, command),
        RecoveryCommand::Contacts(command) => contacts::run(cx, command),
        RecoveryCommand::Kit(args) => kit::run(cx, args),
    }
}
