//! How often this machine asked a storage for something, by day and command: services bill by it.
//!
//! A file of lines beside this machine's other memory of the place; a run adds its line at its end.
//! Nothing rests on it: a torn or lost line is a figure that is a little too small.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ownkey_storage::RequestCounts;
use serde::{Deserialize, Serialize};

/// Days that are kept and summed up: services bill by the month.
pub(crate) const DAYS: i64 = 31;
/// A file that has grown beyond this is written anew without what is too old.
const TIDY: u64 = 256 << 10;
/// More than this is not read: the file was written by somebody else.
const MOST: u64 = 16 << 20;
const SECONDS_A_DAY: i64 = 86_400;

/// The ledger of one place.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    path: PathBuf,
}

/// One run, or many of one command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bill {
    pub(crate) runs: u64,
    pub(crate) creates: u64,
    pub(crate) gets: u64,
    pub(crate) lists: u64,
    pub(crate) deletes: u64,
    pub(crate) retention_reads: u64,
    pub(crate) retention_writes: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    day: i64,
    command: String,
    #[serde(flatten)]
    bill: Bill,
}

/// What the last days came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Month {
    /// By command.
    pub(crate) commands: BTreeMap<String, Bill>,
    /// Days from the first run in it to today, both included.
    pub(crate) days: u64,
}

impl Bill {
    /// The bill of one run.
    pub(crate) fn of_run(counts: RequestCounts) -> Self {
        Self {
            runs: 1,
            creates: counts.creates,
            gets: counts.gets,
            lists: counts.lists,
            deletes: counts.deletes,
            retention_reads: counts.retention_reads,
            retention_writes: counts.retention_writes,
            bytes_up: counts.bytes_up,
            bytes_down: counts.bytes_down,
        }
    }

    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        self.writes() + self.reads() + self.deletes
    }

    /// What services bill highest: what writes or lists.
    pub(crate) fn writes(&self) -> u64 {
        self.creates + self.lists + self.retention_writes
    }

    /// What reads one object.
    pub(crate) fn reads(&self) -> u64 {
        self.gets + self.retention_reads
    }

    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.runs, other.runs),
            (&mut self.creates, other.creates),
            (&mut self.gets, other.gets),
            (&mut self.lists, other.lists),
            (&mut self.deletes, other.deletes),
            (&mut self.retention_reads, other.retention_reads),
            (&mut self.retention_writes, other.retention_writes),
            (&mut self.bytes_up, other.bytes_up),
            (&mut self.bytes_down, other.bytes_down),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }
}

impl Month {
    /// Adds a bill.
    pub(crate) fn add(&mut self, command: &str, bill: &Bill) {
        self.commands
            .entry(command.to_owned())
            .or_default()
            .add(bill);
    }

    /// All commands together.
    pub(crate) fn total(&self) -> Bill {
        let mut total = Bill::default();
        for bill in self.commands.values() {
            total.add(bill);
        }
        total
    }

    /// Requests of 30 days at the pace of these; half a day of use tells nothing about a month.
    pub(crate) fn requests_a_month(&self) -> Option<u64> {
        let total = self.total().requests();
        (self.days > 1).then(|| total.saturating_mul(30) / self.days)
    }
}

