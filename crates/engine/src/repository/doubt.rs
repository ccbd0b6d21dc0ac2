//! Reading on in spite of a lie: what is in doubt, and what is shown.
//!
//! Promise: as long as anything is in doubt, nothing is remembered and nothing can be written.

use ownkey_crypto::DeviceId;

use super::Repository;
use crate::error::{Lie, Result};
use crate::evidence::Scene;
use crate::format::entry::{EntryRef, ROSTER};
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

    /// Keeps what a lie that a witness has shown was told by: the entry as its author signed it.
    pub(crate) fn keep_evidence(&self, lie: &Lie, signed: &[u8], monitor: &dyn Monitor) {
        let scene = Scene {
            state: &self.state,
            io: &self.io,
            remembered: self.remembered.as_ref(),
            time: self.environment.clock.now(),
            monitor,
        };
        scene.keep(lie, Some(signed));
    }

    /// Whether an entry of a log or of the roster is part of what is shown.
    pub(crate) fn shows(&self, entry: &EntryRef) -> Result<bool> {
        match entry.in_roster() {
            Some(at) => Ok(self.roster.contains(&at)),
            None => self.logs.show(self.log_reader(), entry),
        }
    }
}
