//! `ownkey prune`

use ownkey_engine::Error;
use ownkey_engine::prune::{self, FreshReads, Options, Report, Unused};
use ownkey_engine::unforget;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::Purpose;
use crate::session::Session;
use crate::size;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Space worth a prune that nobody asked for, in a hundred of what packs take.
const WORTH_FROM: u64 = 10;

/// How far to go.
#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    limits: Limits,
    /// Only say what would be deleted and moved
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// What a prune may leave and may move.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Limits {
    /// What may stay unused within packs: 5%, 500M, or unlimited
    #[arg(long, value_name = "LIMIT", value_parser = unused, default_value = "5%")]
    max_unused: Unused,
    /// Move at most this much of what is still needed
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_repack_size: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let Options {
            max_unused,
            max_moved,
            ..
        } = Options::default();
        Self {
            max_unused,
            max_repack_size: max_moved,
        }
    }
}

fn unused(written: &str) -> Result<Unused, String> {
    if written == "unlimited" {
        return Ok(Unused::Any);
    }
    let Some(percent) = written.strip_suffix('%') else {
        return size::parse(written).map(Unused::Bytes);
    };
    let percent: f64 = percent.trim().parse().map_err(|_| bad_unused(written))?;
    match percent.is_finite() && percent >= 0.0 {
        true => Ok(Unused::Percent(percent)),
        false => Err(bad_unused(written)),
    }
}

fn bad_unused(written: &str) -> String {
    format!("`{written}` is no limit; write for example 5%, 500M, or unlimited")
}

/// Prunes.
pub(crate) fn run(cx: &Context, args: &PruneArgs) -> Result<Class, Failure> {
    let mut session = Session::open_to(cx, Purpose::Prune)?;
    match args.dry_run {
        true => outlook(cx, &mut session, args.limits)?,
        false => prune(cx, &mut session, args.limits)?,
    }
    Ok(Class::Ok)
}

/// Gives back the space of what nobody needs, in a repository that was opened for it.
pub(crate) fn prune(cx: &Context, session: &mut Session, limits: Limits) -> Result<(), Failure> {
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Prune);
    let report = prune::run(&mut session.repository, &options(limits), &monitor)?;
    monitor.finish();
    told(cx, &report, &monitor)
}

/// Gives back the space of what was forgotten before, if it is worth it. What is forgotten from now on can be had back.
pub(crate) fn when_worth_it(cx: &Context, session: &mut Session) -> Result<(), Failure> {
    // Else there is little to find, and looking for it reads every folder.
    if !session.repository.may_read() || unforget::forgotten(&session.repository)?.is_empty() {
        return Ok(());
    }
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Prune);
    let options = Options {
        // Nobody asked for it, so nothing is tried out for it either.
        fresh_reads: FreshReads::Claimed,
        worth_from: WORTH_FROM,
        ..options(Limits::default())
    };
    let report = match prune::run(&mut session.repository, &options, &monitor) {
        Err(Error::StaleReads(_) | Error::NotAllowed(_)) => return Ok(()),
        report => report?,
    };
    monitor.finish();
    match (report.deleted.objects, report.kept_by_storage) {
        (0, 0) => Ok(()),
        _ => told(cx, &report, &monitor),
    }
}

fn told(cx: &Context, report: &Report, monitor: &Progress) -> Result<(), Failure> {
    let (deleted, time) = (report.deleted, show::duration(monitor.elapsed()));
    match (deleted.objects, report.kept_by_storage) {
        (0, 0) => cx.ui.line("there is nothing to prune")?,
        _ => cx.ui.line(&format!(
            "deleted {}, {}; moved {} of what is needed out of {} ({time})",
            show::counted(deleted.objects, "object", "objects"),
            show::size(deleted.bytes),
            show::size(report.moved),
            show::counted(report.emptied.objects, "pack", "packs"),
        ))?,
    }
    asides(cx, report)?;
    summary(cx, report, "pruned")
}

/// Says what that would be.
fn outlook(cx: &Context, session: &mut Session, limits: Limits) -> Result<(), Failure> {
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Prune);
    let report = prune::dry_run(&mut session.repository, &options(limits), &monitor)?;
    monitor.finish();
    cx.ui.line(&format!(
        "would delete {}, {}, and move {} of what is needed out of {}, {}",
        show::counted(report.dropped.objects, "pack", "packs"),
        show::size(report.dropped.bytes),
        show::size(report.moved),
        show::counted(report.emptied.objects, "pack", "packs"),
        show::size(report.emptied.bytes),
    ))?;
    asides(cx, &report)?;
    summary(cx, &report, "would-prune")
}

fn options(limits: Limits) -> Options {
    Options {
        max_unused: limits.max_unused,
        max_moved: limits.max_repack_size,
        // It would not be open for this purpose else.
        fresh_reads: FreshReads::Probed,
        ..Options::default()
    }
}

fn asides(cx: &Context, report: &Report) -> Result<(), Failure> {
    cx.ui.remark(&format!(
        "{} of {} in {} were needed by nobody; {} of that stay, within packs that hold more than that",
        show::size(report.unused),
        show::size(report.packs.bytes),
        show::counted(report.packs.objects, "pack", "packs"),
        show::size(report.left_unused),
    ))?;
    if report.kept_by_storage > 0 {
        cx.ui.remark(&format!(
            "{} are locked by the storage for now; a later prune deletes them",
            show::counted(report.kept_by_storage, "object", "objects")
        ))?;
    }
    Ok(())
}

fn summary(cx: &Context, report: &Report, message: &'static str) -> Result<(), Failure> {
    cx.ui.json(
        message,
        json!({
            "packs_found": report.packs.objects,
            "bytes_found": report.packs.bytes,
            "bytes_unused": report.unused,
            "packs_dropped": report.dropped.objects,
            "packs_emptied": report.emptied.objects,
            "bytes_moved": report.moved,
            "bytes_stored": report.stored,
            "objects_deleted": report.deleted.objects,
            "bytes_deleted": report.deleted.bytes,
            "objects_locked": report.kept_by_storage,
            "objects_spared": report.spared,
            "bytes_left_unused": report.left_unused,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_percentage_a_size_or_none() {
        assert_eq!(unused("5%"), Ok(Unused::Percent(5.0)));
        assert_eq!(unused("0.5 %"), Ok(Unused::Percent(0.5)));
        assert_eq!(unused("2G"), Ok(Unused::Bytes(2 << 30)));
        assert_eq!(unused("unlimited"), Ok(Unused::Any));
        for written in ["", "%", "-1%", "nan%", "some"] {
            assert!(unused(written).is_err(), "{written}");
        }
    }
}
