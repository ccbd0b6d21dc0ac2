//! Shows what a verb does: a line that moves on a terminal, status lines with `--json`, silence in
//! a pipe. Problems are shown at once, and counted, in every case.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ownkey_engine::monitor::{Figure, Monitor, Problem, Stage};
use serde_json::json;

use super::timings::Timings;
use super::{Format, Ui, Verbosity, json as lines, sanitize, show};
use crate::signals::Interrupt;

/// What the figures are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Opening,
    Backup,
    Restore,
    Check,
    Repair,
    Copy,
    Mirror,
    Prune,
}

impl Work {
    /// As in `"during": "archival"`; restic's words where it has them.
    fn word(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Backup => "archival",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::Repair => "repair",
            Self::Copy => "copy",
            Self::Mirror => "mirror",
            Self::Prune => "prune",
        }
    }
}

/// How often the moving line moves, and how often `--json` says where things stand.
const TERMINAL_EVERY: Duration = Duration::from_millis(120);
const JSON_EVERY: Duration = Duration::from_secs(1);

/// The monitor of one run of one verb.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    ticker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    ui: Arc<Ui>,
    work: Work,
    interrupt: Interrupt,
    started: Instant,
    figures: [AtomicU64; FIGURES.len()],
    problems: AtomicU64,
    at: Mutex<PathBuf>,
    bar: Option<ProgressBar>,
    over: AtomicBool,
}

const FIGURES: [Figure; 11] = [
    Figure::FilesFound,
    Figure::BytesFound,
    Figure::FilesDone,
    Figure::BytesDone,
    Figure::BytesRead,
    Figure::BytesNew,
    Figure::BytesUploaded,
    Figure::BytesFetched,
    Figure::FilesRestored,
    Figure::BytesRestored,
    Figure::ObjectsChecked,
];

