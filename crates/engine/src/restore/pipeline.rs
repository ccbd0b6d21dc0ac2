//! A window's files, pack by pack: fetch, decode, write.
//!
//! Fetching threads wait for the storage, working threads for the processor. What was fetched and
//! not written yet is bounded in bytes; it is handed over some frames at a time, because waking
//! a thread costs as much as writing a small file.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::Restorer;
use super::budget::{Budget, Share};
use super::plan::{Plan, Want};
use super::window::Job;
use super::writer::Nearby;
use crate::chunks::is_damage;
use crate::error::{Error, Result};
use crate::index::PackEntry;
use crate::monitor::{Figure, Stage, timed};
use crate::ranges::{Part, aligned, runs};

/// Packs fetched at once: enough to hide a round trip behind the one before.
const FETCHERS: usize = 4;
/// A pack is fetched whole if more than this part of it is wanted, as one in so many.
const WHOLE_FROM: u64 = 4;
/// Frames are handed over together up to this many stored bytes.
const HANDFUL: u64 = 1 << 20;

/// What a working thread gets.
enum Work<'w, 'b> {
    /// Frames that were read together; nothing was read if they could not be fetched.
    Frames(Option<Arc<Read<'b>>>, Vec<Placed<'w>>),
    /// A file without any chunk.
    Empty(&'w Job),
}

/// Where a frame lies in its pack, tag included, and who wants its chunks.
type Placed<'w> = (Range<u64>, &'w [Want]);

/// A part of a pack.
struct Read<'b> {
    part: Part,
    _share: Share<'b>,
}

/// The frames of one pack that are wanted, by where they lie.
struct Wanted<'w> {
    pack: PackEntry,
    frames: Vec<Placed<'w>>,
}

/// What all threads of one run have.
#[derive(Clone, Copy)]
struct Run<'r, 'a> {
    restorer: &'r Restorer<'a>,
    budget: &'r Budget,
}

/// Writes all files of a window. Returns when each has its name or was given up, or when
/// everything stops.
pub(super) fn run(restorer: &Restorer<'_>, jobs: &[Job]) {
    if jobs.is_empty() || restorer.is_stopped() {
        return;
    }
    let plan = Plan::of(jobs);
    let memory = restorer.browser.chunks.memory();
    let budget = Budget::of(memory.fetched());
    let run = Run {
        restorer,
        budget: &budget,
    };
    thread::scope(|scope| {
        let (to_fetch, packs) = bounded(FETCHERS);
        // Bounded by the budget: whoever sends has a share, or has nothing.
        let (to_write, work) = unbounded();
        for _ in 0..FETCHERS {
            let (packs, to_write) = (packs.clone(), to_write.clone());
            scope.spawn(move || run.fetch_all(&packs, &to_write));
        }
        for _ in 0..memory.openers() {
            let work = work.clone();
            scope.spawn(move || write_all(restorer, jobs, &work));
        }
        drop((packs, work));
        for job in jobs.iter().filter(|job| job.layout.spans.is_empty()) {
            let _ = to_write.send(Work::Empty(job));
        }
        drop(to_write);
        for pack in plan.packs() {
            if restorer.is_stopped() || to_fetch.send(pack).is_err() {
                break;
            }
        }
    });
}

impl<'r> Run<'r, '_> {
    fn fetch_all<'w>(self, packs: &Receiver<Vec<&'w [Want]>>, to_write: &Sender<Work<'w, 'r>>)
    where
        'r: 'w,
    {
        for frames in packs {
            match self.wanted(frames) {
                Ok(wanted) => self.fetch(&wanted, to_write),
                Err(error) => self.restorer.stop(error),
            }
        }
    }

    fn wanted<'w>(self, frames: Vec<&'w [Want]>) -> Result<Wanted<'w>> {
        let first = |wants: &[Want]| wants.first().map(|want| want.place);
        let place = frames.first().and_then(|wants| first(wants));
        let index = self.restorer.browser.chunks.index();
        let filed = index.filed(place.ok_or(Error::WorkerLost)?.pack)?;
        let mut placed = Vec::with_capacity(frames.len());
        for wants in frames {
            let place = first(wants).ok_or(Error::WorkerLost)?;
            placed.push((filed.frame(place.frame)?.range(), wants));
        }
        placed.sort_unstable_by_key(|(range, _)| range.start);
        Ok(Wanted {
            pack: filed.pack,
            frames: placed,
        })
    }

    /// The frames in one request if most of the pack is wanted, else in runs: those whose aligned
    /// ranges touch are one request.
    fn fetch<'w>(self, wanted: &Wanted<'w>, to_write: &Sender<Work<'w, 'r>>) {
        let bytes: u64 = wanted.frames.iter().map(|(range, _)| length(range)).sum();
        let length = wanted.pack.length;
        if bytes.saturating_mul(WHOLE_FROM) > length
            && let Some(read) = self.read(wanted, &(0..length))
        {
            return hand_over(&Some(read), &wanted.frames, to_write);
        }
        for (range, frames) in runs(&wanted.frames, length) {
            let read = self.read(wanted, &range);
            if self.restorer.is_stopped() {
                return;
            }
            hand_over(&read, frames, to_write);
        }
    }

    /// A range of a pack, as soon as there is room for it; `None` if it is damaged or everything
    /// stops. Each frame proves itself when it is opened.
    fn read(self, wanted: &Wanted<'_>, range: &Range<u64>) -> Option<Arc<Read<'r>>> {
        let pack = &wanted.pack;
        let whole = aligned(range, pack.length);
        let share = self.budget.take(length(&whole));
        if self.restorer.is_stopped() {
            return None;
        }
        let monitor = self.restorer.monitor;
        // No request is for more than a pack.
        let fetched = timed(monitor, Stage::Fetch, length(&whole) as usize, || {
            self.restorer.browser.chunks.part(pack, range)
        });
        match fetched {
            Ok(part) => {
                monitor.count(Figure::BytesFetched, part.len() as u64);
                Some(Arc::new(Read {
                    part,
                    _share: share,
                }))
            }
            Err(error) if is_damage(&error) => None,
            Err(error) => {
                self.restorer.stop(error);
                None
            }
        }
    }
}

/// Gives the working threads what was read, a handful of frames at a time.
fn hand_over<'w, 'b>(
    read: &Option<Arc<Read<'b>>>,
    frames: &[Placed<'w>],
    to_write: &Sender<Work<'w, 'b>>,
) {
    let mut handful = Vec::new();
    let mut bytes = 0;
    for (range, wants) in frames {
        handful.push((range.clone(), *wants));
        bytes += length(range);
        if bytes >= HANDFUL {
            bytes = 0;
            let _ = to_write.send(Work::Frames(read.clone(), std::mem::take(&mut handful)));
        }
    }
    if !handful.is_empty() {
        let _ = to_write.send(Work::Frames(read.clone(), handful));
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn write_all(restorer: &Restorer<'_>, jobs: &[Job], work: &Receiver<Work<'_, '_>>) {
    let mut nearby = Nearby::default();
    for work in work {
        // What is left is taken and dropped, so that nobody waits for its share of the memory.
        if restorer.is_stopped() {
            continue;
        }
        match work {
            Work::Frames(read, frames) => {
                for (range, wants) in frames {
                    let stored = read.as_ref().and_then(|read| read.part.slice(&range));
                    restorer.write_frame(jobs, (stored, wants), &mut nearby);
                }
            }
            Work::Empty(job) => restorer.write_empty(job, &mut nearby),
        }
    }
}
