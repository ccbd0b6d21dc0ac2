//! `ownkey completions SHELL`

use clap_complete::Shell;

use crate::exit::Class;
use crate::failure::Failure;
use crate::ui::Ui;

/// What to complete for.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(ui: &Ui, args: &CompletionsArgs) -> Result<Class, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::grammar(), "ownkey", &mut script);
    ui.bytes(&script)?;
    Ok(Class::Ok)
}
