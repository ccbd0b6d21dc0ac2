//! Removing an identity (docs/design.md, "Who has access").

use ownkey_crypto::{DeviceId, ObjectHash};

use super::Admin;
use crate::error::Result;
use crate::format::layout;
use crate::format::roster::Change;
use crate::roster::Roster;

impl Admin<'_> {
    /// Removes an identity, its log's future and its slots. What it holds still reads what was written so
    /// far, and what is written until [`Admin::begin_epoch`].
    ///
    /// # Errors
    /// [`NotAllowed`](crate::Error::NotAllowed) for a way back, unless a way back opened the repository; those of storing.
    pub fn remove(&mut self, device: &DeviceId) -> Result<()> {
        if self.repository.roster.standing(device).is_some() {
            self.append(&Change::Remove(*device))?;
        }
        self.finish_removals()?;
        let member = self.repository.roster.member(device);
        let slots: Vec<_> = member
            .iter()
            .flat_map(|member| &member.slots)
            .map(layout::slot)
            .collect();
        if !slots.is_empty() {
            // Nobody can be made to forget a slot; a storage that keeps it keeps one of an identity that is out.
            self.repository.io.delete(&slots);
        }
        Ok(())
    }

    /// Gives every removed identity's log its end: what it had written when this was read stands,
    /// its condemnations above all; what it writes afterwards does not.
    pub(super) fn finish_removals(&mut self) -> Result<()> {
        let without_cut = |roster: &Roster| {
            let mut members = roster.members();
            members
                .find(|member| member.removed.is_some() && member.cut.is_none())
                .map(|member| member.id)
        };
        while let Some(device) = without_cut(&self.repository.roster) {
            self.repository.refresh_logs()?;
            let tip = self.repository.logs.of(&device).and_then(|log| log.tip);
            self.append(&Change::Cut {
                device,
                next: tip.map_or(0, |tip| tip.seq.saturating_add(1)),
                last: tip.map_or(ObjectHash::from_bytes([0; 32]), |tip| tip.hash),
            })?;
        }
        Ok(())
    }
}
