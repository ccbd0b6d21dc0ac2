//! `ownkey storage`: what a storage allows.

use ownkey_storage::probe::{Report, Verdict};
use serde_json::json;

use crate::context::{Context, EngineRoom};
use crate::exit::Class;
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::opening::{self, NewFolder};
use crate::session::storage_failure;
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
    report.facts().map_err(storage_failure)?;
    Ok(Class::Ok)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Limited => "limited",
        Verdict::Absent => "absent",
        Verdict::Unknown => "unknown",
        Verdict::Unusable => "unusable",
    }
}

fn note_left_behind(cx: &Context, report: &Report) {
    let [first, ..] = report.left_behind.as_slice() else {
        return;
    };
    cx.ui.note(&format!(
        "{} of what was tried cannot be deleted there and stays, {first} for example; it does no harm",
        report.left_behind.len()
    ));
}

/// Tries out a storage before anything is made there; says in few lines what it allows and what not.
pub(crate) fn must_be_usable(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
) -> Result<(), Failure> {
    let report = opening::probe(cx, room, place, NewFolder::Made)?;
    report.facts().map_err(storage_failure)?;
    let all = |verdict: Verdict| {
        let rows = report.rows.iter().filter(|row| row.verdict == verdict);
        rows.map(|row| row.what).collect::<Vec<_>>().join(", ")
    };
    cx.ui.remark(&format!(
        "{place} was tried out; good: {}",
        all(Verdict::Good)
    ))?;
    for row in &report.rows {
        if matches!(row.verdict, Verdict::Limited | Verdict::Unknown) {
            cx.ui.remark(&format!(
                "{} ({}): {}",
                row.what,
                word(row.verdict),
                row.meaning
            ))?;
        }
    }
    let absent = all(Verdict::Absent);
    if !absent.is_empty() {
        cx.ui
            .remark(&format!("not there, and not needed: {absent}"))?;
    }
    note_left_behind(cx, &report);
    Ok(())
}
