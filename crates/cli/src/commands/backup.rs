//! `ownkey backup PATH...`

use std::ffi::OsString;
use std::path::PathBuf;

use ownkey_engine::backup::{self, Labels, Report, Sources};
use ownkey_engine::repository::Lies;
use ownkey_engine::source::{Event, Mounts, Selection, WalkOptions};
use serde_json::json;

use crate::bills;
use crate::clock;
use crate::compression::CompressionArgs;
use crate::context::{Context, absolute, host_name, user_name};
use crate::excludes::{self, ExcludeArgs, PresetName};
use crate::exit::Class;
use crate::failure::Failure;
use crate::habits::{self, Habits};
use crate::opening::Purpose;
use crate::parity::ParityArgs;
use crate::session::{Session, note_borrowed_identity};
use crate::spec::short_id;
use crate::stdin::{self, StdinArgs};
use crate::ui::progress::{Progress, Work};
use crate::ui::{json as lines, sanitize, show};
use crate::witnesses;

/// What to back up, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Only say what would be backed up
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    stdin: StdinArgs,
}

/// What goes into a snapshot, and what it says of itself.
#[derive(Debug, clap::Args)]
pub(crate) struct WhatArgs {
    /// The files and folders; without any, those of the profile
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    /// Do not go into other file systems
    #[arg(short = 'x', long)]
    one_file_system: bool,
    /// A word to find the snapshot by; may be given more than once
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The machine's name in the snapshot, instead of its own
    #[arg(short = 'H', long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    excludes: ExcludeArgs,
    #[command(flatten)]
    pub(super) compression: CompressionArgs,
    #[command(flatten)]
    pub(super) parity: ParityArgs,
}

/// Backs up.
pub(crate) fn run(cx: &Context, args: &BackupArgs) -> Result<Class, Failure> {
    if args.stdin.is_wanted() {
        if args.dry_run {
            return Err(Failure::usage(
                "a dry run cannot tell what standard input will hold",
            ));
        }
        let source = stdin::Source::new(&args.stdin, &args.what.paths)?;
        let mut session = open(cx, &args.what)?;
        note_borrowed_identity(cx, &session.repository);
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Backup);
        let report = source.back_up(
            &mut session.repository,
            &labels(cx, &args.what),
            (&monitor, &cx.interrupt),
        )?;
        return finish(cx, &mut session, (&monitor, &report));
    }
    let sources = sources(cx, &args.what, PresetName::None)?;
    if args.dry_run {
        return dry_run(cx, &Session::open(cx)?, &sources);
    }
    let mut session = open(cx, &args.what)?;
    note_borrowed_identity(cx, &session.repository);
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Backup);
    let report = backup::run(
        &mut session.repository,
        &sources,
        &labels(cx, &args.what),
        &monitor,
    )?;
    finish(cx, &mut session, (&monitor, &report))
}

/// Shows what was done, and tells the witnesses of it.
fn finish(
    cx: &Context,
    session: &mut Session,
    (monitor, report): (&Progress, &Report),
) -> Result<Class, Failure> {
    let class = summary(cx, monitor, report)?;
    witnesses::meet(cx, &mut session.repository, Lies::AreTheEnd)?;
    Ok(class)
}

/// Opens the repository to add to it, with the promise that what it needs stays locked.
fn open(cx: &Context, args: &WhatArgs) -> Result<Session, Failure> {
    let mut session = Session::open_to(cx, Purpose::Write)?;
    session
        .repository
        .compress(args.compression.over(cx.profile.compression));
    session
        .repository
        .protect(args.parity.over(cx.profile.parity));
    if let Some(lock) = cx.storage.object_lock {
        session.repository.keep_locked(lock.period)?;
    }
    Ok(session)
}

/// The paths and rules of the command line and the profile.
pub(crate) fn sources(
    cx: &Context,
    args: &WhatArgs,
    preset: PresetName,
) -> Result<Sources, Failure> {
    let of_profile = cx
        .profile
        .paths
        .iter()
        .map(|path| path.clone().into_os_string());
    let written: Vec<OsString> = if args.paths.is_empty() {
        of_profile.collect()
    } else {
        args.paths.clone()
    };
    if written.is_empty() {
        return Err(Failure::usage("what should be backed up?")
            .hint("name files and folders, for example: ownkey backup ~/Documents"));
    }
    // The slash at the end stays: it says that a link's folder is meant, not the link.
    let paths = written
        .iter()
        .map(keep_slash)
        .collect::<Result<Vec<_>, _>>()?;
    let selection = Selection::new(&paths)
        .map_err(|error| Failure::usage("a path makes no sense").caused_by(&error))?;
    let excludes = args.excludes.rules(&cx.profile, preset)?;
    let mounts = if args.one_file_system {
        Mounts::Skip
    } else {
        Mounts::Enter
    };
    Ok(Sources {
        selection,
        excludes,
        walk: WalkOptions {
            mounts,
            ..WalkOptions::default()
        },
    })
}

fn keep_slash(written: &OsString) -> Result<PathBuf, Failure> {
    let mut path = absolute(std::path::Path::new(written))?.into_os_string();
    let slash = written.as_encoded_bytes().ends_with(b"/");
    if slash && !path.as_encoded_bytes().ends_with(b"/") {
        path.push("/");
    }
    Ok(path.into())
}

