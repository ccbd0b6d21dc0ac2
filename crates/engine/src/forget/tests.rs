//! Policies over histories: tables, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{TimeZone, offset};
use ownkey_crypto::{DeviceId, ObjectHash};
use proptest::prelude::*;

use super::*;
use crate::format::entry::LogPosition;
use crate::format::record::SnapshotRecord;
use crate::format::time::Timestamp;
use crate::repository::Snapshot;

const DAY: i64 = 86_400;
/// Monday, 2026-06-01 00:00 UTC.
const MONDAY: i64 = 1_780_272_000;

/// A snapshot of a device, the `seq`th of its log, made so many seconds after that Monday.
fn snapshot(device: u8, seq: u64, after: i64) -> Snapshot {
    let mut hash = [device; 32];
    hash[..8].copy_from_slice(&seq.to_be_bytes());
    let hash = ObjectHash::from_bytes(hash);
    let device = DeviceId::from_bytes([device; 16]);
    let at = LogPosition { seq, hash };
    Snapshot {
        id: hash,
        device,
        at,
        first: EntryRef { device, at },
        record: SnapshotRecord {
            started: Timestamp {
                seconds: MONDAY.saturating_add(after),
                nanoseconds: 0,
            },
            ..SnapshotRecord::default()
        },
    }
}

fn history(device: u8, times: &[i64]) -> Vec<Snapshot> {
    let numbered = (0..).zip(times);
    numbered
        .map(|(seq, at)| snapshot(device, seq, *at))
        .collect()
}

fn now() -> Timestamp {
    Timestamp {
        seconds: MONDAY + 4_000 * DAY,
        nanoseconds: 0,
    }
}

fn newest<const N: usize>(counts: [(Every, u32); N]) -> Policy {
    Policy {
        newest: counts.into(),
        ..Policy::default()
    }
}

fn within(every: Every, length: &str) -> Policy {
    Policy {
        within: [(every, length.parse().expect("a length"))].into(),
        ..Policy::default()
    }
}

fn plan(policy: &Policy, snapshots: Vec<Snapshot>) -> Vec<Group> {
    let by = By::USUAL.into();
    policy.plan(
        place(snapshots, now()),
        &by,
        &BTreeSet::new(),
        &TimeZone::UTC,
    )
}

/// Those that stay, by device and place in its log.
fn kept(policy: &Policy, snapshots: Vec<Snapshot>) -> BTreeSet<EntryRef> {
    let groups = plan(policy, snapshots).into_iter();
    groups
        .flat_map(|group| group.verdicts)
        .filter(Verdict::stays)
        .map(|verdict| verdict.placed.snapshot.entry())
        .collect()
}

fn places(kept: &BTreeSet<EntryRef>) -> Vec<u64> {
    kept.iter().map(|entry| entry.at.seq).collect()
}

#[test]
fn the_newest_of_each_period_stands_for_it() {
    let hours: Vec<i64> = (0..96).map(|hour| hour * 3_600).collect();
    let of = |policy: &Policy| places(&kept(policy, history(1, &hours)));
    assert_eq!(of(&newest([(Every::Snapshot, 3)])), [93, 94, 95]);
    assert_eq!(of(&newest([(Every::Hour, 2)])), [94, 95]);
    assert_eq!(of(&newest([(Every::Day, 3)])), [47, 71, 95]);
    assert_eq!(
        of(&newest([(Every::Day, 2), (Every::Snapshot, 2)])),
        [71, 94, 95]
    );
    // Fewer than counted: the oldest is the best there is for the time before.
    assert_eq!(of(&newest([(Every::Week, 2)])), [0, 95]);
    assert_eq!(of(&newest([(Every::Year, 5)])), [0, 95]);
    assert_eq!(of(&newest([(Every::Year, 1)])), [95]);
    assert_eq!(of(&Policy::default()), [0; 0]);
}

#[test]
fn weeks_begin_on_monday_and_years_of_weeks_are_their_own() {
    // Sunday and Monday; then the first days of January, which belong to a week of December.
    let of = |times: &[i64]| places(&kept(&newest([(Every::Week, 9)]), history(1, times)));
    assert_eq!(of(&[-2 * DAY, -DAY, 0, DAY]), [0, 1, 3]);
    let january = 214 * DAY;
    assert_eq!(
        of(&[0, january - DAY, january, january + 3 * DAY]),
        [0, 2, 3]
    );
}

