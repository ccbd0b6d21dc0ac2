//! `ownkey repair`: what is damaged, made good from what is left.

use clap::Subcommand;
use ownkey_engine::repair::{self, IndexReport, Named, Salvaged};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::Purpose;
use crate::session::{Session, note_borrowed_identity};
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// What to repair; `ownkey check` says which of them helps.
#[derive(Debug, Subcommand)]
pub(crate) enum RepairCommand {
    /// Make the index again from what the packs themselves say
    Index,
}

/// Repairs.
pub(crate) fn run(cx: &Context, command: &RepairCommand) -> Result<Class, Failure> {
    // Past the cache: what it remembers must not hide what is gone.
    let mut session = Session::open_to(cx, Purpose::Examine)?;
    note_borrowed_identity(cx, &session.repository);
    match command {
        RepairCommand::Index => index(cx, &mut session),
    }
}

fn index(cx: &Context, session: &mut Session) -> Result<Class, Failure> {
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Repair);
    let report = repair::index(&mut session.repository, &monitor)?;
    monitor.finish();
    cx.ui.line(&of_index(&report))?;
    told(cx, report.named, &report.salvaged)?;
    cx.ui.json(
        "summary",
        json!({
            "broken_segments": report.broken_segments,
            "packs_without_index": report.unindexed,
            "packs_indexed": report.indexed,
            "packs_damaged": report.damaged,
            "chunks": chunks(&report.salvaged),
        }),
    )?;
    Ok(ended(&report.salvaged))
}

fn of_index(report: &IndexReport) -> String {
    let broken = match report.broken_segments {
        0 => "every index segment can be read".to_owned(),
        broken => format!(
            "{} missing or damaged",
            show::counted(broken, "index segment is", "index segments are")
        ),
    };
    match report.unindexed {
        0 => format!("{broken}; every pack is in the index"),
        unindexed => format!(
            "{broken}; {} in no index: {} indexed again, {} damaged",
            show::counted(unindexed, "pack was", "packs were"),
            show::count(report.indexed),
            show::count(report.damaged),
        ),
    }
}

/// What became of chunks of damaged packs, and what to do next.
fn told(cx: &Context, named: Named, chunks: &Salvaged) -> Result<(), Failure> {
    if chunks.again + chunks.elsewhere + chunks.lost > 0 {
        cx.ui.line(&format!(
            "of what damaged packs held, {} stored again, {} elsewhere anyway, {} lost",
            show::counted(chunks.again, "chunk was", "chunks were"),
            show::counted(chunks.elsewhere, "is", "are"),
            show::counted(chunks.lost, "is", "are"),
        ))?;
    }
    if chunks.lost > 0 {
        cx.ui.tell_person(
            "back up the machines that still have the files: what is lost is then stored again, also for older snapshots; `ownkey repair snapshots` makes do without the rest",
        );
    }
    if named == Named::Condemned {
        cx.ui.tell_person(
            "a prune is deleting some of it at this moment; run this again when the prune has ended",
        );
    }
    Ok(())
}

fn chunks(chunks: &Salvaged) -> Value {
    json!({ "stored_again": chunks.again, "elsewhere": chunks.elsewhere, "lost": chunks.lost })
}

fn ended(chunks: &Salvaged) -> Class {
    match chunks.lost {
        0 => Class::Ok,
        _ => Class::Damage,
    }
}
