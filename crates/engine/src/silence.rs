//! Devices that used to back up and have stopped: said to people, who know whether the machine was sold or broke.
//!
//! Promise: nothing else rests on it. Each device is measured by its own rhythm, so nobody has to say what that should be.

use std::collections::BTreeMap;

use ownkey_crypto::DeviceId;

use crate::copy::CopiedFrom;
use crate::format::roster::Role;
use crate::repository::Repository;

/// A device that has not backed up for much longer than it used to leave between two backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Which one.
    pub device: DeviceId,
    /// When its last backup began, in seconds since 1970 by its own clock.
    pub last: i64,
    /// How many seconds it usually left between two.
    pub usual: i64,
}

/// Backups that make a rhythm.
const RHYTHM: usize = 4;
/// Backups that tell what is usual now.
const RECENT: usize = 9;
/// Silence of this many usual intervals is long.
const INTERVALS: i64 = 3;
/// Seconds below which no silence is: a week, as long as a holiday.
const SHORTEST: i64 = 7 * 24 * 60 * 60;

/// Every device that stands and is silent. Who may not read sees no snapshots, and so no silence.
#[must_use]
pub fn silent(repository: &Repository) -> Vec<Silence> {
    let now = match repository.earlier() {
        // Of an earlier state everything has stopped.
        Some(_) => return Vec::new(),
        None => repository.environment.clock.now().seconds,
    };
    let mut backups: BTreeMap<DeviceId, Vec<i64>> = BTreeMap::new();
    for snapshot in repository.snapshots() {
        let stands = repository.roster().standing(&snapshot.device);
        let is_device = stands.is_some_and(|member| member.role == Role::Device);
        // A copy says when its original was made.
        if is_device && CopiedFrom::of(&snapshot.record).is_none() {
            let times = backups.entry(snapshot.device).or_default();
            times.push(snapshot.record.started.seconds);
        }
    }
    let silence = |(device, times): (DeviceId, Vec<i64>)| {
        let (last, usual) = silence(times, now)?;
        Some(Silence {
            device,
            last,
            usual,
        })
    };
    backups.into_iter().filter_map(silence).collect()
}

/// The last of these times and the usual interval, if the last is long ago.
fn silence(mut times: Vec<i64>, now: i64) -> Option<(i64, i64)> {
    times.sort_unstable();
    // Of older ones most were forgotten.
    let times = times.split_off(times.len().saturating_sub(RECENT));
    let last = *times.last().filter(|_| times.len() >= RHYTHM)?;
    let pairs = times.windows(2);
    let mut between: Vec<i64> = pairs
        .filter_map(|pair| pair.last()?.checked_sub(*pair.first()?))
        .collect();
    let middle = between.len() / 2;
    let (_, usual, _) = between.select_nth_unstable(middle);
    let long = usual.saturating_mul(INTERVALS).max(SHORTEST);
    (now.saturating_sub(last) > long).then_some((last, *usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn daily(count: i64) -> Vec<i64> {
        (0..count).map(|day| day * DAY).collect()
    }

    #[test]
    fn a_device_is_silent_by_its_own_rhythm_and_after_a_week_at_the_earliest() {
        assert_eq!(silence(daily(10), 16 * DAY), None);
        assert_eq!(silence(daily(10), 16 * DAY + 1), Some((9 * DAY, DAY)));
        let monthly: Vec<i64> = (0..5).map(|month| month * 30 * DAY).collect();
        assert_eq!(silence(monthly.clone(), 200 * DAY), None);
        assert_eq!(silence(monthly, 211 * DAY), Some((120 * DAY, 30 * DAY)));
    }

    #[test]
    fn a_holiday_does_not_change_the_rhythm_and_too_few_backups_have_none() {
        let mut times = daily(10);
        times.push(60 * DAY);
        assert_eq!(silence(times, 68 * DAY), Some((60 * DAY, DAY)));
        assert_eq!(silence(daily(3), 900 * DAY), None);
    }

    #[test]
    fn clocks_that_jump_are_no_reason_to_fail() {
        assert_eq!(silence(vec![i64::MIN, 0, 1, i64::MAX], i64::MIN), None);
        assert_eq!(silence(vec![5; 9], 5), None);
    }
}
