//! When snapshots were made, as far as that can be believed.
//!
//! A time is what its device says, and a stolen device says what its thief wants. What cannot be
//! forged afterwards is the order of a log. So a time counts only where it fits between its neighbours
//! in the log, the earlier ones first: whoever writes into a log today can add to what stands there, and
//! cannot move it together until one stays of all.

use std::collections::BTreeMap;

use ownkey_crypto::DeviceId;

use crate::copy::CopiedFrom;
use crate::format::time::Timestamp;
use crate::repair::RepairedFrom;
use crate::repository::Snapshot;

/// Who put a snapshot where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maker {
    /// The device that made it.
    Device(DeviceId),
    /// The device that made it out of another snapshot: a copy, or what a repair left of one. These come in any
    /// order, so their times cannot be told by it, and a device that lies about them must not reach anything else.
    Derived(DeviceId),
}

/// A snapshot and its place in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Who put it there.
    pub maker: Maker,
    /// When; `None` if by the clock of this machine that has not come yet. Either clock may be wrong.
    pub when: Option<Timestamp>,
}

/// Places snapshots in time, those of each maker in the order of its log. For the neighbours to be known, these
/// are all of a repository; `now` is the time on this machine.
pub fn place(snapshots: Vec<Snapshot>, now: Timestamp) -> Vec<Placed> {
    let mut logs: BTreeMap<Maker, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in snapshots {
        let device = snapshot.first.device;
        let maker = match snapshot.record.tags.iter().any(|tag| is_origin(tag)) {
            false => Maker::Device(device),
            true => Maker::Derived(device),
        };
        logs.entry(maker).or_default().push(snapshot);
    }
    let mut placed = Vec::new();
    for (maker, mut log) in logs {
        log.sort_by_key(|snapshot| snapshot.first.at.seq);
        let mut said = log.iter().map(|snapshot| snapshot.record.started);
        let times = match maker {
            Maker::Device(_) => believed(&said.collect::<Vec<_>>(), now),
            Maker::Derived(_) => said.by_ref().map(|at| (at <= now).then_some(at)).collect(),
        };
        let pairs = log.into_iter().zip(times);
        placed.extend(pairs.map(|(snapshot, when)| Placed {
            snapshot,
            maker,
            when,
        }));
    }
    placed
}

/// Whether a tag is none of the user's, and names the snapshot that this one was made of.
pub(super) fn is_origin(tag: &str) -> bool {
    CopiedFrom::parse(tag).is_some() || RepairedFrom::parse(tag).is_some()
}

/// What is believed of times that were said one after the other: never falling, and each one what was said
/// unless its neighbours contradict it. Nobody is the neighbour of a time to come.
fn believed(said: &[Timestamp], now: Timestamp) -> Vec<Option<Timestamp>> {
    let come: Vec<Timestamp> = said.iter().copied().filter(|at| *at <= now).collect();
    let mut before = None;
    let mut times = come.iter().enumerate().map(|(nth, at)| {
        // Where two contradict each other, the later one is wrong if it contradicts what stands before both, too.
        let after = come.get(nth + 1).copied();
        let after = after.filter(|after| before.is_none_or(|before| *after >= before));
        let at = after.map_or(*at, |after| after.min(*at));
        let at = before.map_or(at, |before| at.max(before));
        before = Some(at);
        at
    });
    let has_come = said.iter().map(|at| *at <= now);
    has_come
        .map(|has_come| if has_come { times.next() } else { None })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds: 0,
        }
    }

    fn of(said: &[i64]) -> Vec<Option<i64>> {
        let said: Vec<Timestamp> = said.iter().copied().map(at).collect();
        let times = believed(&said, at(NOW)).into_iter();
        times.map(|time| Some(time?.seconds)).collect()
    }

    #[test]
    fn times_that_fit_are_believed() {
        assert_eq!(of(&[1, 5, 5, 900]), [1, 5, 5, 900].map(Some));
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn one_wrong_clock_moves_nothing_but_its_own_snapshot() {
        for (said, believed) in [
            ([10, 20, 1, 30], [10, 20, 20, 30]),
            ([10, 20, 700, 30], [10, 20, 30, 30]),
            ([700, 20, 25, 30], [20, 20, 25, 30]),
            ([10, 20, 30, 1], [10, 20, 30, 30]),
        ] {
            assert_eq!(of(&said), believed.map(Some), "{said:?}");
        }
    }

    #[test]
    fn what_has_not_come_yet_is_nobodys_neighbour() {
        let said = [10, 20, NOW + 1, NOW + 2, 30, 40];
        let believed = [Some(10), Some(20), None, None, Some(30), Some(40)];
        assert_eq!(of(&said), believed);
        // A clock that stands at its beginning: everything lies ahead, and nothing is judged by it.
        assert_eq!(of(&[NOW + 1, NOW + 9]), [None, None]);
    }

    proptest! {
        #[test]
        fn whatever_is_added_to_a_log_moves_at_most_the_last_snapshot_before_it(
            honest in proptest::collection::vec(0..NOW, 1..30),
            flood in proptest::collection::vec(-2 * NOW..2 * NOW, 0..30),
        ) {
            let mut honest = honest;
            honest.sort_unstable();
            let both = [honest.clone(), flood].concat();
            let (alone, flooded) = (of(&honest), of(&both));
            let kept = honest.len() - 1;
            prop_assert_eq!(&alone[..kept], &flooded[..kept]);
            prop_assert_eq!(alone, honest.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_believed_never_falls_and_never_lies_ahead(said in proptest::collection::vec(any::<i64>(), 0..40)) {
            let times: Vec<i64> = of(&said).into_iter().flatten().collect();
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|time| *time <= NOW));
        }
    }
}
