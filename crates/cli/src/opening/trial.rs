//! What a trial of a storage came to, in few words.

use ownkey_storage::probe::{Report, Verdict};

use super::{NewFolder, probe};
use crate::context::{Context, EngineRoom};
use crate::failure::Failure;
use crate::location::RepositoryUrl;

/// A verdict in one word.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Limited => "limited",
        Verdict::Absent => "absent",
        Verdict::Unknown => "unknown",
        Verdict::Unusable => "unusable",
    }
}

/// Says what could not be cleared away.
pub(crate) fn note_left_behind(cx: &Context, report: &Report) {
    let [first, ..] = report.left_behind.as_slice() else {
        return;
    };
    cx.ui.note(&format!(
        "{} of what was tried cannot be deleted there and stays, {first} for example; it does no harm",
        report.left_behind.len()
    ));
}

/// Tries out a storage before anything is made there; says in few lines what it allows and what not.
pub(crate) fn must_be_usable(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
) -> Result<(), Failure> {
    cx.ui
        .note("trying out what the storage allows; that may take a minute");
    let report = probe(cx, room, place, NewFolder::Made)?;
    report.facts().map_err(Failure::from)?;
    let all = |verdict: Verdict| {
        let rows = report.rows.iter().filter(|row| row.verdict == verdict);
        rows.map(|row| row.what).collect::<Vec<_>>().join(", ")
    };
    cx.ui.remark(&format!(
        "{place} was tried out; good: {}",
        all(Verdict::Good)
    ))?;
    for row in &report.rows {
        if matches!(row.verdict, Verdict::Limited | Verdict::Unknown) {
            cx.ui.remark(&format!(
                "{} ({}): {}",
                row.what,
                word(row.verdict),
                row.meaning
            ))?;
        }
    }
    let absent = all(Verdict::Absent);
    if !absent.is_empty() {
        cx.ui
            .remark(&format!("not there, and not needed: {absent}"))?;
    }
    note_left_behind(cx, &report);
    Ok(())
}
