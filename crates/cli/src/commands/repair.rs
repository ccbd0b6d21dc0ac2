//! `ownkey repair`: what is damaged, made good from what is left.

use std::ffi::OsString;

use clap::Subcommand;
use ownkey_engine::check::ReadData;
use ownkey_engine::repair::{self, IndexReport, Named, PacksReport, Salvaged, SnapshotsReport};
use serde_json::{Value, json};

use super::second::read_place;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::{self, Purpose};
use crate::parity::ParityArgs;
use crate::session::{Session, note_borrowed_identity};
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// What to repair; `ownkey check` says which of them helps.
#[derive(Debug, Subcommand)]
pub(crate) enum RepairCommand {
    /// Make the index again from what the packs themselves say
    Index,
    /// Store what damaged packs held anew: healed by parity, from a mirror, or what is good of it
    Packs(PacksArgs),
    /// Make snapshots without what is lost, beside those that have lost it
    Snapshots(SnapshotsArgs),
}

/// How thoroughly to look for what is lost.
#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotsArgs {
    /// Read and open every pack first, not only those that a check found damaged
    #[arg(long)]
    read_data: bool,
}

/// Where else the packs are.
#[derive(Debug, clap::Args)]
pub(crate) struct PacksArgs {
    /// A mirror of this repository, which may have them whole
    #[arg(long, value_name = "PLACE")]
    from: Option<OsString>,
    #[command(flatten)]
    parity: ParityArgs,
}

/// Repairs.
pub(crate) fn run(cx: &Context, command: &RepairCommand) -> Result<Class, Failure> {
    // Past the cache: what it remembers must not hide what is gone.
    let mut session = Session::open_to(cx, Purpose::Examine)?;
    note_borrowed_identity(cx, &session.repository);
    match command {
        RepairCommand::Index => index(cx, &mut session),
        RepairCommand::Packs(args) => packs(cx, &mut session, args),
        RepairCommand::Snapshots(args) => snapshots(cx, &mut session, args),
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

fn packs(cx: &Context, session: &mut Session, args: &PacksArgs) -> Result<Class, Failure> {
    let parity = args.parity.over(cx.profile.parity);
    session.repository.protect(parity);
    let mirror = match &args.from {
        Some(written) => {
            let place = read_place(cx, written)?;
            Some(opening::open(cx, &session.room, &place, Purpose::Examine)?)
        }
        None => None,
    };
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Repair);
    let report = repair::packs(&mut session.repository, mirror.as_ref(), &monitor)?;
    monitor.finish();
    cx.ui.line(&of_packs(&report))?;
    told(cx, report.named, &report.salvaged)?;
    cx.ui.json(
        "summary",
        json!({
            "packs_damaged": report.damaged,
            "packs_missing": report.missing,
            "packs_healed": report.healed,
            "packs_sound": report.sound,
            "chunks": chunks(&report.salvaged),
        }),
    )?;
    Ok(ended(&report.salvaged))
}

fn snapshots(cx: &Context, session: &mut Session, args: &SnapshotsArgs) -> Result<Class, Failure> {
    let read = match args.read_data {
        true => ReadData::All,
        false => ReadData::No,
    };
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Repair);
    let report = repair::snapshots(&mut session.repository, read, &monitor)?;
    monitor.finish();
    for repaired in &report.repaired {
        cx.ui.line(&format!(
            "snapshot {} has lost {}; what is left of it is snapshot {}",
            short_id(&repaired.from),
            show::counted(repaired.problems, "entry", "entries"),
            short_id(&repaired.to),
        ))?;
        cx.ui.json(
            "repaired",
            json!({
                "snapshot_id": repaired.from.to_string(),
                "repaired_id": repaired.to.to_string(),
                "error_count": repaired.problems,
            }),
        )?;
    }
    cx.ui.line(&of_snapshots(&report))?;
    cx.ui.json(
        "summary",
        json!({
            "snapshots_repaired": report.repaired.len(),
            "snapshots_present": report.present,
            "snapshots_empty": report.empty,
        }),
    )?;
    Ok(Class::Ok)
}

fn of_snapshots(report: &SnapshotsReport) -> String {
    let made = report.repaired.len() as u64;
    let mut parts = Vec::new();
    if report.present > 0 {
        let before = show::counted(report.present, "was", "were");
        parts.push(format!("{before} repaired before"));
    }
    if report.empty > 0 {
        parts.push(format!("of {} nothing is left", show::count(report.empty)));
    }
    match (made, parts.is_empty()) {
        (0, true) => "no snapshot is known to have lost anything".to_owned(),
        (made, _) => {
            let made = show::counted(made, "snapshot", "snapshots");
            parts.insert(0, format!("{made} repaired; the old ones stay"));
            parts.join("; ")
        }
    }
}

fn of_packs(report: &PacksReport) -> String {
    if report.damaged + report.sound == 0 {
        return "no pack is known to be damaged; `ownkey check --read-data` reads them all"
            .to_owned();
    }
    let sound = match report.sound {
        0 => String::new(),
        sound => format!(
            "; {} well again",
            show::counted(sound, "other reads", "others read")
        ),
    };
    format!(
        "{} damaged: {} known again as a whole, {} missing{sound}",
        show::counted(report.damaged, "pack is", "packs are"),
        show::count(report.healed),
        show::count(report.missing),
    )
}

/// What became of chunks of damaged packs, and what to do next.
fn told(cx: &Context, named: Named, chunks: &Salvaged) -> Result<(), Failure> {
    let parts = [
        (chunks.again, "stored again"),
        (chunks.elsewhere, "elsewhere anyway"),
        (chunks.lost, "lost"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{} {what}", show::count(count)))
        .collect();
    if !parts.is_empty() {
        let parts = parts.join(", ");
        cx.ui
            .line(&format!("of the chunks in damaged packs: {parts}"))?;
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