#[test]
fn a_length_of_time_counts_back_from_the_newest_snapshot() {
    let days: Vec<i64> = (0..40)
        .flat_map(|day| [day * DAY, day * DAY + 60])
        .collect();
    let of = |policy: &Policy| places(&kept(policy, history(1, &days)));
    assert_eq!(of(&within(Every::Snapshot, "2d")), [76, 77, 78, 79]);
    assert_eq!(of(&within(Every::Day, "3d")), [75, 77, 79]);
    assert_eq!(of(&within(Every::Month, "1y")), [59, 79]);
    assert_eq!(of(&within(Every::Snapshot, "90000y")).len(), 80);
}

#[test]
fn days_are_those_of_the_zone() {
    let evening = history(1, &[20 * 3_600, 23 * 3_600]);
    let policy = newest([(Every::Day, 9)]);
    let days = |zone: &TimeZone| {
        let placed = place(evening.clone(), now());
        let groups = policy.plan(placed, &By::USUAL.into(), &BTreeSet::new(), zone);
        let reasons = groups.into_iter().flat_map(|group| group.verdicts);
        reasons.map(|verdict| verdict.reasons).collect::<Vec<_>>()
    };
    let (day, oldest) = (Reason::Newest(Every::Day), Reason::Oldest(Every::Day));
    assert_eq!(days(&TimeZone::UTC), [vec![oldest], vec![day.clone()]]);
    let east = TimeZone::fixed(offset(2));
    assert_eq!(days(&east), [vec![day.clone()], vec![day]]);
}

#[test]
fn pins_and_tags_keep_what_no_count_keeps_and_a_tag_that_nobody_has_keeps_nothing() {
    let mut snapshots = history(1, &[0, DAY, 2 * DAY]);
    snapshots[0].record.tags.push("tax".to_owned());
    let tagged = |tag: &str| Policy {
        tags: [tag.to_owned()].into(),
        ..Policy::default()
    };
    assert_eq!(places(&kept(&tagged("tax"), snapshots.clone())), [0]);
    let groups = plan(&tagged("tacks"), snapshots.clone());
    assert!(groups.iter().all(Group::would_be_empty));
    let pinned = [snapshots[1].entry()].into();
    let placed = place(snapshots, now());
    let groups = tagged("tacks").plan(placed, &By::USUAL.into(), &pinned, &TimeZone::UTC);
    assert_eq!(groups[0].verdicts[1].reasons, [Reason::Pinned]);
    assert!(groups[0].would_be_empty(), "nothing was chosen to stay");
    assert!(plan(&newest([(Every::Snapshot, 1)]), Vec::new()).is_empty());
}

#[test]
fn what_lies_ahead_of_this_machines_clock_stays_and_counts_for_nothing() {
    let ahead = 5_000 * DAY;
    let snapshots = history(1, &[0, DAY, ahead, ahead + DAY, 2 * DAY]);
    assert_eq!(
        places(&kept(&newest([(Every::Day, 2)]), snapshots.clone())),
        [1, 2, 3, 4]
    );
    // A machine that has lost its clock forgets nothing.
    let groups = newest([(Every::Snapshot, 1)]).plan(
        place(snapshots, Timestamp::default()),
        &By::USUAL.into(),
        &BTreeSet::new(),
        &TimeZone::UTC,
    );
    assert!(groups[0].verdicts.iter().all(Verdict::stays));
}

#[test]
fn each_machine_and_its_paths_and_copies_are_counted_by_themselves() {
    let mut snapshots = [history(1, &[0, 1]), history(2, &[2, 3])].concat();
    for (seq, change) in [(2, "/a"), (3, "/b")] {
        let mut other = snapshot(1, seq, 10);
        other.record.paths.push(change.as_bytes().to_vec());
        snapshots.push(other);
    }
    let mut host = snapshot(1, 4, 11);
    host.record.host = "another".to_owned();
    let mut copy = snapshot(1, 5, -DAY);
    let from = [["0"; 64].concat(), ["1"; 64].concat()].join("/");
    copy.record.tags.push(format!("ownkey:copied-from={from}"));
    snapshots.extend([host, copy]);
    let one = newest([(Every::Snapshot, 1)]);
    assert_eq!(places(&kept(&one, snapshots.clone())), [1, 2, 3, 4, 5, 1]);
    let groups = one.plan(
        place(snapshots, now()),
        &BTreeSet::new(),
        &BTreeSet::new(),
        &TimeZone::UTC,
    );
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].verdicts.iter().filter(|it| it.stays()).count(), 1);
}

