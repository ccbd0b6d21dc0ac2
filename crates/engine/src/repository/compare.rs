//! What the storage shows against what this machine remembers.
//!
//! Promise: what contradicts is kept as evidence before anything else happens, and what has changed meanwhile is told once.

use super::Lies;
use crate::error::{Error, Lie, Result};
use crate::evidence::Scene;
use crate::format::entry::{EntryRef, RosterPosition};
use crate::log::{KnownLogs, LogReader, Logs, gave_up};
use crate::roster::Roster;
use crate::roster::news::sentence;
use crate::state::Tips;

/// Reads the logs, and compares them and the roster with what is remembered.
pub(super) fn logs(
    scene: &Scene<'_>,
    reader: LogReader<'_>,
    known: KnownLogs,
    lies: Lies,
) -> Result<Logs> {
    let mut logs = compared(scene, reader, known, lies).map_err(|error| scene.kept(error))?;
    for lie in logs.doubts.iter().flatten() {
        scene.keep(lie, None);
    }
    // Where nothing is in doubt, it is a repository like any other.
    logs.doubts = logs.doubts.filter(|doubts| !doubts.is_empty());
    Ok(logs)
}

fn compared(
    scene: &Scene<'_>,
    reader: LogReader<'_>,
    known: KnownLogs,
    lies: Lies,
) -> Result<Logs> {
    let mut doubts = (lies == Lies::AreDoubts).then(Vec::new);
    let Some(tips) = scene.remembered else {
        return Logs::load(reader, None, known, doubts);
    };
    match (remembers(reader.roster, tips), &mut doubts) {
        (Err(Error::Lie(lie)), Some(doubts)) => doubts.push(lie),
        (judged, _) => judged?,
    }
    for entry in reader.roster.changes_after(tips.roster.n) {
        let news = sentence(reader.roster, entry).filter(|_| entry.signer != reader.keys.me());
        if let Some(news) = news {
            let news = format!("new since this machine last looked: {news}");
            scene.monitor.note(&news);
        }
    }
    let logs = Logs::load(reader, Some(tips), known, doubts)?;
    for EntryRef { device, at } in logs.given_up(reader.roster, tips) {
        scene.monitor.note(&format!(
            "this machine had seen entry {} of the log of device {device}; an admin has accepted that it is not shown any more",
            at.seq
        ));
    }
    Ok(logs)
}

/// Whether the roster has what this machine remembers of it, or an admin has accepted that it has not.
fn remembers(roster: &Roster, tips: &Tips) -> Result<()> {
    match gave_up(roster, tips, &EntryRef::of_roster(tips.roster)) {
        true => Ok(()),
        false => must_extend(roster, &tips.roster),
    }
}

pub(super) fn must_extend(roster: &Roster, remembered: &RosterPosition) -> Result<()> {
    if roster.contains(remembered) {
        Ok(())
    } else if roster.position().n < remembered.n {
        Err(Lie::RosterRolledBack(remembered.n).into())
    } else {
        Err(Lie::RosterForked(remembered.n).into())
    }
}
