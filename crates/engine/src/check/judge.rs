//! Whether damage matters: what is stored elsewhere as well, after a backup or a repair, is no finding.

use std::collections::HashSet;

use ownkey_crypto::ObjectHash;

use super::Check;
use super::report::Finding;
use super::trees::snapshots;
use crate::error::Result;
use crate::format::entry::PackName;
use crate::format::layout;
use crate::index::PackEntry;
use crate::repository::Repository;

impl Check<'_> {
    /// Leaves out what others have condemned or forgotten meanwhile: what was missing may have been deleted for that. A
    /// Condemn comes before the delete, so what was missing then and is not condemned by now is damage.
    pub(super) fn excuse(&mut self, now: &Repository) {
        let condemned = now.logs.condemned();
        let report = &mut self.report;
        let stands = |pack: &PackName| !condemned.packs.contains(pack);
        report.damaged_packs.retain(stands);
        self.pending.retain(|(pack, _)| stands(pack));
        let stands = |segment: &ObjectHash| !condemned.segments.contains(segment);
        report.damaged_segments.retain(stands);
        let there: HashSet<ObjectHash> = snapshots(now).map(|snapshot| snapshot.id).collect();
        report
            .concerned
            .retain(|concerned| there.contains(&concerned.snapshot));
        self.lost.retain(|snapshot, _| there.contains(snapshot));
    }

    /// Tells of damaged packs and segments, or counts them among those that nothing needs any more.
    pub(super) fn judge(&mut self) -> Result<()> {
        self.report.concerned_count = self.lost.values().sum();
        self.report.concerned_snapshots = self.lost.keys().copied().collect();
        let mut damaged = Vec::new();
        self.browser.chunks.index().each_pack(|pack| {
            if self.report.damaged_packs.contains(&pack.name) {
                damaged.push(pack);
            }
            Ok(())
        })?;
        for (name, how) in std::mem::take(&mut self.pending) {
            let places = damaged.iter().filter(|pack| pack.name == name);
            match self.is_elsewhere(&name, places)? {
                true => self.report.superseded += 1,
                false => {
                    let pack = layout::pack(&name);
                    self.finding(Finding::damage(format!("pack {pack} {how}")));
                }
            }
        }
        if self.report.concerned_count == 0 {
            self.report.superseded += self.report.damaged_segments.len() as u64;
            return Ok(());
        }
        for hash in self.report.damaged_segments.clone() {
            let how = match self.listed_segments.contains(&hash) {
                true => "is damaged",
                false => "is missing",
            };
            let segment = layout::segment(&hash);
            self.finding(Finding::damage(format!("index segment {segment} {how}")));
        }
        if self.report.findings.is_empty() {
            // What was condemned for its damage may have gone, and somebody still needs it.
            let message = "packs that snapshots need are gone, or were damaged and set aside";
            self.finding(Finding::damage(message.to_owned()));
        }
        Ok(())
    }

    /// Whether another pack has every chunk of this one, however often the index has it.
    fn is_elsewhere<'p>(
        &self,
        name: &PackName,
        entries: impl Iterator<Item = &'p PackEntry>,
    ) -> Result<bool> {
        let index = self.browser.chunks.index();
        for pack in entries {
            let filed = index.filed(pack.number)?;
            for entry in filed.directory.frames() {
                for (id, _) in &entry.chunks {
                    let mut elsewhere = false;
                    for place in index.places(id, entry.chunk_type)? {
                        let other = index.pack(place.pack)?.name != *name;
                        elsewhere |= other && self.is_usable(place)?;
                    }
                    if !elsewhere {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}
