//! `ownkey snapshots`

use ownkey_engine::copy::CopiedFrom;
use ownkey_engine::repair::RepairedFrom;
use ownkey_engine::repository::Snapshot;
use ownkey_engine::unforget;
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::session::Session;
use crate::silence;
use crate::spec::short_id;
use crate::ui::table::{Align, Table};
use crate::ui::{json as lines, sanitize, show};

/// Which snapshots.
#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotsArgs {
    /// Only those of this machine
    #[arg(short = 'H', long, value_name = "NAME")]
    host: Option<String>,
    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Those that were forgotten, and that `ownkey unforget` can have back
    #[arg(long)]
    forgotten: bool,
    #[command(flatten)]
    earlier: Earlier,
}

impl SnapshotsArgs {
    fn wants(&self, snapshot: &Snapshot) -> bool {
        let record = &snapshot.record;
        self.host.as_ref().is_none_or(|host| *host == record.host)
            && self
                .tag
                .as_ref()
                .is_none_or(|tag| record.tags.contains(tag))
    }
}

/// Lists them, oldest first.
pub(crate) fn run(cx: &Context, args: &SnapshotsArgs) -> Result<Class, Failure> {
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let all = match args.forgotten {
        true => unforget::forgotten(&session.repository)?,
        false => session.repository.snapshots(),
    };
    let snapshots: Vec<Snapshot> = all
        .into_iter()
        .filter(|snapshot| args.wants(snapshot))
        .collect();
    let mut table = Table::new(&[
        ("id", Align::Left),
        ("time", Align::Left),
        ("host", Align::Left),
        ("size", Align::Right),
        ("tags", Align::Left),
        ("paths", Align::Left),
    ]);
    let pinned = session.repository.pinned();
    for snapshot in &snapshots {
        let is_pinned = pinned.contains(&snapshot.entry());
        let mut told = described(snapshot);
        told["pinned"] = is_pinned.into();
        told["forgotten"] = args.forgotten.into();
        cx.ui.json("snapshot", told)?;
        let mut row = row(snapshot);
        if is_pinned && let Some(last) = row.last_mut() {
            last.push_str(" (pinned)");
        }
        table.row(row);
    }
    if snapshots.is_empty() && !session.repository.may_read() {
        cx.ui.line(
            "this device may only write: what snapshots there are is told where you may read",
        )?;
        return Ok(Class::Ok);
    }
    if snapshots.is_empty() && args.forgotten {
        cx.ui.line("nothing that was forgotten can be had back")?;
        return Ok(Class::Ok);
    }
    if snapshots.is_empty() {
        cx.ui
            .line("there are no snapshots here yet; make one with: ownkey backup PATH…")?;
        return Ok(Class::Ok);
    }
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    cx.ui.remark(&show::counted(
        snapshots.len() as u64,
        "snapshot",
        "snapshots",
    ))?;
    silence::note(cx, &session.repository);
    if session.repository.unfinished().is_some() {
        cx.ui
            .note("an interrupted backup of this machine is kept; the next backup goes on from it");
    }
    Ok(Class::Ok)
}

fn row(snapshot: &Snapshot) -> [String; 6] {
    let record = &snapshot.record;
    let mut paths: Vec<String> = record
        .paths
        .iter()
        .map(|path| sanitize::bytes(path))
        .collect();
    if snapshot.first != snapshot.entry() {
        let first = short_id(&snapshot.first.at.hash);
        paths.push(format!("(forgotten as {first} and had back)"));
    }
    if let Some(first) = CopiedFrom::of(record) {
        paths.push(format!("(a copy of {})", short_id(&first.snapshot)));
    }
    if let Some(RepairedFrom(old)) = RepairedFrom::of(record) {
        paths.push(format!("(what is left of {})", short_id(&old)));
    }
    if record.problems > 0 {
        paths.push(format!(
            "({})",
            show::counted(record.problems, "problem", "problems")
        ));
    }
    [
        short_id(&snapshot.id),
        clock::local(record.started.seconds, record.started.nanoseconds),
        record.host.clone(),
        show::size(record.counts.bytes),
        tags(snapshot).join(","),
        paths.join(" "),
    ]
}

/// The user's tags: where a copy or a repaired snapshot comes from is told beside them.
fn tags(snapshot: &Snapshot) -> Vec<&str> {
    let tags = snapshot.record.tags.iter().map(String::as_str);
    tags.filter(|tag| CopiedFrom::parse(tag).is_none() && RepairedFrom::parse(tag).is_none())
        .collect()
}

/// A snapshot for programs.
pub(crate) fn described(snapshot: &Snapshot) -> serde_json::Value {
    let record = &snapshot.record;
    let paths: Vec<serde_json::Value> = record
        .paths
        .iter()
        .map(|path| {
            let mut entry = json!({});
            lines::put_bytes(&mut entry, "path", path);
            entry
        })
        .collect();
    json!({
        "id": snapshot.id.to_string(),
        "short_id": short_id(&snapshot.id),
        "time": clock::rfc3339(record.started.seconds, record.started.nanoseconds),
        "hostname": record.host,
        "username": record.user,
        "tags": tags(snapshot),
        "paths": record.paths.iter().map(|path| String::from_utf8_lossy(path)).collect::<Vec<_>>(),
        "path_list": paths,
        "forgotten_id": (snapshot.first != snapshot.entry()).then(|| snapshot.first.at.hash.to_string()),
        "parent": record.parent.map(|parent| parent.to_string()),
        "program_version": record.version,
        "original": CopiedFrom::of(record).map(|first| first.snapshot.to_string()),
        "original_repository": CopiedFrom::of(record).map(|first| first.repository.to_string()),
        "repaired_from": RepairedFrom::of(record).map(|old| old.0.to_string()),
        "problems": record.problems,
        "summary": {
            "total_files_processed": record.counts.files,
            "total_dirs_processed": record.counts.directories,
            "total_bytes_processed": record.counts.bytes,
            "data_added": record.counts.new_bytes,
        },
    })
}
