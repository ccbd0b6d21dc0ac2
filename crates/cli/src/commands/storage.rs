//! `ownkey storage`: what a storage allows.

use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::{self, NewFolder, note_left_behind, word};
use crate::ui::table::{Align, Table};

/// What to do with a storage.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StorageCommand {
    /// Try out what the storage allows: creates, reads and deletes objects under probe/
    Probe,
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &StorageCommand) -> Result<Class, Failure> {
    match command {
        StorageCommand::Probe => probe(cx),
    }
}

fn probe(cx: &Context) -> Result<Class, Failure> {
    let place = cx.place()?;
    let room = cx.engine()?;
    let report = opening::probe(cx, &room, &place, NewFolder::Missed)?;
    let mut table = Table::new(&[
        ("what", Align::Left),
        ("verdict", Align::Left),
        ("what that means", Align::Left),
    ]);
    for row in &report.rows {
        table.row([
            row.what.to_owned(),
            word(row.verdict).to_owned(),
            row.meaning.clone(),
        ]);
    }
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    note_left_behind(cx, &report);
    let rows: Vec<_> = report
        .rows
        .iter()
        .map(
            |row| json!({ "what": row.what, "verdict": word(row.verdict), "meaning": row.meaning }),
        )
        .collect();
    cx.ui.json(
        "storage_probe",
        json!({
            "repository": place.to_string(),
            "rows": rows,
            "usable": report.facts().is_ok(),
            "left_behind": report.left_behind.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    )?;
    report.facts().map_err(Failure::from)?;
    Ok(Class::Ok)
}
