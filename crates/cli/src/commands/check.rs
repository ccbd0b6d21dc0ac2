//! `ownkey check`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ownkey_engine::Class as EngineClass;
use ownkey_engine::check::{self, CheckReport, ObjectsReport, ReadData};

use ownkey_engine::repository::Snapshot;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::ObjectHash;
use crate::moment::Earlier;
use crate::opening::{self, Purpose};
use crate::session::Session;
use crate::silence;
use crate::size;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::{Format, json as lines, sanitize, show};

/// How much to check.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Read and open every pack, not only what says where things are
    #[arg(long)]
    read_data: bool,
    /// Read only a part of the packs: 2/5 (the second of five parts), 10%, or 500M
    #[arg(long, value_name = "PART", value_parser = subset, conflicts_with = "read_data")]
    read_data_subset: Option<ReadData>,
    /// Only compare every object with its name; needs no password
    #[arg(long, conflicts_with_all = ["read_data", "read_data_subset"])]
    without_key: bool,
    #[command(flatten)]
    earlier: Earlier,
}

/// Checks.
pub(crate) fn run(cx: &Context, args: &CheckArgs) -> Result<Class, Failure> {
    if args.without_key {
        return objects(cx);
    }
    let read = match (args.read_data, args.read_data_subset) {
        (true, _) => ReadData::All,
        (false, Some(part)) => part,
        (false, None) => ReadData::No,
    };
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Examine)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Check);
    let report = check::run(&session.repository, read, &monitor)?;
    monitor.finish();
    for concerned in &report.concerned {
        let message = format!(
            "cannot be restored from snapshot {}: {}",
            short_id(&concerned.snapshot),
            concerned.message
        );
        cx.ui
            .json("error", lines::problem(&concerned.path, &message, "check"))?;
    }
    for line in by_path(&report, &session.repository.snapshots()) {
        cx.ui.line(&line)?;
    }
    summary(cx, &report, read)?;
    silence::note(cx, &session.repository);
    Ok(report.worst().map_or(Class::Ok, class))
}

fn class(worst: EngineClass) -> Class {
    match worst {
        EngineClass::StorageLied => Class::StorageLied,
        _ => Class::Damage,
    }
}

fn summary(cx: &Context, report: &CheckReport, read: ReadData) -> Result<(), Failure> {
    cx.ui.remark(&format!(
        "checked {}, {}, {}; {} and {} in them",
        show::counted(report.snapshots, "snapshot", "snapshots"),
        show::counted(report.log_entries, "log entry", "log entries"),
        show::counted(report.packs, "pack", "packs"),
        show::counted(report.directories, "folder", "folders"),
        show::counted(report.files, "file", "files"),
    ))?;
    if read != ReadData::No {
        let packs = show::counted(report.packs_read, "pack", "packs");
        cx.ui.remark(&format!(
            "read and opened {packs}, {}",
            show::size(report.bytes_read)
        ))?;
    }
    let foreign = report.foreign.len() as u64;
    asides(cx, foreign)?;
    if report.superseded > 0 {
        cx.ui.remark(&format!(
            "{} damaged, and all that was there is stored elsewhere as well",
            show::counted(report.superseded, "object is", "objects are")
        ))?;
    }
    cx.ui.line(&verdict(report, read))?;
    for remedy in remedies(report) {
        cx.ui.tell_person(remedy);
    }
    cx.ui.json(
        "summary",
        json!({
            "num_errors": report.findings.len(),
            "snapshots": report.snapshots,
            "log_entries": report.log_entries,
            "segments": report.segments,
            "packs": report.packs,
            "dirs": report.directories,
            "files": report.files,
            "packs_read": report.packs_read,
            "bytes_read": report.bytes_read,
            "unreferenced": report.unreferenced,
            "foreign": report.foreign.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "broken_packs": report.damaged_packs.iter().map(|pack| pack.hash.to_string()).collect::<Vec<_>>(),
            "broken_segments": report.damaged_segments.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "superseded": report.superseded,
            "concerned_count": report.concerned_count,
        }),
    )
}

fn asides(cx: &Context, foreign: u64) -> Result<(), Failure> {
    if foreign == 0 {
        return Ok(());
    }
    let objects = show::counted(foreign, "object", "objects");
    cx.ui.remark(&format!(
        "{objects} in the storage are not ownkey's and do no harm"
    ))
}

/// Each file or folder once, with the snapshots that it cannot be restored from, by time.
fn by_path(report: &CheckReport, snapshots: &[Snapshot]) -> Vec<String> {
    let mut paths: BTreeMap<&Path, BTreeSet<ObjectHash>> = BTreeMap::new();
    for concerned in &report.concerned {
        let of_path = paths.entry(&concerned.path).or_default();
        of_path.insert(concerned.snapshot);
    }
    let from = |lost: &BTreeSet<ObjectHash>| {
        let mut of = snapshots.iter().filter(|it| lost.contains(&it.id));
        let (first, last) = (of.next(), of.next_back());
        match (first, last) {
            (Some(first), None) => format!("snapshot {}", named(first)),
            (Some(first), Some(last)) => format!(
                "{} snapshots, {} to {}",
                show::count(lost.len() as u64),
                named(first),
                named(last)
            ),
            (None, _) => "the unfinished backup of this machine".to_owned(),
        }
    };
    paths
        .iter()
        .map(|(path, lost)| {
            format!(
                "{} cannot be restored from {}",
                sanitize::path(path),
                from(lost)
            )
        })
        .collect()
}

