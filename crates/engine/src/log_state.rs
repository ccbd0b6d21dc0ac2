//! The state of one device's log: what its entries add up to (docs/format.md §13).
//!
//! Pure: entries go in one after the other, a [`Fold`] comes out; reading and verifying them
//! is the business of `log`.

use std::collections::BTreeSet;

use ownkey_crypto::{DeviceId, ObjectHash};
use ownkey_storage::ObjectName;

use crate::format::entry::{EntryRef, Event, Fold, Listed, LogPosition, PackName, Recorded};
use crate::format::layout;
use crate::format::record::SnapshotRecord;

/// What one log adds up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogState {
    fold: Fold,
}

impl From<Fold> for LogState {
    fn from(fold: Fold) -> Self {
        Self { fold }
    }
}

impl LogState {
    /// Takes the next entry. `record` is its sealed body, for who can open it.
    pub(crate) fn apply(&mut self, at: LogPosition, event: &Event, record: Option<SnapshotRecord>) {
        let fold = &mut self.fold;
        match event {
            // A provisional Backup ends with its author's next one.
            Event::Backup { segments } => {
                fold.segments.extend_from_slice(segments);
                fold.provisional = record.map(|record| Recorded { at, record });
            }
            Event::Checkpoint { segments } => {
                fold.segments.extend_from_slice(segments);
                fold.checkpoint = record.map(|record| Recorded { at, record });
            }
            Event::Confirm(which) => {
                if let Some(backup) = fold.provisional.take_if(|backup| backup.at == *which) {
                    fold.confirmed.push(backup);
                    fold.checkpoint = None;
                }
                if let Some((_, segments)) = fold.repack.take_if(|(repack, _)| repack == which) {
                    fold.segments.extend(segments);
                }
            }
            Event::Forget(snapshots) => fold.forgotten.extend_from_slice(snapshots),
            Event::Condemn(listed) => fold.condemns.push((at.seq, listed.clone())),
            Event::Spare { condemn, spared } => self.spare(*condemn, spared),
            Event::Pin { pinned, ended } => {
                fold.pins.push((at, pinned.clone()));
                fold.ended_pins.extend_from_slice(ended);
            }
            // Its segments may lead to what was condemned before its author looked.
            Event::Repack { segments } => fold.repack = Some((at, segments.clone())),
            Event::Heartbeat | Event::Unknown(_) => {}
        }
    }

    /// Ends an own Condemn for what is spared, and no other device's.
    fn spare(&mut self, condemn: u64, spared: &Listed) {
        for (seq, listed) in &mut self.fold.condemns {
            if *seq == condemn {
                listed.packs.retain(|pack| !spared.packs.contains(pack));
                listed
                    .segments
                    .retain(|segment| !spared.segments.contains(segment));
            }
        }
        self.drop_empty_condemns();
    }

    fn drop_empty_condemns(&mut self) {
        self.fold
            .condemns
            .retain(|(_, listed)| !listed.packs.is_empty() || !listed.segments.is_empty());
    }

    /// Leaves index segments out of the next fold, so that it does not carry them for ever.
    pub(crate) fn let_go_of_segments(&mut self, is_over: &dyn Fn(&ObjectHash) -> bool) {
        self.fold.segments.retain(|segment| !is_over(segment));
    }

    /// The same with what Condemns say.
    pub(crate) fn let_go_of_condemned(
        &mut self,
        is_pack_over: &dyn Fn(&PackName) -> bool,
        is_segment_over: &dyn Fn(&ObjectHash) -> bool,
    ) {
        for (_, listed) in &mut self.fold.condemns {
            listed.packs.retain(|pack| !is_pack_over(pack));
            listed.segments.retain(|segment| !is_segment_over(segment));
        }
        self.drop_empty_condemns();
    }

    /// All of it, to go on from here another time.
    pub(crate) fn as_fold(&self) -> &Fold {
        &self.fold
    }

    /// Confirmed snapshots of this log, oldest first; forgotten ones among them.
    pub(crate) fn confirmed(&self) -> &[Recorded] {
        &self.fold.confirmed
    }

    /// Snapshots that this log forgets, whoever made them.
    pub(crate) fn forgotten(&self) -> &[EntryRef] {
        &self.fold.forgotten
    }

    /// Pins of this log, with the snapshots they pin; ended ones among them.
    pub(crate) fn pins(&self) -> &[(LogPosition, Vec<EntryRef>)] {
        &self.fold.pins
    }

