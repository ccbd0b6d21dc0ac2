//! What a session says in the log of its device.

use ownkey_crypto::ObjectHash;

use super::{Relied, Session};
use crate::error::Result;
use crate::format::entry::{Event, LogPosition, PackName};
use crate::format::layout;
use crate::format::record::SnapshotRecord;
use crate::format::time::Timestamp;
use crate::log::Draft;

impl Session<'_> {
    /// Names what was stored, looks, and confirms. What that is, unless some of it is condemned by now: then it does not count.
    pub(crate) fn repack(&mut self) -> Result<Option<Relied>> {
        let segments = std::mem::take(&mut self.unnamed);
        if segments.is_empty() {
            return Ok(Some(Relied::default()));
        }
        let repack = self.say_and_look(Event::Repack { segments })?;
        let stands = !self.relies_on_condemned();
        let stored = std::mem::take(&mut self.relied);
        if !stands {
            return Ok(None);
        }
        self.say(Event::Confirm(repack))?;
        Ok(Some(stored))
    }

    /// Reads what everybody has said since.
    pub(crate) fn look(&mut self) -> Result<()> {
        self.repository.look_around(self.monitor)
    }

    /// Lets the next fold leave out what is gone.
    pub(crate) fn let_go(
        &mut self,
        is_pack_gone: &dyn Fn(&PackName) -> bool,
        is_segment_gone: &dyn Fn(&ObjectHash) -> bool,
    ) -> Result<()> {
        self.repository.let_go(is_pack_gone, is_segment_gone)
    }

    /// Puts an entry, and looks.
    pub(crate) fn say_and_look(&mut self, event: Event) -> Result<LogPosition> {
        let draft = self.draft(event, None);
        let at = self.repository.append_and_look(&draft, self.monitor)?;
        self.stored(at);
        Ok(at)
    }

    /// Puts an entry.
    pub(crate) fn say(&mut self, event: Event) -> Result<()> {
        let draft = self.draft(event, None);
        let at = self.repository.append(&draft)?;
        self.stored(at);
        Ok(())
    }

    /// Whether a standing Condemn names something that was stored, or found, and is relied on.
    pub(super) fn relies_on_condemned(&self) -> bool {
        let condemned = self.repository.logs.condemned();
        condemned
            .packs
            .iter()
            .any(|pack| self.relied.packs.contains(pack))
            || condemned
                .segments
                .iter()
                .any(|segment| self.relied.segments.contains(segment))
    }

    pub(super) fn draft(&self, event: Event, record: Option<SnapshotRecord>) -> Draft {
        let time: Timestamp = self.repository.environment.clock.now();
        Draft {
            event,
            record,
            time,
        }
    }

    pub(super) fn stored(&mut self, entry: LogPosition) {
        let name = layout::log_entry(&self.repository.me(), entry.seq);
        self.fresh.insert(name);
    }
}