impl Ledger {
    /// The ledger in a folder; nothing is touched.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            path: folder.join("requests.jsonl"),
        }
    }

    /// Adds a run of `command` at `now`, in seconds since 1970.
    pub(crate) fn add(&self, command: &str, bill: Bill, now: i64) -> io::Result<()> {
        let line = Line {
            day: now.div_euclid(SECONDS_A_DAY),
            command: command.to_owned(),
            bill,
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > TIDY) {
            self.tidy(line.day)?;
        }
        let mut text = serde_json::to_string(&line).map_err(io::Error::other)?;
        text.push('\n');
        // One write of one line: runs at the same time do not mix theirs.
        let mut file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(text.as_bytes())
    }

    /// What the last days came to, today included.
    pub(crate) fn month(&self, now: i64) -> io::Result<Month> {
        let today = now.div_euclid(SECONDS_A_DAY);
        let mut month = Month::default();
        let mut first = today;
        for line in self.lines(today)? {
            first = first.min(line.day);
            month.add(&line.command, &line.bill);
        }
        month.days = u64::try_from(today - first).unwrap_or(0) + 1;
        Ok(month)
    }

    fn lines(&self, today: i64) -> io::Result<Vec<Line>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        let mut lines = Vec::new();
        for line in BufReader::new(file.take(MOST)).split(b'\n') {
            // A line torn by a crash is left out.
            if let Ok(line) = serde_json::from_slice::<Line>(&line?)
                && (today - DAYS + 1..=today).contains(&line.day)
            {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    fn tidy(&self, today: i64) -> io::Result<()> {
        let mut text = String::new();
        for (command, day, bill) in self.by_day(today)? {
            let line = Line { day, command, bill };
            text.push_str(&serde_json::to_string(&line).map_err(io::Error::other)?);
            text.push('\n');
        }
        super::memory::replace(&self.path, text.as_bytes())
    }

    fn by_day(&self, today: i64) -> io::Result<Vec<(String, i64, Bill)>> {
        let mut days: BTreeMap<(String, i64), Bill> = BTreeMap::new();
        for line in self.lines(today)? {
            days.entry((line.command, line.day))
                .or_default()
                .add(&line.bill);
        }
        let flat = |((command, day), bill)| (command, day, bill);
        Ok(days.into_iter().map(flat).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20_000 * SECONDS_A_DAY + 5;

    fn bill(creates: u64, gets: u64) -> Bill {
        Bill {
            runs: 1,
            creates,
            gets,
            ..Bill::default()
        }
    }

    #[test]
    fn runs_of_the_last_31_days_are_summed_up_by_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::of(folder.path());
        assert_eq!(
            ledger.month(NOW).expect("none"),
            Month {
                days: 1,
                ..Month::default()
            }
        );
        for (command, days_ago, creates) in [
            ("backup", 40, 1000),
            ("backup", 9, 10),
            ("backup", 0, 20),
            ("check", 3, 1),
        ] {
            ledger
                .add(command, bill(creates, 1), NOW - days_ago * SECONDS_A_DAY)
                .expect("added");
        }
        let month = ledger.month(NOW).expect("a month");
        assert_eq!(
            month.commands["backup"],
            Bill {
                runs: 2,
                ..bill(30, 2)
            }
        );
        assert_eq!(month.days, 10);
        assert_eq!(month.total().requests(), 34);
        assert_eq!(month.requests_a_month(), Some(34 * 30 / 10));
    }

    #[test]
    fn one_day_predicts_no_month() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::of(folder.path());
        ledger.add("backup", bill(5, 5), NOW).expect("added");
        assert_eq!(ledger.month(NOW).expect("a month").requests_a_month(), None);
    }

    #[test]
    fn torn_lines_are_left_out_and_a_large_file_is_tidied() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::of(folder.path());
        let mut text = String::new();
        while text.len() as u64 <= TIDY {
            text.push_str("{\"day\":20000,\"command\":\"ls\",\"runs\":1,\"gets\":2}\n{\"day\":200");
            text.push('\n');
        }
        let runs = text.matches("ls").count() as u64;
        fs::write(folder.path().join("requests.jsonl"), &text).expect("a file");
        ledger.add("ls", bill(0, 2), NOW).expect("added");
        let month = ledger.month(NOW).expect("a month");
        assert_eq!(
            month.commands["ls"],
            Bill {
                runs: runs + 1,
                gets: 2 * (runs + 1),
                ..Bill::default()
            }
        );
        assert!(
            fs::metadata(folder.path().join("requests.jsonl"))
                .expect("a file")
                .len()
                < 1000
        );
    }
}
