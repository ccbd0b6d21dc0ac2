//! `ownkey help [TOPIC...]`

use ownkey_engine::source::presets;
use serde_json::json;

use crate::exit::{Class, TABLE};
use crate::failure::Failure;
use crate::ui::Ui;
use crate::ui::table::{Align, Table};

/// What to explain.
#[derive(Debug, clap::Args)]
pub(crate) struct HelpArgs {
    /// A command, or a topic: `places`, `storage`, `excludes` (what the home preset leaves out), `exit-codes`
    topic: Vec<String>,
}

/// Explains it.
pub(crate) fn run(ui: &Ui, args: &HelpArgs) -> Result<Class, Failure> {
    let topic: Vec<&str> = args.topic.iter().map(String::as_str).collect();
    match topic.as_slice() {
        ["excludes"] => excludes(ui)?,
        ["exit-codes"] => exit_codes(ui)?,
        ["places"] => ui.bytes(include_bytes!("help_places.txt"))?,
        ["storage"] => ui.bytes(include_bytes!("help_storage.txt"))?,
        path => ui.bytes(command(path)?.as_bytes())?,
    }
    Ok(Class::Ok)
}

fn command(path: &[&str]) -> Result<String, Failure> {
    let mut grammar = super::grammar();
    grammar.build();
    let mut found = &mut grammar;
    for name in path {
        found = found.find_subcommand_mut(name).ok_or_else(|| {
            Failure::usage(format!("there is no help on {name}")).hint(
                "ownkey help lists the commands; places, storage, excludes and exit-codes are topics",
            )
        })?;
    }
    Ok(found.render_help().to_string())
}

fn excludes(ui: &Ui) -> Result<(), Failure> {
    ui.line("The home preset (--preset home; on in `ownkey setup`) leaves out, with its reasons:")?;
    ui.line("")?;
    let mut table = Table::new(&[("pattern", Align::Left), ("reason", Align::Left)]);
    for preset in presets::HOME {
        let pattern = match preset.pattern.strip_prefix('/') {
            Some(below_home) => format!("~/{below_home}"),
            None => preset.pattern.to_owned(),
        };
        ui.json(
            "exclude",
            json!({ "pattern": pattern, "reason": preset.reason }),
        )?;
        table.row([pattern, preset.reason.to_owned()]);
    }
    for line in table.lines() {
        ui.line(&line)?;
    }
    ui.line("")?;
    ui.line(
        "Folders marked with a CACHEDIR.TAG are left out too, unless --exclude-caches=no is given.",
    )?;
    ui.line("ownkey's own keys, state, cache and a local repository are never backed up.")
}

fn exit_codes(ui: &Ui) -> Result<(), Failure> {
    let mut table = Table::new(&[("code", Align::Right), ("meaning", Align::Left)]);
    for row in &TABLE {
        ui.json(
            "exit_code",
            json!({ "code": row.code, "class": row.word, "meaning": row.meaning }),
        )?;
        table.row([row.code.to_string(), row.meaning.to_owned()]);
    }
    for line in table.lines() {
        ui.line(&line)?;
    }
    Ok(())
}
