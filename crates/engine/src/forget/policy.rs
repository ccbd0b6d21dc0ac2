//! A policy: which snapshots of a group stay, and why.
//!
//! Pure. The newest of an hour, day, week, month or year stands for it; the calendar is that of the zone
//! passed in. A count goes back over those that have a snapshot, so a machine that was off for a month loses nothing by
//! it. While there are fewer than counted, the oldest snapshot stays as well: it is the best there is for the time before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use jiff::tz::TimeZone;

use super::believed::Placed;
use super::group::{By, Group, groups};
use super::length::Length;
use super::verdict::{Every, Reason, Verdict};
use crate::format::entry::EntryRef;
use crate::format::time::Timestamp;

/// Which snapshots stay. An empty one keeps nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The newest snapshot of each of so many of the newest hours, days and so on that have one.
    pub newest: BTreeMap<Every, u32>,
    /// The newest snapshot of each hour, day and so on that lies less than so long before the newest snapshot of the group.
    pub within: BTreeMap<Every, Length>,
    /// Those with one of these tags.
    pub tags: BTreeSet<String>,
}

impl Policy {
    /// Whether it would keep nothing at all, whatever there is.
    pub fn is_empty(&self) -> bool {
        self.newest.values().all(|count| *count == 0)
            && self.within.is_empty()
            && self.tags.is_empty()
    }

    /// Judges snapshots, group by group; in each the oldest come first.
    pub fn plan(
        &self,
        placed: Vec<Placed>,
        by: &BTreeSet<By>,
        pinned: &BTreeSet<EntryRef>,
        zone: &TimeZone,
    ) -> Vec<Group> {
        let mut groups = groups(placed, by);
        for group in &mut groups {
            for verdict in &mut group.verdicts {
                verdict.reasons = self.own_reasons(&verdict.placed, pinned);
            }
            self.judge(&mut group.verdicts, zone);
        }
        groups
    }

    /// Reasons that a snapshot has whatever stands beside it.
    fn own_reasons(&self, placed: &Placed, pinned: &BTreeSet<EntryRef>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if pinned.contains(&placed.snapshot.entry()) {
            reasons.push(Reason::Pinned);
        }
        if placed.when.is_none() {
            reasons.push(Reason::Ahead);
        }
        let tags = placed.snapshot.record.tags.iter();
        let kept = tags.filter(|tag| self.tags.contains(*tag));
        reasons.extend(kept.cloned().map(Reason::Tag));
        reasons
    }

    fn judge(&self, verdicts: &mut [Verdict], zone: &TimeZone) {
        let mut dated: Vec<(Zoned, &mut Verdict)> = verdicts
            .iter_mut()
            .rev()
            .filter_map(|verdict| Some((zoned(verdict.placed.when?, zone), verdict)))
            .collect();
        for (every, count) in &self.newest {
            keep_newest(&mut dated, *every, *count);
        }
        for (every, length) in &self.within {
            keep_within(&mut dated, *every, *length);
        }
    }
}

/// The newest come first.
type Dated<'v> = [(Zoned, &'v mut Verdict)];

fn keep_newest(dated: &mut Dated<'_>, every: Every, count: u32) {
    let (mut left, mut last) = (count, None);
    let oldest = dated.len().saturating_sub(1);
    for (nth, (at, verdict)) in dated.iter_mut().enumerate() {
        if left == 0 {
            return;
        }
        let bucket = every.of(at, nth);
        if last != Some(bucket) {
            (last, left) = (Some(bucket), left - 1);
            verdict.reasons.push(Reason::Newest(every));
        } else if nth == oldest {
            verdict.reasons.push(Reason::Oldest(every));
        }
    }
}

fn keep_within(dated: &mut Dated<'_>, every: Every, length: Length) {
    let Some((newest, _)) = dated.first() else {
        return;
    };
    // Before all calendars: everything lies within.
    let since = length.before(newest);
    let mut last = None;
    for (nth, (at, verdict)) in dated.iter_mut().enumerate() {
        if since.as_ref().is_some_and(|since| *at <= *since) {
            return;
        }
        let bucket = every.of(at, nth);
        if last != Some(bucket) {
            last = Some(bucket);
            verdict.reasons.push(Reason::Within(every, length));
        }
    }
}

/// A moment in a zone; what lies before all calendars is their beginning.
fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    let moment = jiff::Timestamp::from_second(at.seconds).unwrap_or(match at.seconds {
        ..0 => jiff::Timestamp::MIN,
        0.. => jiff::Timestamp::MAX,
    });
    moment.to_zoned(zone.clone())
}
