//! `--timings`: where a verb's threads spent their time.
//!
//! Times are those of all threads together, waiting for the disk or a turn on a core included, so
//! they add up to more than the clock on the wall shows. The share is of what was measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ownkey_engine::monitor::Stage;
use serde_json::{Value, json};

use super::table::{Align, Table};

/// Stages, and what they are called.
const STAGES: [(Stage, &str); 11] = [
    (Stage::Walk, "walk"),
    (Stage::Read, "read"),
    (Stage::Cut, "cut"),
    (Stage::Name, "name"),
    (Stage::Compress, "compress"),
    (Stage::Room, "wait for room"),
    (Stage::Seal, "seal"),
    (Stage::Trees, "trees"),
    (Stage::Fetch, "fetch"),
    (Stage::Open, "open"),
    (Stage::Write, "write"),
];

/// What each stage took so far.
pub(crate) struct Timings {
    started: Instant,
    stages: Vec<Spent>,
}

struct Spent {
    stage: Stage,
    name: &'static str,
    nanoseconds: AtomicU64,
    bytes: AtomicU64,
}

impl Timings {
    pub(crate) fn start() -> Self {
        let spent = |(stage, name)| Spent {
            stage,
            name,
            nanoseconds: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        Self {
            started: Instant::now(),
            stages: STAGES.map(spent).into(),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A thread has spent this time at a stage, on so many bytes.
    pub(crate) fn add(&self, stage: Stage, time: Duration, bytes: u64) {
        if let Some(spent) = self.stages.iter().find(|spent| spent.stage == stage) {
            let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            spent.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
            spent.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The stages that took any time, one a line; none if nothing was measured.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all: f64 = self.stages.iter().map(Spent::seconds).sum();
        let mut table = Table::new(&[
            ("stage", Align::Left),
            ("thread time", Align::Right),
            ("share", Align::Right),
            ("rate", Align::Right),
        ]);
        let at_work = self.stages.iter().filter(|spent| spent.seconds() > 0.0);
        for spent in at_work.clone() {
            table.row([
                spent.name.to_owned(),
                format!("{:.3} s", spent.seconds()),
                format!("{:.0} %", 100.0 * spent.seconds() / all),
                spent
                    .rate()
                    .map_or(String::new(), |rate| format!("{rate:.0} MB/s")),
            ]);
        }
        match at_work.count() {
            0 => Vec::new(),
            _ => table.lines(),
        }
    }

    /// The same for programs.
    pub(crate) fn fields(&self) -> Value {
        let stages = self.stages.iter().filter(|spent| spent.seconds() > 0.0);
        let stages = stages.map(|spent| {
            json!({
                "stage": spent.name,
                "thread_seconds": spent.seconds(),
                "bytes": spent.bytes.load(Ordering::Relaxed),
            })
        });
        json!({ "stages": stages.collect::<Vec<_>>() })
    }
}

impl Spent {
    fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Megabytes a second of one thread.
    fn rate(&self) -> Option<f64> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        (bytes > 0).then(|| bytes as f64 / 1e6 / self.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_without_time_are_left_out_and_shares_add_up() {
        let timings = Timings::start();
        assert!(timings.lines().is_empty());
        timings.add(Stage::Cut, Duration::from_secs(1), 500_000_000);
        timings.add(Stage::Cut, Duration::from_secs(2), 1_000_000_000);
        timings.add(Stage::Walk, Duration::from_secs(1), 0);
        assert_eq!(
            timings.lines(),
            [
                "stage  thread time  share      rate",
                "walk       1.000 s   25 %",
                "cut        3.000 s   75 %  500 MB/s",
            ]
        );
        let fields = timings.fields();
        assert_eq!(fields["stages"][1]["bytes"], 1_500_000_000u64);
    }
}
