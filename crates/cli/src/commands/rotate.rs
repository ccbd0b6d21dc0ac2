//! `ownkey rotate`

use ownkey_engine::access::Admin;
use ownkey_engine::prune::{self, FreshReads, Options, Renew, Unused};
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::Purpose;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// What to do with what is there.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateArgs {
    /// Begin no new keys; store anew, under the present ones, all that earlier ones sealed, and delete it
    #[arg(long)]
    reencrypt: bool,
}

/// Begins new keys, or brings what is there under the present ones.
pub(crate) fn run(cx: &Context, args: &RotateArgs) -> Result<Class, Failure> {
    match args.reencrypt {
        true => reencrypt(cx),
        false => begin_epoch(cx),
    }
}

fn begin_epoch(cx: &Context) -> Result<Class, Failure> {
    let mut session = Session::open(cx)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let epoch = Admin::of(&mut session.repository, &monitor)?.begin_epoch()?;
    monitor.finish();
    cx.ui.line(&format!(
        "epoch {epoch} has begun: whoever has only earlier keys reads nothing that is written from the moment a machine \
         learns of this. What was written before stays as it is, and earlier keys open it wherever a copy of it is."
    ))?;
    cx.ui
        .remark("to store that anew under the new keys: ownkey rotate --reencrypt")?;
    cx.ui.json("rotated", json!({ "epoch": epoch.get() }))?;
    Ok(Class::Ok)
}

/// A prune that leaves nothing where earlier keys open it.
fn reencrypt(cx: &Context) -> Result<Class, Failure> {
    let mut session = Session::open_to(cx, Purpose::Prune)?;
    let epoch = session.repository.roster().current_epoch();
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Prune);
    let options = Options {
        max_unused: Unused::Any,
        renew: Renew::EarlierEpochs,
        fresh_reads: FreshReads::Probed,
        ..Options::default()
    };
    let report = prune::run(&mut session.repository, &options, &monitor)?;
    monitor.finish();
    let nothing = report.deleted.objects == 0 && report.kept_by_storage == 0;
    cx.ui.line(&match nothing {
        true => format!(
            "everything is under the keys of epoch {epoch} already; ownkey rotate begins new ones"
        ),
        false => format!(
            "{} are under the keys of epoch {epoch} now, and {} that earlier keys opened are deleted: who has only earlier keys \
             reads none of this from the storage any more. Whoever made a copy of it before can still read that copy, and the log \
             entries of earlier epochs stay as they are.",
            show::size(report.moved),
            show::counted(report.deleted.objects, "object", "objects"),
        ),
    })?;
    if report.kept_by_storage > 0 {
        cx.ui.remark(&format!(
            "{} are locked by the storage for now, and earlier keys open them until a later run has deleted them",
            show::counted(report.kept_by_storage, "object", "objects")
        ))?;
    }
    cx.ui.json(
        "reencrypted",
        json!({
            "epoch": epoch.get(),
            "bytes_moved": report.moved,
            "bytes_stored": report.stored,
            "objects_deleted": report.deleted.objects,
            "bytes_deleted": report.deleted.bytes,
            "objects_locked": report.kept_by_storage,
        }),
    )?;
    Ok(Class::Ok)
}