    /// Pins that this log ended, whoever put them.
    pub(crate) fn ended_pins(&self) -> &[EntryRef] {
        &self.fold.ended_pins
    }

    /// A backup in progress, or one that was interrupted.
    pub(crate) fn checkpoint(&self) -> Option<&Recorded> {
        self.fold.checkpoint.as_ref()
    }

    /// A Backup that waits for its Confirm.
    pub(crate) fn provisional(&self) -> Option<&Recorded> {
        self.fold.provisional.as_ref()
    }

    /// Whether a Repack waits for its Confirm.
    pub(crate) fn is_repacking(&self) -> bool {
        self.fold.repack.is_some()
    }

    /// Index segments this log names.
    pub(crate) fn segments(&self) -> &[ObjectHash] {
        &self.fold.segments
    }

    /// Packs and segments that this log's standing Condemns name.
    pub(crate) fn condemned(&self) -> impl Iterator<Item = &Listed> {
        self.fold.condemns.iter().map(|(_, listed)| listed)
    }

    /// The fold that the entry at a multiple of the interval carries, in the log of `device`. Of its own
    /// forgotten snapshots nothing but the reference is kept, and of its own ended pins nothing.
    pub(crate) fn fold(&self, device: DeviceId, previous: Option<LogPosition>) -> Fold {
        let own = |at| EntryRef { device, at };
        let forgotten: BTreeSet<&EntryRef> = self.fold.forgotten.iter().collect();
        let mut fold = self.fold.clone();
        fold.confirmed
            .retain(|snapshot| !forgotten.contains(&own(snapshot.at)));
        fold.pins.retain(|(at, snapshots)| {
            !snapshots.is_empty() && !fold.ended_pins.contains(&own(*at))
        });
        fold.ended_pins.retain(|pin| pin.device != device);
        fold.previous = previous;
        fold
    }
}

/// Whether a fold says what the entries before it add up to. It may leave out what is gone: index segments, and what
/// Condemns say of packs and segments.
pub(crate) fn is_true_fold(
    fold: &Fold,
    of_entries: &Fold,
    is_gone: &dyn Fn(&ObjectName) -> bool,
) -> bool {
    let mut expected = of_entries.clone();
    let kept: BTreeSet<&ObjectHash> = fold.segments.iter().collect();
    let stays =
        |segment: &ObjectHash| kept.contains(segment) || !is_gone(&layout::segment(segment));
    expected.segments.retain(stays);
    for (seq, listed) in &mut expected.condemns {
        let carried = fold.condemns.iter().find(|(other, _)| other == seq);
        let carried = carried
            .map(|(_, listed)| listed.clone())
            .unwrap_or_default();
        listed
            .packs
            .retain(|pack| carried.packs.contains(pack) || !is_gone(&layout::pack(pack)));
        listed.segments.retain(|segment| {
            carried.segments.contains(segment) || !is_gone(&layout::segment(segment))
        });
    }
    expected
        .condemns
        .retain(|(_, listed)| *listed != Listed::default());
    *fold == expected
}

/// Everything that some standing Condemn names: nobody may rely on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condemned {
    /// Packs.
    pub packs: BTreeSet<PackName>,
    /// Index segments.
    pub segments: BTreeSet<ObjectHash>,
}

