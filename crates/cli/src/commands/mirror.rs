//! `ownkey mirror`

use std::ffi::OsString;

use ownkey_engine::mirror::{self, MirrorReport, Mode};
use serde_json::json;

use super::second;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::{self, Purpose};
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::{Format, show};

/// Where to, and what besides.
#[derive(Debug, clap::Args)]
pub(crate) struct MirrorArgs {
    /// The place of the mirror: a path or URL
    #[arg(long, value_name = "PLACE")]
    to: OsString,
    /// Read all of the mirror back and compare it
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Delete from the mirror what a prune has deleted; needs a key of the repository
    #[arg(long, conflicts_with = "dry_run")]
    delete: bool,
    /// Only say what would be copied
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl MirrorArgs {
    fn mode(&self) -> Mode {
        match (self.dry_run, self.verify) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::CopyAndVerify,
            (false, false) => Mode::Copy,
        }
    }
}

/// Mirrors.
pub(crate) fn run(cx: &Context, args: &MirrorArgs) -> Result<Class, Failure> {
    let (place, to) = (cx.place()?, second::read_place(cx, &args.to)?);
    let room = cx.engine()?;
    let from = opening::open(cx, &room, &place, Purpose::Examine)?;
    let copy = match args.mode() {
        Mode::DryRun => opening::open(cx, &room, &to, Purpose::Examine)?,
        Mode::Copy | Mode::CopyAndVerify => second::make(cx, &room, &to)?,
    };
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Mirror);
    let report = mirror::run(&room.environment, &from, &copy, args.mode(), &monitor)?;
    monitor.finish();
    let mut deleted = 0;
    if args.delete {
        let session = Session::unlock(cx, to.clone(), room, &copy)?;
        deleted = mirror::delete_condemned(&session.repository, &from)?;
    }
    for finding in &report.findings {
        let error = json!({ "error": { "message": finding.message }, "during": "mirror" });
        cx.ui.json("error", error)?;
        if cx.ui.format() != Format::Json {
            cx.ui.tell("problem", &finding.message);
        }
    }
    let verb = match args.mode() {
        Mode::DryRun => "would copy",
        Mode::Copy | Mode::CopyAndVerify => "copied",
    };
    cx.ui.line(&format!(
        "{verb} {}, {}, to {to} ({})",
        show::counted(report.copied, "object", "objects"),
        show::size(report.copied_bytes),
        show::duration(monitor.elapsed()),
    ))?;
    asides(cx, &report, deleted)?;
    summary(cx, args, &report, deleted)?;
    Ok(match report.findings.is_empty() {
        true => Class::Ok,
        false => Class::Damage,
    })
}

fn asides(cx: &Context, report: &MirrorReport, deleted: u64) -> Result<(), Failure> {
    let asides = [
        (report.present, "were there already"),
        (report.verified, "of the mirror were read and compared"),
        (
            report.gone - deleted.min(report.gone),
            "of the mirror are not in the repository any more",
        ),
        (deleted, "were deleted from the mirror"),
        (report.foreign, "are not ownkey's and were left out"),
    ];
    for (number, what) in asides.into_iter().filter(|(number, _)| *number > 0) {
        cx.ui.remark(&format!("{} {what}", show::count(number)))?;
    }
    Ok(())
}

fn summary(
    cx: &Context,
    args: &MirrorArgs,
    report: &MirrorReport,
    deleted: u64,
) -> Result<(), Failure> {
    cx.ui.json(
        "summary",
        json!({
            "dry_run": args.dry_run,
            "objects_copied": report.copied,
            "bytes_copied": report.copied_bytes,
            "objects_present": report.present,
            "objects_verified": report.verified,
            "objects_gone": report.gone,
            "objects_deleted": deleted,
            "objects_foreign": report.foreign,
            "num_errors": report.findings.len(),
        }),
    )
}
