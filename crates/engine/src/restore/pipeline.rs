//! A window's files, pack by pack: fetch, decode, write.
//!
//! Fetching threads wait for the storage, working threads for the processor; a bounded channel
//! between them holds back whoever is faster.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::thread;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use ownkey_crypto::FrameEntry;

use super::Restorer;
use super::window::Job;
use crate::chunks::{aligned, is_damage};
use crate::error::Result;
use crate::index::{PackEntry, Place};
use crate::lock::lock;
use crate::monitor::Figure;

/// Packs fetched at once: enough to hide a round trip behind the one before.
const FETCHERS: usize = 4;
/// A pack is fetched whole if more than this part of it is wanted, as one in so many.
const WHOLE_FROM: u64 = 4;
/// Ranges that touch are fetched together up to this many bytes.
const RUN: u64 = 8 << 20;

/// A chunk that a job wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Want {
    pub(super) place: Place,
    /// Which job of the window.
    pub(super) job: u32,
    /// Which chunk of its file.
    pub(super) span: u32,
}

/// All wants of one window, ordered so that those of a pack, and in it of a frame, are together.
struct Plan {
    wants: Vec<Want>,
    /// The wants of each frame.
    frames: Vec<Range<usize>>,
    /// The frames of each pack.
    packs: Vec<Range<usize>>,
}