fn named(snapshot: &Snapshot) -> String {
    let started = snapshot.record.started;
    let time = clock::local(started.seconds, started.nanoseconds);
    format!("{} ({time})", short_id(&snapshot.id))
}

fn verdict(report: &CheckReport, read: ReadData) -> String {
    let problems = || show::counted(report.findings.len() as u64, "problem", "problems");
    match (report.worst(), report.concerned_count) {
        (None, _) if read == ReadData::No => {
            "no problem was found; --read-data opens every pack as well".to_owned()
        }
        (None, _) => "no problem was found".to_owned(),
        (Some(_), 0) => format!("{} found, but every file can still be restored", problems()),
        (Some(_), count) => {
            let snapshots = report.concerned_snapshots.len() as u64;
            format!(
                "{} found; {} of {} cannot be restored, and everything else can",
                problems(),
                show::counted(count, "entry", "entries"),
                show::counted(snapshots, "snapshot", "snapshots")
            )
        }
    }
}

/// What to type next, in this order. Nothing where the storage lies: what it shows is not repaired.
fn remedies(report: &CheckReport) -> Vec<&'static str> {
    if report.worst() != Some(EngineClass::Damage) {
        return Vec::new();
    }
    let is_lost = report.concerned_count > 0;
    let all = [
        (
            is_lost,
            "first back up the machines that have these files: `ownkey backup` stores anew what is still as it was, and older snapshots are whole again too",
        ),
        (
            is_lost && !report.damaged_segments.is_empty(),
            "`ownkey repair index` makes the index again from the packs",
        ),
        (
            !report.damaged_packs.is_empty(),
            "`ownkey repair packs` heals damaged packs, or stores anew what is good in them",
        ),
        (
            is_lost,
            "`ownkey repair snapshots` makes snapshots without what is lost in the end; the old ones stay",
        ),
    ];
    let helps = all.into_iter().filter(|(helps, _)| *helps);
    helps.map(|(_, remedy)| remedy).collect()
}

/// Every object against its name: what whoever keeps the storage can do without any key.
fn objects(cx: &Context) -> Result<Class, Failure> {
    let place = cx.place()?;
    let room = cx.engine()?;
    let storage = opening::open(cx, &room, &place, Purpose::Examine)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Check);
    let report: ObjectsReport = check::objects(&room.environment, &storage, &monitor)?;
    monitor.finish();
    asides(cx, report.foreign.len() as u64)?;
    let all = format!(
        "{}, {}",
        show::counted(report.objects, "object", "objects"),
        show::size(report.bytes)
    );
    for finding in &report.findings {
        cx.ui.json(
            "error",
            json!({ "error": { "message": finding.message }, "during": "check" }),
        )?;
        if cx.ui.format() != Format::Json {
            cx.ui.tell("problem", &finding.message);
        }
    }
    let worst = report
        .findings
        .iter()
        .map(|finding| class(finding.class))
        .next();
    match worst {
        None => cx.ui.line(&format!("{all}: each is what its name says"))?,
        Some(_) => {
            let damaged = show::counted(report.findings.len() as u64, "problem", "problems");
            cx.ui.line(&format!("{all}: {damaged} found"))?;
        }
    }
    cx.ui.json(
        "summary",
        json!({
            "num_errors": report.findings.len(),
            "objects": report.objects,
            "bytes": report.bytes,
            "broken_objects": report.damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "foreign": report.foreign.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    )?;
    Ok(worst.unwrap_or(Class::Ok))
}

/// `n/t`, `x%` or a size.
fn subset(written: &str) -> Result<ReadData, String> {
    if let Some((n, of)) = written.split_once('/') {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        return match (number(n), number(of)) {
            (Some(n), Some(of)) if (1..=of).contains(&n) => Ok(ReadData::Part { n, of }),
            _ => Err(format!("`{written}` is not a part; write for example 2/5")),
        };
    }
    if let Some(percent) = written.strip_suffix('%') {
        return match percent.trim().parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(ReadData::Percent(percent)),
            _ => Err(format!("`{written}` is not a part; write for example 2.5%")),
        };
    }
    size::parse(written).map(ReadData::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_percentages_and_sizes_are_read() {
        assert_eq!(subset("2/5"), Ok(ReadData::Part { n: 2, of: 5 }));
        assert_eq!(subset("2.5%"), Ok(ReadData::Percent(2.5)));
        assert_eq!(subset("500M"), Ok(ReadData::Bytes(500 << 20)));
        for wrong in ["0/5", "6/5", "1/0", "x/2", "0%", "101%", "nan%", "-1", ""] {
            assert!(subset(wrong).is_err(), "{wrong}");
        }
    }
}