impl Condemned {
    /// Adds what one Condemn names.
    pub(crate) fn add(&mut self, listed: &Listed) {
        self.packs.extend(listed.packs.iter().copied());
        self.segments.extend(listed.segments.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use ownkey_crypto::PackKind;

    use super::*;

    fn at(seq: u64) -> LogPosition {
        LogPosition {
            seq,
            hash: ObjectHash::from_bytes([u8::try_from(seq).unwrap(); 32]),
        }
    }

    fn backup() -> Event {
        Event::Backup { segments: vec![] }
    }

    fn record() -> Option<SnapshotRecord> {
        Some(SnapshotRecord::default())
    }

    fn pack(byte: u8) -> PackName {
        PackName {
            kind: PackKind::Data,
            hash: ObjectHash::from_bytes([byte; 32]),
        }
    }

    #[test]
    fn a_backup_counts_only_when_confirmed() {
        let mut state = LogState::default();
        state.apply(at(0), &backup(), record());
        assert!(state.confirmed().is_empty() && state.fold.provisional.is_some());
        state.apply(at(1), &Event::Confirm(at(0)), None);
        assert_eq!(state.confirmed().len(), 1);
        assert!(state.fold.provisional.is_none());
    }

    #[test]
    fn a_provisional_backup_ends_with_the_next_one() {
        let mut state = LogState::default();
        state.apply(at(0), &backup(), record());
        state.apply(at(1), &backup(), record());
        state.apply(at(2), &Event::Confirm(at(0)), None);
        assert!(
            state.confirmed().is_empty(),
            "a Confirm of what ended confirms nothing"
        );
        state.apply(at(3), &Event::Confirm(at(1)), None);
        assert_eq!(state.confirmed()[0].at, at(1));
    }

    #[test]
    fn a_confirm_with_another_hash_confirms_nothing() {
        let mut state = LogState::default();
        state.apply(at(0), &backup(), record());
        let other = LogPosition {
            seq: 0,
            hash: at(9).hash,
        };
        state.apply(at(1), &Event::Confirm(other), None);
        assert!(state.confirmed().is_empty());
    }

    #[test]
    fn a_checkpoint_ends_with_the_next_confirmed_backup() {
        let mut state = LogState::default();
        state.apply(at(0), &Event::Checkpoint { segments: vec![] }, record());
        state.apply(at(1), &backup(), record());
        assert!(state.checkpoint().is_some());
        state.apply(at(2), &Event::Confirm(at(1)), None);
        assert!(state.checkpoint().is_none());
    }

    #[test]
    fn a_spare_ends_its_own_condemn_for_what_it_lists_and_nothing_else() {
        let mut state = LogState::default();
        let both = Listed {
            packs: vec![pack(1), pack(2)],
            segments: vec![],
        };
        state.apply(at(0), &Event::Condemn(both.clone()), None);
        state.apply(at(1), &Event::Condemn(both), None);
        let spared = Listed {
            packs: vec![pack(1)],
            segments: vec![],
        };
        state.apply(at(2), &Event::Spare { condemn: 0, spared }, None);
        let mut condemned = Condemned::default();
        state.condemned().for_each(|listed| condemned.add(listed));
        assert_eq!(
            condemned.packs,
            [pack(1), pack(2)].into(),
            "the second Condemn still names both"
        );
        assert_eq!(state.condemned().next().unwrap().packs, [pack(2)]);
    }

    #[test]
    fn a_fold_says_the_same_as_the_entries_before_it() {
        let device = DeviceId::from_bytes([1; 16]);
        let own = |at| EntryRef { device, at };
        let mut state = LogState::default();
        for seq in 0..4 {
            state.apply(at(seq * 2), &backup(), record());
            state.apply(at(seq * 2 + 1), &Event::Confirm(at(seq * 2)), None);
        }
        state.apply(at(8), &Event::Forget(vec![own(at(2))]), None);
        let folded = LogState::from(state.fold(device, None));
        let left: Vec<u64> = folded.confirmed().iter().map(|s| s.at.seq).collect();
        assert_eq!(left, [0, 4, 6]);
        assert_eq!(folded.forgotten(), state.forgotten());
    }

    #[test]
    fn a_fold_keeps_the_pins_that_the_log_did_not_end_and_those_of_others_that_it_did() {
        let device = DeviceId::from_bytes([1; 16]);
        let own = |at| EntryRef { device, at };
        let other = EntryRef {
            device: DeviceId::from_bytes([2; 16]),
            at: at(5),
        };
        let pin = |pinned, ended| Event::Pin { pinned, ended };
        let mut state = LogState::default();
        state.apply(at(0), &pin(vec![own(at(9))], vec![]), None);
        state.apply(at(1), &pin(vec![own(at(8))], vec![]), None);
        state.apply(at(2), &pin(vec![], vec![own(at(0)), other]), None);
        let folded = LogState::from(state.fold(device, None));
        assert_eq!(folded.pins(), [(at(1), vec![own(at(8))])]);
        assert_eq!(folded.ended_pins(), [other]);
        assert_eq!(folded.fold(device, None), state.fold(device, None));
    }

    #[test]
    fn a_fold_that_no_reader_would_take_is_none() {
        let device = DeviceId::from_bytes([1; 16]);
        let forget = Event::Forget(vec![EntryRef { device, at: at(0) }; 1 << 16]);
        let mut state = LogState::default();
        state.apply(at(1), &forget, None);
        assert!(state.fold(device, None).encoded().is_some());
        state.apply(at(2), &forget, None);
        state.apply(at(3), &forget, None);
        assert!(state.fold(device, None).encoded().is_none());
    }
}
