//! `ownkey man FOLDER`

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::exit::Class;
use crate::failure::Failure;
use crate::ui::Ui;

/// Where to write.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// An existing folder, such as ~/.local/share/man/man1
    folder: PathBuf,
}

/// Writes one page for the program and one for each command.
pub(crate) fn run(ui: &Ui, args: &ManArgs) -> Result<Class, Failure> {
    let mut grammar = super::grammar().disable_help_flag(true);
    grammar.build();
    let mut pages = vec![("ownkey".to_owned(), grammar.clone())];
    for command in grammar.get_subcommands() {
        let name = format!("ownkey-{}", command.get_name());
        pages.push((name.clone(), command.clone().display_name(name)));
    }
    for (name, command) in pages {
        let path = args.folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| unwritten(&path, &error))?;
        std::fs::write(&path, page).map_err(|error| unwritten(&path, &error))?;
        ui.remark(&path.display().to_string())?;
        ui.json("man_page", json!({ "path": path.to_string_lossy() }))?;
    }
    Ok(Class::Ok)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(format!("cannot write the manual page {}", path.display())).caused_by(error)
}