#[test]
fn what_a_repair_left_of_an_old_snapshot_does_not_stand_for_today() {
    let mut snapshots = history(1, &[0, DAY, 2 * DAY, 0]);
    let tag = format!("ownkey:repaired-from={}", snapshots[0].id);
    snapshots[3].record.tags.push(tag);
    let daily = newest([(Every::Day, 2)]);
    assert_eq!(places(&kept(&daily, snapshots)), [1, 2, 3]);
}

#[test]
fn copies_are_in_the_order_of_their_times_whenever_they_were_copied() {
    let mut copies = history(1, &[5 * DAY, 0, DAY, 2 * DAY]);
    for copy in &mut copies {
        let from = [["0"; 64].concat(), ["1"; 64].concat()].join("/");
        copy.record.tags.push(format!("ownkey:copied-from={from}"));
    }
    assert_eq!(places(&kept(&newest([(Every::Day, 2)]), copies)), [0, 3]);
}

fn policies() -> impl Strategy<Value = Policy> {
    let every = || proptest::sample::select(Every::ALL.to_vec());
    let lengths = proptest::sample::select(vec!["5h", "3d", "2w", "3m", "1y6m", "9y"]);
    let lengths = lengths.prop_map(|length| length.parse::<Length>().expect("a length"));
    let newest = proptest::collection::btree_map(every(), 1_u32..9, 0..4);
    let within = proptest::collection::btree_map(every(), lengths, 0..3);
    (newest, within).prop_map(|(newest, within)| Policy {
        newest,
        within,
        tags: BTreeSet::new(),
    })
}

/// Times of about four years, and beyond all calendars.
fn times() -> impl Strategy<Value = Vec<i64>> {
    let usual = 0..1_500 * DAY;
    let time = prop_oneof![9 => usual, 1 => any::<i64>()];
    proptest::collection::vec(time, 1..40)
}

fn stricter(policy: &Policy) -> Policy {
    let fewer = |(every, count): (&Every, &u32)| (*every, count / 2);
    Policy {
        newest: policy.newest.iter().map(fewer).collect(),
        within: BTreeMap::new(),
        tags: BTreeSet::new(),
    }
}

proptest! {
    #[test]
    fn a_policy_that_counts_empties_no_group(policy in policies(), one in times(), two in times()) {
        prop_assume!(!policy.is_empty());
        let snapshots = [history(1, &one), history(2, &two)].concat();
        for group in plan(&policy, snapshots) {
            prop_assert!(!group.would_be_empty());
        }
    }

    #[test]
    fn a_stricter_policy_keeps_a_part_of_it(policy in policies(), times in times()) {
        let snapshots = history(1, &times);
        let loose = kept(&policy, snapshots.clone());
        prop_assert!(kept(&stricter(&policy), snapshots).is_subset(&loose));
    }

    #[test]
    fn a_device_that_lies_evicts_nothing_of_another(policy in policies(), honest in times(), flood in times()) {
        let (mine, theirs) = (history(1, &honest), history(2, &flood));
        let alone = kept(&policy, mine.clone());
        let both = kept(&policy, [mine, theirs].concat());
        let of_mine: BTreeSet<EntryRef> = both.into_iter().filter(|it| it.device == DeviceId::from_bytes([1; 16])).collect();
        prop_assert_eq!(alone, of_mine);
    }

    #[test]
    fn times_forged_into_the_past_evict_one_of_each_kind_of_what_was_there(
        policy in policies(),
        days in 2_i64..60,
        flood in proptest::collection::vec(i64::MIN..0, 0..30),
    ) {
        // A daily history, and then a thief who says that it was all long ago.
        let honest: Vec<i64> = (0..days).map(|day| day * DAY).collect();
        let alone = kept(&policy, history(1, &honest));
        let both = kept(&policy, history(1, &[honest, flood.clone()].concat()));
        // A count of single snapshots counts all of them, whatever they say; the rest stand for the last day.
        let counted = policy.newest.get(&Every::Snapshot).copied().unwrap_or(0);
        let reached = alone.difference(&both).count();
        let rules = policy.newest.len() + policy.within.len();
        prop_assert!(reached <= rules + (counted as usize).min(flood.len()), "{} of {:?}", reached, policy);
    }
}
