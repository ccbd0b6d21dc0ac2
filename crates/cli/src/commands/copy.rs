//! `ownkey copy`

use std::ffi::OsString;

use ownkey_engine::copy::{self, CopyReport};
use ownkey_engine::repository::{Repository, Snapshot};
use serde_json::json;

use super::second::SecondArgs;
use crate::compression::CompressionArgs;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::session::{Session, note_borrowed_identity};
use crate::spec::Spec;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Which snapshots, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    to: SecondArgs,
    /// Only those of this machine
    #[arg(short = 'H', long, value_name = "NAME")]
    host: Option<String>,
    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[command(flatten)]
    compression: CompressionArgs,
    /// The snapshots: latest, latest~1, or the beginning of an id; all if none is named
    #[arg(value_name = "SNAPSHOT", conflicts_with_all = ["host", "tag"])]
    snapshots: Vec<OsString>,
}

impl CopyArgs {
    fn chosen(&self, repository: &Repository) -> Result<Vec<Snapshot>, Failure> {
        if self.snapshots.is_empty() {
            let mut all = repository.snapshots();
            all.retain(|snapshot| {
                let record = &snapshot.record;
                let has = |tag| record.tags.contains(tag);
                let host = self.host.as_ref().is_none_or(|host| *host == record.host);
                host && self.tag.as_ref().is_none_or(has)
            });
            return Ok(all);
        }
        let find = |written: &OsString| {
            let spec = Spec::read(written)?;
            if spec.path().is_some() {
                return Err(Failure::usage("snapshots are copied as wholes")
                    .hint("leave the path behind the colon away"));
            }
            spec.find(repository)
        };
        self.snapshots.iter().map(find).collect()
    }
}

/// Copies.
pub(crate) fn run(cx: &Context, args: &CopyArgs) -> Result<Class, Failure> {
    let from = Session::open(cx)?;
    let chosen = args.chosen(&from.repository)?;
    let mut to = args.to.open(cx)?;
    note_borrowed_identity(cx, &to.repository);
    to.repository
        .compress(args.compression.over(cx.profile.compression));
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Copy);
    let report = copy::run(&from.repository, &chosen, &mut to.repository, &monitor)?;
    monitor.finish();
    for copied in &report.copied {
        let problems = match copied.problems {
            0 => String::new(),
            count => format!(" ({})", show::counted(count, "problem", "problems")),
        };
        cx.ui.line(&format!(
            "snapshot {} is snapshot {} there{problems}",
            short_id(&copied.from),
            short_id(&copied.to),
        ))?;
        cx.ui.json(
            "copied",
            json!({
                "snapshot_id": copied.from.to_string(),
                "copy_id": copied.to.to_string(),
                "error_count": copied.problems,
            }),
        )?;
    }
    summary(cx, &to, &monitor, &report)?;
    Ok(match report.problems {
        0 => Class::Ok,
        _ => Class::Damage,
    })
}

fn summary(
    cx: &Context,
    to: &Session,
    monitor: &Progress,
    report: &CopyReport,
) -> Result<(), Failure> {
    let there = match report.present {
        0 => String::new(),
        present => format!("; {} there already", show::counted(present, "was", "were")),
    };
    cx.ui.line(&format!(
        "copied {} to {}: {} new, {} stored ({}){there}",
        show::counted(report.copied.len() as u64, "snapshot", "snapshots"),
        to.place,
        show::size(report.new_bytes),
        show::size(report.stored_bytes),
        show::duration(monitor.elapsed()),
    ))?;
    if report.problems > 0 {
        cx.ui.tell_person(&format!(
            "{} not in the copies because stored data is damaged; `ownkey check --read-data` tells how much",
            show::counted(report.problems, "entry is", "entries are")
        ));
    }
    cx.ui.json(
        "summary",
        json!({
            "snapshots_copied": report.copied.len(),
            "snapshots_present": report.present,
            "files_read": report.read_files,
            "data_added": report.new_bytes,
            "data_stored": report.stored_bytes,
            "packs_stored": report.packs,
            "error_count": report.problems,
            "total_duration": monitor.elapsed().as_secs_f64(),
        }),
    )
}