/// What a working thread gets.
enum Work<'w> {
    /// A stored frame and who wants its chunks; no bytes if they could not be fetched.
    Frame(Option<Bytes>, &'w [Want]),
    /// Files without any chunk.
    Empty(&'w [Job]),
}

/// Writes all files of a window. Returns when each has its name or was given up.
pub(super) fn run(restorer: &Restorer<'_>, jobs: &[Job]) -> Result<()> {
    if jobs.is_empty() {
        return restorer.stopped();
    }
    let plan = Plan::of(jobs);
    let cores = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    thread::scope(|scope| {
        let (to_fetch, packs) = bounded::<&[Range<usize>]>(FETCHERS);
        let (to_write, work) = bounded(cores);
        for _ in 0..FETCHERS {
            let (packs, to_write, plan) = (packs.clone(), to_write.clone(), &plan);
            scope.spawn(move || fetch_packs(restorer, plan, &packs, &to_write));
        }
        for _ in 0..cores {
            let work = work.clone();
            scope.spawn(move || write_all(restorer, jobs, &work));
        }
        drop((packs, work));
        for empty in jobs.chunks(64) {
            let _ = to_write.send(Work::Empty(empty));
        }
        drop(to_write);
        for frames in &plan.packs {
            if restorer.is_stopped()
                || to_fetch
                    .send(plan.frames.get(frames.clone()).unwrap_or_default())
                    .is_err()
            {
                break;
            }
        }
    });
    restorer.stopped()
}

impl Plan {
    fn of(jobs: &[Job]) -> Self {
        let mut wants = Vec::new();
        for (number, job) in (0u32..).zip(jobs) {
            let spans = (0u32..).zip(&job.layout.spans);
            wants.extend(spans.map(|(span, chunk)| Want {
                place: chunk.place,
                job: number,
                span,
            }));
        }
        // By job within a frame: small files of a directory are written in its order.
        wants.sort_unstable_by_key(|want| (want.place.pack, want.place.frame, want.job, want.span));
        let frames = runs(&wants, |a, b| {
            (a.place.pack, a.place.frame) == (b.place.pack, b.place.frame)
        });
        for frame in &frames {
            let mut last = None;
            for want in wants.get(frame.clone()).unwrap_or_default() {
                if last != Some(want.job)
                    && let Some(job) = jobs.get(want.job as usize)
                {
                    job.frames_left.fetch_add(1, Ordering::Relaxed);
                }
                last = Some(want.job);
            }
        }
        let pack_of = |frame: &Range<usize>| wants.get(frame.start).map(|want| want.place.pack);
        let packs = runs(&frames, |a, b| pack_of(a) == pack_of(b));
        Self {
            wants,
            frames,
            packs,
        }
    }
}

/// Ranges of equal neighbours.
fn runs<T>(items: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<Range<usize>> {
    let mut start = 0;
    let lengths = items.chunk_by(same).map(<[T]>::len);
    lengths
        .map(|length| {
            let run = start..start + length;
            start = run.end;
            run
        })
        .collect()
}

fn fetch_packs<'w>(
    restorer: &Restorer<'_>,
    plan: &'w Plan,
    packs: &Receiver<&[Range<usize>]>,
    to_write: &Sender<Work<'w>>,
) {
    for frames in packs {
        if restorer.is_stopped() {
            continue;
        }
        let mut frames: Vec<&'w [Want]> = frames
            .iter()
            .map(|frame| plan.wants.get(frame.clone()).unwrap_or_default())
            .collect();
        let Some(place) = frames
            .first()
            .and_then(|wants| wants.first())
            .map(|want| want.place)
        else {
            continue;
        };
        let filed = match restorer.browser.chunks.index().filed(place.pack) {
            Ok(filed) => filed,
            Err(error) => {
                restorer.stop(error);
                continue;
            }
        };
        let pack = &filed.pack;
        let range = |wants: &[Want]| {
            let want = wants.first();
            let frame = want.and_then(|want| filed.frame(want.place.frame).ok());
            frame.map_or(0..0, FrameEntry::range)
        };
        frames.sort_unstable_by_key(|wants| range(wants).start);
        let wanted: u64 = frames
            .iter()
            .map(|wants| range(wants).end - range(wants).start)
            .sum();
        let whole = wanted.saturating_mul(WHOLE_FROM) > pack.length;
        if whole && let Some(bytes) = fetch_whole(restorer, pack) {
            for wants in frames {
                let _ = to_write.send(Work::Frame(slice(&bytes, 0, &range(wants)), wants));
            }
            continue;
        }
        fetch_ranges(restorer, pack, &frames, &range, to_write);
    }
}

/// The whole pack; `None` if it is damaged somewhere, perhaps not where it is wanted.
fn fetch_whole(restorer: &Restorer<'_>, pack: &PackEntry) -> Option<Bytes> {
    let chunks = &restorer.browser.chunks;
    let fetched = chunks
        .whole(pack)
        .and_then(|bytes| chunks.learn(pack, &bytes).map(|()| bytes));
    match fetched {
        Ok(bytes) => {
            restorer
                .monitor
                .count(Figure::BytesFetched, bytes.len() as u64);
            Some(bytes)
        }
        Err(error) if is_damage(&error) => {
            lock(&restorer.damaged_packs).insert(pack.name);
            None
        }
        Err(error) => {
            restorer.stop(error);
            None
        }
    }
}

/// The frames in runs: those whose aligned ranges touch are one request.
fn fetch_ranges<'w>(
    restorer: &Restorer<'_>,
    pack: &PackEntry,
    frames: &[&'w [Want]],
    range: &dyn Fn(&[Want]) -> Range<u64>,
    to_write: &Sender<Work<'w>>,
) {
    let mut rest = frames;
    while let Some(first) = rest.first() {
        let mut run = range(first);
        let mut count = 1;
        while let Some(next) = rest.get(count) {
            let next = range(next);
            let touches = aligned(&next, pack.length).start <= aligned(&run, pack.length).end;
            if !touches || next.end - run.start > RUN {
                break;
            }
            run.end = run.end.max(next.end);
            count += 1;
        }
        let (now, later) = rest.split_at(count);
        rest = later;
        if restorer.is_stopped() {
            return;
        }
        let fetched = match restorer.browser.chunks.aligned(pack, &run) {
            Ok((start, bytes)) => {
                restorer
                    .monitor
                    .count(Figure::BytesFetched, bytes.len() as u64);
                Some((start, bytes))
            }
            Err(error) if is_damage(&error) => None,
            Err(error) => return restorer.stop(error),
        };
        for wants in now {
            let stored = fetched
                .as_ref()
                .and_then(|(start, bytes)| slice(bytes, *start, &range(wants)));
            let _ = to_write.send(Work::Frame(stored, wants));
        }
    }
}

fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

fn write_all(restorer: &Restorer<'_>, jobs: &[Job], work: &Receiver<Work<'_>>) {
    for work in work {
        // What is left is taken and dropped, so that nobody waits for room in the channel.
        if restorer.is_stopped() {
            continue;
        }
        match work {
            Work::Frame(stored, wants) => restorer.write_frame(jobs, stored, wants),
            Work::Empty(jobs) => {
                let empty = jobs.iter().filter(|job| job.layout.spans.is_empty());
                empty.for_each(|job| restorer.write_empty(job));
            }
        }
    }
}
