//! `ownkey stats [SNAPSHOT]`

use std::ffi::OsString;

use ownkey_engine::stats::{self, ObjectClass};
use ownkey_engine::tree::Browser;
use serde_json::{Map, json};

use super::requests;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;
use crate::ui::table::{Align, Table};

/// About what.
#[derive(Debug, clap::Args)]
pub(crate) struct StatsArgs {
    /// One snapshot; without it all of them together
    snapshot: Option<OsString>,
    /// Instead: how often this machine asked the storage for something in the last 31 days
    #[arg(long, conflicts_with = "snapshot")]
    requests: bool,
}

/// Says how large it is, before and after deduplication and compression, and what is stored.
pub(crate) fn run(cx: &Context, args: &StatsArgs) -> Result<Class, Failure> {
    if args.requests {
        return requests::run(cx);
    }
    let spec = args.snapshot.as_deref().map(Spec::read).transpose()?;
    if spec.as_ref().is_some_and(|spec| spec.path.is_some()) {
        return Err(Failure::usage(
            "stats counts whole snapshots; take the path away",
        ));
    }
    let session = Session::open(cx)?;
    let snapshots = match &spec {
        Some(spec) => vec![spec.find(&session.repository)?],
        None => session.repository.snapshots(),
    };
    let browser = Browser::new(&session.repository)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let counted = stats::of_snapshots(&browser, &snapshots, &monitor)?;
    let stored = stats::stored(&session.repository)?;
    let logical = &counted.logical;
    cx.ui.line(&format!(
        "{}: {}, {}, {} to restore",
        show::counted(counted.snapshots, "snapshot", "snapshots"),
        show::counted(logical.files, "file", "files"),
        show::counted(logical.directories, "folder", "folders"),
        show::size(logical.bytes),
    ))?;
    cx.ui.line(&format!(
        "{} different, {} in the repository after compression, in {}",
        show::size(counted.unique_bytes),
        show::size(counted.stored_bytes),
        show::counted(counted.chunks, "chunk", "chunks"),
    ))?;
    cx.ui.line("")?;
    let mut table = Table::new(&[
        ("stored", Align::Left),
        ("objects", Align::Right),
        ("size", Align::Right),
    ]);
    let mut classes = Map::new();
    for (class, amount) in &stored {
        let (word, what) = words(*class);
        table.row([
            what.to_owned(),
            show::count(amount.objects),
            show::size(amount.bytes),
        ]);
        classes.insert(
            word.to_owned(),
            json!({ "objects": amount.objects, "bytes": amount.bytes }),
        );
    }
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    cx.ui.json(
        "stats",
        json!({
            "snapshots_count": counted.snapshots,
            "total_file_count": logical.files,
            "total_dir_count": logical.directories,
            "total_size": logical.bytes,
            "total_blob_count": counted.chunks,
            "unique_bytes": counted.unique_bytes,
            "stored_bytes": counted.stored_bytes,
            "objects": classes,
        }),
    )?;
    Ok(if counted.broken == 0 {
        Class::Ok
    } else {
        Class::Damage
    })
}

fn words(class: ObjectClass) -> (&'static str, &'static str) {
    match class {
        ObjectClass::Header => ("header", "header"),
        ObjectClass::Keys => ("keys", "key slots and grants"),
        ObjectClass::Roster => ("roster", "roster"),
        ObjectClass::Log => ("log", "logs"),
        ObjectClass::Index => ("index", "index"),
        ObjectClass::Data => ("data", "packs of file contents"),
        ObjectClass::Meta => ("meta", "packs of folders"),
        ObjectClass::Foreign => ("foreign", "not ownkey's"),
    }
}
