//! The clock of a storage, and how fast it is.

use std::time::{Duration, SystemTime};

use super::{Bench, Verdict, pattern};
use crate::error::StorageError;
use crate::name::Prefix;
use crate::stopwatch::Stopwatch;

/// Signed requests are refused by most services when the clocks differ by a quarter of an hour; long
/// before that somebody should look at them.
const MUCH_SKEW: i64 = 60;
/// How often a small read is timed.
const READS: usize = 5;
/// What is moved to see the rate: a quarter of a usual pack, for a slow line's sake.
const LOAD: usize = 4 << 20;

impl Bench<'_> {
    pub(super) async fn measure_clock(&mut self) -> Result<(), StorageError> {
        let name = self.name("clock/one")?;
        let before = (self.surroundings.now)();
        self.first().create(&name, pattern(10, 11)).await?;
        let after = (self.surroundings.now)();
        let page = self.first().list(&Prefix::exactly(&name), None, 1).await?;
        let Some(told) = page.objects.first().and_then(|object| object.modified) else {
            self.found("clock", Verdict::Unknown, "the storage tells no times");
            return Ok(());
        };
        let ahead = seconds_outside(told, before, after);
        self.facts.clock_ahead_seconds = Some(ahead);
        if ahead.abs() < MUCH_SKEW {
            self.found("clock", Verdict::Good, "its clock and the one here agree");
        } else {
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            let words = format!(
                "its clock is {} s {way} the one here: one of them is wrong; nothing is decided by it, but the times shown will confuse",
                ahead.unsigned_abs()
            );
            self.found("clock", Verdict::Limited, words);
        }
        Ok(())
    }

    pub(super) async fn measure_speed(&mut self) -> Result<(), StorageError> {
        let tiny = self.name("object/tiny")?;
        let mut times = Vec::new();
        for _ in 0..READS {
            let watch = Stopwatch::start();
            self.first().get(&tiny).await?;
            times.push(watch.elapsed());
        }
        times.sort();
        self.facts.round_trip = times.get(READS / 2).copied().unwrap_or_default();
        let trip = self.facts.round_trip.as_secs_f64() * 1000.0;
        // What could not be deleted again is better not created.
        if !self.facts.deletes {
            self.found(
                "speed",
                Verdict::Unknown,
                format!("a small read takes {trip:.1} ms"),
            );
            return Ok(());
        }
        let load = self.name("speed/load")?;
        let watch = Stopwatch::start();
        self.first().create(&load, pattern(LOAD, 12)).await?;
        self.facts.upload_rate = rate(watch.elapsed());
        let watch = Stopwatch::start();
        self.first().get(&load).await?;
        self.facts.download_rate = rate(watch.elapsed());
        let megabytes = |rate: Option<u64>| rate.unwrap_or_default() as f64 / 1e6;
        let words = format!(
            "a small read takes {trip:.1} ms; one transfer alone moves {:.1} MB/s there and {:.1} MB/s back",
            megabytes(self.facts.upload_rate),
            megabytes(self.facts.download_rate),
        );
        self.found("speed", Verdict::Good, words);
        Ok(())
    }
}

fn rate(took: Duration) -> Option<u64> {
    (!took.is_zero()).then(|| (LOAD as f64 / took.as_secs_f64()) as u64)
}

/// How far a time is outside of a span, in whole seconds: positive after it, negative before it.
/// Services cut times to whole seconds, which is no skew.
fn seconds_outside(time: SystemTime, start: SystemTime, end: SystemTime) -> i64 {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    if let Ok(ahead) = time.duration_since(end) {
        return seconds(ahead);
    }
    match start.duration_since(time) {
        Ok(behind) => -seconds(behind),
        Err(_) => 0,
    }
}
