//! `ownkey unforget`

use ownkey_engine::repository::Snapshot;
use ownkey_engine::unforget;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::Purpose;
use crate::session::Session;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};

/// Which snapshots.
#[derive(Debug, clap::Args)]
pub(crate) struct UnforgetArgs {
    /// The beginnings of their ids, as `ownkey snapshots --forgotten` shows them
    #[arg(value_name = "ID", required = true)]
    snapshots: Vec<String>,
}

/// Has them back.
pub(crate) fn run(cx: &Context, args: &UnforgetArgs) -> Result<Class, Failure> {
    let mut session = Session::open_to(cx, Purpose::Write)?;
    let forgotten = unforget::forgotten(&session.repository)?;
    let find = |written: &String| find(&forgotten, written);
    let chosen: Vec<&Snapshot> = args.snapshots.iter().map(find).collect::<Result<_, _>>()?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    for snapshot in chosen {
        let made = unforget::run(&mut session.repository, snapshot, &monitor)?;
        let started = snapshot.record.started;
        cx.ui.line(&format!(
            "snapshot {} of {} is back, and is called {} now",
            short_id(&snapshot.id),
            clock::local(started.seconds, started.nanoseconds),
            short_id(&made),
        ))?;
        let fields =
            json!({ "forgotten_id": snapshot.id.to_string(), "snapshot_id": made.to_string() });
        cx.ui.json("unforgotten", fields)?;
    }
    monitor.finish();
    cx.ui.remark(
        "a policy judges it as before: `ownkey pin SNAPSHOT` keeps it from being forgotten again",
    )?;
    Ok(Class::Ok)
}

fn find<'s>(forgotten: &'s [Snapshot], written: &str) -> Result<&'s Snapshot, Failure> {
    let prefix = written.to_ascii_lowercase();
    let fits = |snapshot: &&Snapshot| snapshot.id.to_string().starts_with(&prefix);
    let found: Vec<&Snapshot> = forgotten.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::other(format!(
            "there is no forgotten snapshot {written:?} that could be had back"
        ))
        .hint("`ownkey snapshots --forgotten` lists them; once pruned, they are gone")),
        several => Err(Failure::usage(format!(
            "{written:?} is the beginning of {} ids",
            several.len()
        ))
        .hint("give more of it")),
    }
}
