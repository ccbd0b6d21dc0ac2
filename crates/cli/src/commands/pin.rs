//! `ownkey pin` and `ownkey unpin`

use std::ffi::OsString;

use ownkey_engine::forget::pin;
use ownkey_engine::repository::Snapshot;
use serde_json::json;

use super::forget::found;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::Purpose;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Which snapshots.
#[derive(Debug, clap::Args)]
pub(crate) struct PinArgs {
    /// Snapshots: latest, latest~1, or the beginning of an id
    #[arg(value_name = "SNAPSHOT", required = true)]
    snapshots: Vec<OsString>,
}

/// Keeps them from being forgotten.
pub(crate) fn run(cx: &Context, args: &PinArgs) -> Result<Class, Failure> {
    let (mut session, monitor) = opened(cx)?;
    let named = found(&args.snapshots, &session)?;
    let entries = named.iter().map(Snapshot::entry).collect();
    let new = pin::add(&mut session.repository, &entries, &monitor)?;
    monitor.finish();
    cx.ui.line(&format!(
        "pinned {}; no policy and no `ownkey forget` takes what is pinned",
        show::counted(new, "snapshot", "snapshots")
    ))?;
    cx.ui
        .json("pinned", json!({ "snapshots": new, "ids": ids(&named) }))?;
    Ok(Class::Ok)
}

/// Lets them be forgotten again.
pub(crate) fn undo(cx: &Context, args: &PinArgs) -> Result<Class, Failure> {
    let (mut session, monitor) = opened(cx)?;
    let named = found(&args.snapshots, &session)?;
    let entries = named.iter().map(Snapshot::entry).collect();
    let ended = pin::remove(&mut session.repository, &entries, &monitor)?;
    monitor.finish();
    cx.ui.line(&format!(
        "unpinned {}",
        show::counted(ended, "snapshot", "snapshots")
    ))?;
    cx.ui.json(
        "unpinned",
        json!({ "snapshots": ended, "ids": ids(&named) }),
    )?;
    Ok(Class::Ok)
}

fn opened(cx: &Context) -> Result<(Session, Progress), Failure> {
    let session = Session::open_to(cx, Purpose::Write)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    Ok((session, monitor))
}

fn ids(named: &[Snapshot]) -> Vec<String> {
    named
        .iter()
        .map(|snapshot| snapshot.id.to_string())
        .collect()
}
