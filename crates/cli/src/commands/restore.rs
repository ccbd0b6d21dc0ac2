//! `ownkey restore SNAPSHOT[:PATH] --target FOLDER`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ownkey_engine::restore::{
    self, Extras, Filter, Mode, Outcome, RestoreOptions, RestoreReport, Verify,
};
use ownkey_engine::target::{Overwrite, Owners, SetIds, ShortfallCounts};
use ownkey_engine::tree::Browser;
use serde_json::json;

use crate::context::Context;
use crate::excludes;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// What to restore, where, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// Which snapshot: latest, latest~1, or the beginning of an id; with :PATH only that part
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    /// The folder to restore into; made if it is missing
    #[arg(short, long, value_name = "FOLDER")]
    target: PathBuf,
    /// Restore only what matches (gitignore's patterns)
    #[arg(short, long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Do not restore what matches
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// What to do with files that are there already
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    overwrite: OverwriteWhen,
    /// Remove what is in restored folders but not in the snapshot; asks first
    #[arg(long)]
    delete: bool,
    /// Do not ask before removing
    #[arg(long, requires = "delete")]
    yes: bool,
    /// Only say what would be restored
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Read everything back from the disk and compare
    #[arg(long)]
    verify: bool,
    /// Give files to the recorded numbers, not to the users of the recorded names
    #[arg(long)]
    numeric_ids: bool,
    #[command(flatten)]
    earlier: Earlier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OverwriteWhen {
    /// Write every file again
    Always,
    /// Believe files of the same size and time
    IfChanged,
    /// Replace only what is older
    IfNewer,
    /// Leave everything that exists
    Never,
}

impl RestoreArgs {
    fn options(&self, spec: &Spec) -> Result<RestoreOptions, Failure> {
        let filter =
            Filter::new(&self.include, &self.exclude).map_err(|error| excludes::invalid(&error))?;
        Ok(RestoreOptions {
            subpath: spec.path.clone(),
            filter,
            overwrite: match self.overwrite {
                OverwriteWhen::Always => Overwrite::Always,
                OverwriteWhen::IfChanged => Overwrite::IfChanged,
                OverwriteWhen::IfNewer => Overwrite::IfNewer,
                OverwriteWhen::Never => Overwrite::Never,
            },
            extras: if self.delete {
                Extras::Delete
            } else {
                Extras::Keep
            },
            mode: if self.dry_run {
                Mode::DryRun
            } else {
                Mode::Write
            },
            verify: if self.verify {
                Verify::ReadBack
            } else {
                Verify::No
            },
            owners: if self.numeric_ids {
                Owners::Numeric
            } else {
                Owners::ByName
            },
            set_ids: SetIds::Restore,
            ..RestoreOptions::into_folder(&self.target)
        })
    }
}

/// Restores.
pub(crate) fn run(cx: &Context, args: &RestoreArgs) -> Result<Class, Failure> {
    let spec = Spec::read(&args.snapshot)?;
    let options = args.options(&spec)?;
    if args.delete && !args.yes && !args.dry_run {
        may_delete(cx, args)?;
    }
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let snapshot = spec.find(&session.repository)?;
    let browser = Browser::new(&session.repository)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Restore);
    let report = restore::run(&session.repository, &browser, &snapshot, &options, &monitor)?;
    monitor.finish();
    told(cx, &args.target, options.mode, &monitor, &report)
}

/// Says how it went.
pub(super) fn told(
    cx: &Context,
    target: &Path,
    mode: Mode,
    monitor: &Progress,
    report: &RestoreReport,
) -> Result<Class, Failure> {
    summary(cx, target, mode, monitor, report)?;
    Ok(match report.outcome() {
        Outcome::Complete => Class::Ok,
        Outcome::Incomplete => Class::Partial,
        Outcome::Damaged => Class::Damage,
    })
}

/// Nothing that only exists outside the repository goes without somebody's word.
fn may_delete(cx: &Context, args: &RestoreArgs) -> Result<(), Failure> {
    let Some(prompt) = cx.prompt() else {
        return Err(
            Failure::usage("--delete removes files, and there is nobody here to ask")
                .hint("look with --dry-run first, then add --yes"),
        );
    };
    let question = format!(
        "remove everything in {} that the snapshot does not have?",
        args.target.display()
    );
    if prompt.agrees(&question)? {
        return Ok(());
    }
    Err(Failure::other("nothing was restored and nothing removed"))
}

fn summary(
    cx: &Context,
    target: &Path,
    mode: Mode,
    monitor: &Progress,
    report: &RestoreReport,
) -> Result<(), Failure> {
    let verb = match mode {
        Mode::DryRun => "would restore",
        Mode::Write => "restored",
    };
    cx.ui.line(&format!(
        "{verb} {} and {}, {}, to {} ({})",
        show::counted(report.files, "file", "files"),
        show::counted(report.directories, "folder", "folders"),
        show::size(report.bytes),
        target.display(),
        show::duration(monitor.elapsed()),
    ))?;
    let asides = [
        (report.unchanged, "were right already"),
        (report.skipped, "were left as they are"),
        (
            report.removed,
            "were removed because the snapshot does not have them",
        ),
    ];
    for (number, what) in asides.into_iter().filter(|(number, _)| *number > 0) {
        cx.ui.remark(&format!("{} {what}", show::count(number)))?;
    }
    cx.ui.json(
        "summary",
        json!({
            "dry_run": mode == Mode::DryRun,
            "files_restored": report.files,
            "dirs_restored": report.directories,
            "others_restored": report.others,
            "bytes_restored": report.bytes,
            "files_unchanged": report.unchanged,
            "files_skipped": report.skipped,
            "files_deleted": report.removed,
            "error_count": report.problems,
            "damaged": report.damaged,
            "damaged_packs": report.damaged_packs.iter().map(|pack| pack.hash.to_string()).collect::<Vec<_>>(),
            "shortfalls": shortfalls(&report.shortfalls).iter().map(|(number, what)| json!({ "count": number, "what": what })).collect::<Vec<_>>(),
            "total_duration": monitor.elapsed().as_secs_f64(),
        }),
    )?;
    for (number, what) in shortfalls(&report.shortfalls) {
        cx.ui
            .tell_person(&format!("{}: {what}", show::count(number)));
    }
    if report.shortfalls.needs_root() {
        cx.ui
            .tell_person("running it again as root restores these too");
    }
    if report.damaged > 0 {
        cx.ui.tell_person(&format!(
            "{} could not be restored because stored data is damaged; `ownkey check --read-data` tells how much",
            show::counted(report.damaged, "entry", "entries")
        ));
    }
    Ok(())
}

fn shortfalls(counts: &ShortfallCounts) -> Vec<(u64, &'static str)> {
    [
        (
            counts.owners,
            "entries belong to you now: giving them to their owners needs root",
        ),
        (
            counts.set_ids,
            "setuid and setgid bits were left off with the owners they stand for",
        ),
        (counts.devices, "devices need root"),
        (counts.privileged_xattrs, "extended attributes need root"),
        (
            counts.privileged_flags,
            "entries have file flags that need root",
        ),
        (
            counts.unsupported_xattrs,
            "extended attributes do not exist on the target's file system",
        ),
        (
            counts.unsupported_flags,
            "entries have file flags that do not exist on the target's file system",
        ),
        (
            counts.sockets,
            "sockets were left out: programs make their own",
        ),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .collect()
}