impl Progress {
    /// Starts to show a verb's work.
    pub(crate) fn start(ui: &Arc<Ui>, interrupt: &Interrupt, work: Work) -> Self {
        let moving = ui.format() != Format::Json
            && ui.verbosity() != Verbosity::Quiet
            && work != Work::Opening
            && std::io::stderr().is_terminal();
        let shared = Arc::new(Shared {
            ui: Arc::clone(ui),
            work,
            interrupt: interrupt.clone(),
            started: Instant::now(),
            figures: std::array::from_fn(|_| AtomicU64::new(0)),
            problems: AtomicU64::new(0),
            at: Mutex::new(PathBuf::new()),
            bar: moving.then(moving_line),
            over: AtomicBool::new(false),
        });
        ui.moves(shared.bar.clone());
        let every = match (moving, ui.format()) {
            (true, _) => Some(TERMINAL_EVERY),
            (false, Format::Json) if work != Work::Opening => Some(JSON_EVERY),
            (false, _) => None,
        };
        let ticker = every.map(|every| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.tick(every))
        });
        Self {
            shared,
            ticker: Mutex::new(ticker),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Takes the moving line away; what follows are results.
    pub(crate) fn finish(&self) {
        if self.shared.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let ticker = self
            .ticker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ticker) = ticker {
            ticker.thread().unpark();
            // A ticker that panicked has shown its panic; the results still count.
            let _ = ticker.join();
        }
        if let Some(bar) = &self.shared.bar {
            self.shared.ui.moves(None);
            bar.finish_and_clear();
        }
        self.shared.tell_timings();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Monitor for Progress {
    fn count(&self, figure: Figure, by: u64) {
        if let Some(counter) = self.shared.counter(figure) {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn problem(&self, problem: &Problem) {
        let shared = &self.shared;
        shared.problems.fetch_add(1, Ordering::Relaxed);
        if shared.work == Work::Check {
            // Its result: told at the end, each file once with all its snapshots.
            return;
        }
        if shared.ui.format() == Format::Json {
            let fields = lines::problem(&problem.path, &problem.message, shared.work.word());
            // A reader that has gone is noticed by the summary.
            let _ = shared.ui.json("error", fields);
            return;
        }
        let text = format!("{}: {}", sanitize::path(&problem.path), problem.message);
        shared.ui.tell("problem", &text);
    }

    fn note(&self, text: &str) {
        let shared = &self.shared;
        match (shared.work, shared.ui.format()) {
            // What a check notes is what it was asked to find: it is shown even with `--quiet`.
            (Work::Check, Format::Json) => {
                let fields = json!({ "error": { "message": text }, "during": shared.work.word() });
                let _ = shared.ui.json("error", fields);
            }
            (Work::Check, _) => shared.ui.tell("problem", text),
            _ => shared.ui.note(text),
        }
    }

    fn at(&self, path: &Path) {
        if self.shared.ui.verbosity() == Verbosity::Verbose {
            self.shared.ui.trace(path);
        }
        // Only for the eye: if somebody holds the lock, another path will come.
        if let Ok(mut at) = self.shared.at.try_lock() {
            path.clone_into(&mut at);
        }
    }

    fn cancelled(&self) -> bool {
        self.shared.interrupt.is_raised()
    }

    fn elapsed(&self) -> Duration {
        self.shared
            .ui
            .timings()
            .map_or(Duration::ZERO, Timings::elapsed)
    }

    fn spent(&self, stage: Stage, time: Duration, bytes: u64) {
        if let Some(timings) = self.shared.ui.timings() {
            timings.add(stage, time, bytes);
        }
    }
}

impl Shared {
    fn tell_timings(&self) {
        let Some(timings) = self.ui.timings() else {
            return;
        };
        // A reader that has gone is noticed by the summary.
        for line in timings.lines() {
            let _ = self.ui.line(&line);
        }
        if self.work != Work::Opening {
            let _ = self.ui.json("timings", timings.fields());
        }
    }

    fn counter(&self, figure: Figure) -> Option<&AtomicU64> {
        let place = FIGURES.iter().position(|known| *known == figure)?;
        self.figures.get(place)
    }

    fn read(&self, figure: Figure) -> u64 {
        self.counter(figure)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn tick(&self, every: Duration) {
        loop {
            std::thread::park_timeout(every);
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            match &self.bar {
                Some(bar) => bar.set_message(self.sentence()),
                None => {
                    let _ = self.ui.json("status", self.status());
                    // Whoever reads status lines wants them now.
                    let _ = self.ui.flush();
                }
            }
        }
    }

    fn sentence(&self) -> String {
        let read = |figure| show::size(self.read(figure));
        let files = |figure| show::count(self.read(figure));
        let figures = match self.work {
            Work::Opening => String::new(),
            Work::Backup | Work::Copy => {
                let left = self
                    .read(Figure::BytesFound)
                    .saturating_sub(self.read(Figure::BytesDone));
                format!(
                    "found {} files, {} · read {} · new {} · uploaded {} · left {}",
                    files(Figure::FilesFound),
                    read(Figure::BytesFound),
                    read(Figure::BytesRead),
                    read(Figure::BytesNew),
                    read(Figure::BytesUploaded),
                    show::size(left),
                )
            }
            Work::Restore => format!(
                "restored {} files, {} · fetched {}",
                files(Figure::FilesRestored),
                read(Figure::BytesRestored),
                read(Figure::BytesFetched),
            ),
            Work::Mirror => format!(
                "fetched {} · uploaded {} · compared {} objects",
                read(Figure::BytesFetched),
                read(Figure::BytesUploaded),
                files(Figure::ObjectsChecked),
            ),
            Work::Prune => format!(
                "looked at {} files · uploaded {}",
                files(Figure::FilesDone),
                read(Figure::BytesUploaded),
            ),
            Work::Check | Work::Repair => format!(
                "checked {} objects · fetched {}",
                files(Figure::ObjectsChecked),
                read(Figure::BytesFetched),
            ),
        };
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        match at.as_os_str().is_empty() {
            true => figures,
            false => format!("{figures} · {}", sanitize::path(&at)),
        }
    }

    fn status(&self) -> serde_json::Value {
        let mut fields = json!({
            "during": self.work.word(),
            "seconds_elapsed": self.started.elapsed().as_secs(),
            "error_count": self.problems.load(Ordering::Relaxed),
        });
        let figures = match self.work {
            Work::Opening => json!({}),
            Work::Mirror => json!({
                "bytes_fetched": self.read(Figure::BytesFetched),
                "bytes_uploaded": self.read(Figure::BytesUploaded),
                "objects_checked": self.read(Figure::ObjectsChecked),
            }),
            Work::Backup | Work::Copy => json!({
                "total_files": self.read(Figure::FilesFound),
                "files_done": self.read(Figure::FilesDone),
                "total_bytes": self.read(Figure::BytesFound),
                "bytes_done": self.read(Figure::BytesDone),
                "bytes_read": self.read(Figure::BytesRead),
                "bytes_new": self.read(Figure::BytesNew),
                "bytes_uploaded": self.read(Figure::BytesUploaded),
            }),
            Work::Restore => json!({
                "files_restored": self.read(Figure::FilesRestored),
                "bytes_restored": self.read(Figure::BytesRestored),
                "bytes_fetched": self.read(Figure::BytesFetched),
            }),
            Work::Prune => json!({
                "files_done": self.read(Figure::FilesDone),
                "bytes_uploaded": self.read(Figure::BytesUploaded),
            }),
            Work::Check | Work::Repair => json!({
                "objects_checked": self.read(Figure::ObjectsChecked),
                "bytes_fetched": self.read(Figure::BytesFetched),
            }),
        };
        if let (Some(fields), serde_json::Value::Object(figures)) =
            (fields.as_object_mut(), figures)
        {
            fields.extend(figures);
        }
        fields
    }
}

fn moving_line() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is a constant; should it ever be wrong, indicatif's own style stands.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_counted_in_its_own_place() {
        let ui = Arc::new(Ui::new(Format::Text, Verbosity::Quiet));
        let progress = Progress::start(&ui, &Interrupt::default(), Work::Backup);
        for (by, figure) in (1u64..).zip(FIGURES) {
            progress.count(figure, by);
        }
        let read: Vec<u64> = FIGURES
            .iter()
            .map(|figure| progress.shared.read(*figure))
            .collect();
        assert_eq!(read, (1..=11).collect::<Vec<_>>());
    }

    #[test]
    fn the_backup_line_says_what_is_left() {
        let ui = Arc::new(Ui::new(Format::Text, Verbosity::Quiet));
        let progress = Progress::start(&ui, &Interrupt::default(), Work::Backup);
        progress.count(Figure::BytesFound, 3 << 20);
        progress.count(Figure::BytesDone, 1 << 20);
        progress.at(Path::new("/home/\x1bann"));
        let line = progress.shared.sentence();
        assert!(
            line.contains("left 2.00 MiB") && line.ends_with("/home/\\u{1b}ann"),
            "{line}"
        );
    }
}