/// What the snapshot says of itself.
pub(crate) fn labels(cx: &Context, args: &WhatArgs) -> Labels {
    let tags = if args.tag.is_empty() {
        cx.profile.tags.clone()
    } else {
        args.tag.clone()
    };
    let profile = cx.profile.habits.as_ref().map(Habits::text);
    let fits = profile
        .as_ref()
        .is_none_or(|text| text.len() <= habits::LIMIT);
    if !fits {
        cx.ui
            .note("the profile is longer than 64 KiB, so the snapshot carries no copy of it");
    }
    Labels {
        host: args.host.clone().unwrap_or_else(host_name),
        user: user_name(),
        tags,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: profile.filter(|_| fits).map(String::into_bytes),
    }
}

/// Shows what a backup did; its class says whether something was left out against the user's will.
pub(crate) fn summary(cx: &Context, monitor: &Progress, report: &Report) -> Result<Class, Failure> {
    monitor.finish();
    let counts = &report.counts;
    cx.ui.remark(&format!(
        "{}, {} in {}; read {}, {} new, {} stored",
        show::counted(counts.files, "file", "files"),
        show::size(counts.bytes),
        show::counted(counts.directories, "folder", "folders"),
        show::counted(report.read_files, "file", "files"),
        show::size(counts.new_bytes),
        show::size(report.stored_bytes),
    ))?;
    if let Some(requests) = bills::sentence(cx) {
        cx.ui.remark(&requests)?;
    }
    if let Some(locked) = &report.locked {
        let until = clock::local(locked.until.seconds, 0);
        let extended = show::counted(locked.extended, "lock", "locks");
        cx.ui
            .remark(&format!("locked until {until}; {extended} extended"))?;
    }
    cx.ui.line(&format!(
        "snapshot {} is safe in the repository ({})",
        short_id(&report.snapshot),
        show::duration(monitor.elapsed())
    ))?;
    cx.ui.json(
        "summary",
        json!({
            "snapshot_id": report.snapshot.to_string(),
            "total_files_processed": counts.files,
            "total_dirs_processed": counts.directories,
            "total_others_processed": counts.others,
            "total_bytes_processed": counts.bytes,
            "files_read": report.read_files,
            "data_added": counts.new_bytes,
            "data_added_packed": report.stored_bytes,
            "packs": report.packs,
            "requests": bills::fields(cx),
            "locked": report.locked.map(|locked| json!({
                "until": clock::rfc3339(locked.until.seconds, locked.until.nanoseconds),
                "extended": locked.extended,
                "failed": locked.failed,
            })),
            "error_count": report.problems,
            "total_duration": monitor.elapsed().as_secs_f64(),
            "backup_start": clock::rfc3339(report.started.seconds, report.started.nanoseconds),
            "backup_end": clock::rfc3339(report.ended.seconds, report.ended.nanoseconds),
        }),
    )?;
    if let Some(locked) = report.locked.filter(|locked| locked.failed > 0) {
        cx.ui.tell_person(&format!(
            "{} could not be extended; the snapshot is safe, but not locked as long as promised",
            show::counted(locked.failed, "lock", "locks")
        ));
        return Ok(Class::Partial);
    }
    if report.problems == 0 {
        return Ok(Class::Ok);
    }
    cx.ui.tell_person(&format!(
        "{} could not be read wholly; the rest is safe",
        show::counted(report.problems, "entry", "entries")
    ));
    Ok(Class::Partial)
}

/// Says what would be backed up and what would be left out, and why.
fn dry_run(cx: &Context, session: &Session, sources: &Sources) -> Result<Class, Failure> {
    let walk =
        backup::dry_run(&session.repository, sources).map_err(|error| excludes::invalid(&error))?;
    let (mut files, mut bytes, mut problems) = (0u64, 0u64, 0u64);
    for event in walk {
        cx.interrupt.check()?;
        match event {
            Event::Enter { entry, .. } => said(cx, "back up", &entry.path, None)?,
            Event::Entry(entry) => {
                files += 1;
                bytes += entry.stat.size;
                said(cx, "back up", &entry.path, None)?;
            }
            Event::Excluded { path, rule, .. } => {
                said(cx, "leave out", &path, Some(&rule.to_string()))?;
            }
            Event::Problem(problem) => {
                problems += 1;
                cx.ui.tell(
                    "problem",
                    &format!("{}: {}", sanitize::path(&problem.path), problem.message),
                );
                cx.ui.json(
                    "error",
                    lines::problem(&problem.path, &problem.message, "scan"),
                )?;
            }
            Event::Note(text) => cx.ui.note(&text),
            Event::Leave(_) => {}
        }
    }
    cx.ui.line(&format!(
        "would back up {}, {}; nothing was written",
        show::counted(files, "entry", "entries"),
        show::size(bytes)
    ))?;
    cx.ui.json(
        "summary",
        json!({
            "dry_run": true,
            "total_files_processed": files,
            "total_bytes_processed": bytes,
            "error_count": problems,
        }),
    )?;
    Ok(if problems == 0 {
        Class::Ok
    } else {
        Class::Partial
    })
}

/// What is left out is always said; what is backed up only with `--verbose`.
fn said(
    cx: &Context,
    action: &str,
    path: &std::path::Path,
    rule: Option<&str>,
) -> Result<(), Failure> {
    if rule.is_none() && cx.ui.verbosity() < crate::ui::Verbosity::Verbose {
        return Ok(());
    }
    let reason = rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    cx.ui
        .line(&format!("{action} {}{reason}", sanitize::path(path)))?;
    let mut fields = json!({ "action": action, "reason": rule });
    lines::put_bytes(&mut fields, "item", path.as_os_str().as_encoded_bytes());
    cx.ui.json("verbose_status", fields)
}
