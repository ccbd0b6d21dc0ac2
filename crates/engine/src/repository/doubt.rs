//! Reading on in spite of a lie: what is in doubt, and what is shown.
//!
//! Promise: as long as anything is in doubt, nothing is remembered and nothing can be written.

use ownkey_crypto::DeviceId;

use super::Repository;
use crate::error::{Error, Lie, Result};
use crate::evidence::Scene;
use crate::format::entry::{EntryRef, ROSTER, RosterPosition};
use crate::log::LogReader;
use crate::monitor::Monitor;

/// What becomes of a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// It is the end.
    AreTheEnd,
    /// It is told, and the rest is read.
    AreDoubts,
}

impl Repository {
    /// What contradicts what is shown, where it is read all the same: then nothing is remembered or written.
    pub fn doubts(&self) -> &[Lie] {
        self.logs.doubts.as_deref().unwrap_or_default()
    }

    /// Reads on in spite of a lie that was found elsewhere.
    pub fn doubt(&mut self, lie: Lie) {
        let doubts = self.logs.doubts.get_or_insert_default();
        if !doubts.contains(&lie) {
            doubts.push(lie);
        }
    }

    /// An admin has accepted what is shown: from now on it is what this machine remembers.
    pub(crate) fn believe(&mut self) -> Result<()> {
        self.logs.doubts = None;
        self.remember()
    }

    /// The number behind the last entry that is shown of a log.
    pub fn end_of(&self, log: &DeviceId) -> u64 {
        let tip = self.logs.of(log).and_then(|log| log.tip);
        let roster = (*log == ROSTER).then(|| u64::from(self.roster.position().n));
        let last = tip.map(|tip| tip.seq).or(roster);
        last.map_or(0, |seq| seq.saturating_add(1))
    }

    /// Whoever wrote an entry had read the roster as far as it says. If that is further than it was shown to us, it is read
    /// once more: it may have grown since.
    pub(super) fn must_show_roster(&mut self, monitor: &dyn Monitor) -> Result<()> {
        if self.logs.ahead_of(&self.roster).is_none() {
            return Ok(());
        }
        self.look_at_roster(&self.io.clone(), monitor)?;
        match self.logs.ahead_of(&self.roster) {
            Some(RosterPosition { n, .. }) => {
                let lie = Lie::RosterRolledBack(n);
                self.keep_evidence(&lie, None, monitor);
                Err(lie.into())
            }
            None => self.logs.refresh_others(LogReader {
                io: &self.io,
                keys: &self.keys,
                roster: &self.roster,
            }),
        }
    }

    /// The same of the present state, where a lie may be a doubt.
    pub(super) fn compare_roster(&mut self, lies: Lies, monitor: &dyn Monitor) -> Result<()> {
        if self.earlier.is_some() {
            return Ok(());
        }
        match (self.must_show_roster(monitor), lies) {
            (Err(Error::Lie(lie)), Lies::AreDoubts) => {
                self.doubt(lie);
                Ok(())
            }
            (judged, _) => judged,
        }
    }

    /// Keeps the evidence of a lie, and what a witness has shown it by: the entry as its author signed it.
    pub(crate) fn keep_evidence(&self, lie: &Lie, signed: Option<&[u8]>, monitor: &dyn Monitor) {
        let scene = Scene {
            state: &self.state,
            io: &self.io,
            remembered: self.remembered.as_ref(),
            time: self.environment.clock.now(),
            monitor,
        };
        scene.keep(lie, signed);
    }

    /// Whether an entry of a log or of the roster is part of what is shown.
    pub(crate) fn shows(&self, entry: &EntryRef) -> Result<bool> {
        match entry.in_roster() {
            Some(at) => Ok(self.roster.contains(&at)),
            None => self.logs.show(self.log_reader(), entry),
        }
    }
}
