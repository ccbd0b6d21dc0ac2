//! `ownkey provider-view`: what whoever runs the storage sees of this repository.

use ownkey_engine::provider_view::{self, Kind, ProviderView, Volume};
use serde_json::json;

use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::opening::{self, Purpose};
use crate::ui::show;
use crate::ui::table::{Align, Table};

/// Bursts of activity that are shown, the newest; with `--json` all.
const SHOWN: usize = 10;

/// Looks, without a key.
pub(crate) fn run(cx: &Context) -> Result<Class, Failure> {
    let place = cx.place()?;
    let room = cx.engine()?;
    let storage = opening::open(cx, &room, &place, Purpose::Examine)?;
    let view = provider_view::look(&room.environment, &storage)?;
    cx.ui.lines(&format!(
        "What {place} sees of this repository, from its own listing; no key was used:\n"
    ))?;
    objects(cx, &view)?;
    inferred(cx, &view)?;
    bursts(cx, &view)?;
    cx.ui.lines(BESIDES)?;
    summary(cx, &view)?;
    Ok(Class::Ok)
}

/// What no listing shows, and what nobody sees. The second paragraph is what the threat model promises, with its tests.
const BESIDES: &str = "
It sees besides, and no listing tells: from which address somebody comes, and when; which objects are read, so how much of
a restore was fetched and which packs belong together; what is deleted, and what fails and is tried again.

It cannot see: contents; names of files and folders, of machines and of their users; which paths were backed up; how many
files there are, nor the length of any; which pack holds what, and whether two repositories hold the same. Lengths of
objects are rounded: to 4 KiB, packs to the classes of Padmé or, of a small backup, to 256 KiB after a random addition.";

fn objects(cx: &Context, view: &ProviderView) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("objects", Align::Right),
        ("size", Align::Right),
        ("smallest", Align::Right),
        ("largest", Align::Right),
        ("lengths", Align::Right),
        ("what", Align::Left),
    ]);
    for (kind, volume) in &view.kinds {
        let (word, what) = named(*kind);
        let (smallest, largest) = ends(volume);
        table.row([
            show::count(volume.objects),
            show::size(volume.bytes),
            show::size(smallest),
            show::size(largest),
            show::count(volume.lengths.len() as u64),
            what.to_owned(),
        ]);
        cx.ui.json(
            "provider_objects",
            json!({
                "kind": word,
                "objects": volume.objects,
                "bytes": volume.bytes,
                "smallest": smallest,
                "largest": largest,
                "lengths": volume.lengths.len(),
            }),
        )?;
    }
    table.lines().iter().try_for_each(|line| cx.ui.line(line))
}

fn ends(volume: &Volume) -> (u64, u64) {
    let end = |length: Option<&u64>| length.copied().unwrap_or_default();
    (end(volume.lengths.first()), end(volume.lengths.last()))
}

fn named(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Contents => ("data", "packs of file contents (data/)"),
        Kind::Folders => ("meta", "packs of folders and names (meta/)"),
        Kind::Index => ("index", "parts of the index"),
        Kind::Logs => ("log", "log entries: two for each backup"),
        Kind::Roster => ("roster", "changes of who has access, the first one too"),
        Kind::Slots => ("slot", "slots: what a password or recovery key opens"),
        Kind::Grants => ("grant", "keys, each sealed to one machine or way back"),
        Kind::Requests => ("request", "requests of new machines"),
        Kind::Header => (
            "header",
            "the header, the only object that says what this is",
        ),
        Kind::Foreign => ("foreign", "objects that are not ownkey's"),
    }
}

fn inferred(cx: &Context, view: &ProviderView) -> Result<(), Failure> {
    cx.ui.lines("\nIt can tell from that:")?;
    cx.ui.line(&format!(
        "  {} had keys at some time; these were {}",
        show::counted(
            view.identities,
            "machine or way back",
            "machines and ways back"
        ),
        replaced(u64::from(view.epochs.saturating_sub(1))),
    ))?;
    for (way, count) in &view.ways {
        cx.ui
            .line(&format!("  a way back: {way}{}", several(*count)))?;
    }
    for (log, volume) in &view.logs {
        cx.ui.line(&format!(
            "  one that it may call {} has written {}",
            log.to_string().get(..8).unwrap_or_default(),
            show::counted(volume.objects, "entry", "entries"),
        ))?;
        cx.ui.json(
            "provider_log",
            json!({ "log": log.to_string(), "entries": volume.objects, "bytes": volume.bytes }),
        )?;
    }
    Ok(())
}

fn several(count: u64) -> String {
    match count {
        1 => String::new(),
        count => format!(", {} of them", show::count(count)),
    }
}

fn replaced(count: u64) -> String {
    match count {
        0 => "never replaced".to_owned(),
        count => format!("replaced {}", show::counted(count, "time", "times")),
    }
}

/// When somebody wrote, and how much.
fn bursts(cx: &Context, view: &ProviderView) -> Result<(), Failure> {
    let earlier = view.bursts.len().saturating_sub(SHOWN);
    if !view.bursts.is_empty() {
        cx.ui.lines("\nand when somebody wrote, and how much:")?;
    }
    if earlier > 0 {
        let count = show::counted(earlier as u64, "earlier time", "earlier times");
        cx.ui.line(&format!("  ({count})"))?;
    }
    for (nth, burst) in view.bursts.iter().enumerate() {
        let logs: Vec<String> = burst.logs.iter().map(ToString::to_string).collect();
        if nth >= earlier {
            let who: Vec<&str> = logs.iter().filter_map(|log| log.get(..8)).collect();
            cx.ui.line(&format!(
                "  {}  {} in {}  {}",
                clock::local_moment(burst.began),
                show::size(burst.stored.bytes),
                show::counted(burst.stored.objects, "object", "objects"),
                who.join(" "),
            ))?;
        }
        cx.ui.json(
            "provider_activity",
            json!({
                "began": clock::rfc3339_of(burst.began),
                "ended": clock::rfc3339_of(burst.ended),
                "objects": burst.stored.objects,
                "bytes": burst.stored.bytes,
                "logs": logs,
            }),
        )?;
    }
    Ok(())
}

fn summary(cx: &Context, view: &ProviderView) -> Result<(), Failure> {
    let all = |of: fn(&Volume) -> u64| view.kinds.values().map(of).sum::<u64>();
    cx.ui.json(
        "summary",
        json!({
            "objects": all(|volume| volume.objects),
            "bytes": all(|volume| volume.bytes),
            "identities": view.identities,
            "epochs": view.epochs,
            "ways_back": view.ways,
            "logs": view.logs.len(),
            "visible_without_a_listing": ["addresses", "times of reading", "objects read", "objects deleted", "retries"],
            "not_visible": [
                "contents", "names", "paths", "machines", "users", "number of files", "lengths of files", "what a pack holds",
                "whether two repositories hold the same",
            ],
        }),
    )
}
