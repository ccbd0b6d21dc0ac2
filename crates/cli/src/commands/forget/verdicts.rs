//! What becomes of each snapshot, and why: for people a table for each group, for programs a line for each snapshot.

use ownkey_engine::forget::{Every, Group, Key, Maker, Placed, Reason, Verdict};
use ownkey_engine::repository::{Repository, Snapshot};
use serde_json::{Value, json};

use crate::clock;
use crate::commands::snapshots::described;
use crate::context::Context;
use crate::failure::Failure;
use crate::spec::short_id;
use crate::ui::sanitize;
use crate::ui::table::{Align, Table};

/// Shows groups.
pub(super) fn show(cx: &Context, repository: &Repository, groups: &[Group]) -> Result<(), Failure> {
    for group in groups {
        let mut table = Table::new(&[
            ("id", Align::Left),
            ("time", Align::Left),
            ("", Align::Left),
            ("because it is", Align::Left),
        ]);
        for verdict in &group.verdicts {
            table.row(row(verdict));
            cx.ui
                .json("verdict", for_programs(repository, &group.key, verdict))?;
        }
        cx.ui.remark(&name(repository, &group.key))?;
        for line in table.lines() {
            cx.ui.remark(&format!("  {line}"))?;
        }
        cx.ui.remark("")?;
    }
    Ok(())
}

/// A snapshot that was named.
pub(super) fn going(cx: &Context, snapshot: &Snapshot) -> Result<(), Failure> {
    let started = snapshot.record.started;
    cx.ui.line(&format!(
        "{}  {}  {}",
        short_id(&snapshot.id),
        clock::local(started.seconds, started.nanoseconds),
        snapshot.record.host,
    ))?;
    cx.ui.json(
        "verdict",
        json!({ "keep": false, "reasons": [], "snapshot": described(snapshot) }),
    )
}

/// What people call a group.
pub(super) fn name(repository: &Repository, key: &Key) -> String {
    let mut parts = Vec::new();
    let label = |device| match repository.roster().member(device) {
        Some(member) => member.label.clone(),
        None => device.to_string(),
    };
    match &key.maker {
        // Most machines are called what they call themselves.
        Some(Maker::Device(device)) if key.host == Some(label(device)) => {}
        Some(Maker::Device(device)) => parts.push(format!("by {:?}", label(device))),
        Some(Maker::Derived(device)) => {
            parts.push(format!("copied or repaired by {:?}", label(device)));
        }
        None => {}
    }
    parts.splice(0..0, key.host.clone());
    if let Some(paths) = &key.paths {
        let paths: Vec<String> = paths.iter().map(|path| sanitize::bytes(path)).collect();
        parts.push(paths.join(" "));
    }
    match key.tags.as_deref() {
        None => {}
        Some([]) => parts.push("without tags".to_owned()),
        Some(tags) => parts.push(format!("tagged {}", tags.join(","))),
    }
    if parts.is_empty() {
        return "all snapshots".to_owned();
    }
    parts.join(", ")
}

fn row(verdict: &Verdict) -> [String; 4] {
    let Placed { snapshot, when, .. } = &verdict.placed;
    let started = snapshot.record.started;
    let mut reasons: Vec<String> = verdict.reasons.iter().map(words).collect();
    if let Some(when) = when.filter(|when| *when != started) {
        let counted = clock::local(when.seconds, when.nanoseconds);
        reasons.push(format!(
            "(counted as of {counted}, by its place in the log)"
        ));
    }
    [
        short_id(&snapshot.id),
        clock::local(started.seconds, started.nanoseconds),
        if verdict.stays() { "stays" } else { "goes" }.to_owned(),
        reasons.join(", "),
    ]
}

fn words(reason: &Reason) -> String {
    match reason {
        Reason::Pinned => "pinned".to_owned(),
        Reason::Ahead => "ahead of this machine's clock".to_owned(),
        Reason::Tag(tag) => format!("tagged {tag}"),
        Reason::Newest(every) => word(*every).to_owned(),
        Reason::Oldest(every) => format!("the oldest ({})", word(*every)),
        Reason::Within(Every::Snapshot, length) => format!("within {length}"),
        Reason::Within(every, length) => format!("{} within {length}", word(*every)),
    }
}

fn word(every: Every) -> &'static str {
    match every {
        Every::Snapshot => "last",
        Every::Hour => "hourly",
        Every::Day => "daily",
        Every::Week => "weekly",
        Every::Month => "monthly",
        Every::Year => "yearly",
    }
}

fn for_programs(repository: &Repository, key: &Key, verdict: &Verdict) -> Value {
    let Placed { snapshot, when, .. } = &verdict.placed;
    let when = when.map(|when| clock::rfc3339(when.seconds, when.nanoseconds));
    let reasons: Vec<String> = verdict.reasons.iter().map(words).collect();
    json!({
        "group": name(repository, key),
        "keep": verdict.stays(),
        "reasons": reasons,
        "counted_as_of": when,
        "device": snapshot.device.to_string(),
        "snapshot": described(snapshot),
    })
}
