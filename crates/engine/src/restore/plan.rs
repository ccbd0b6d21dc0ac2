//! What a window wants, in the order of packs.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::window::Job;
use crate::index::Place;

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
pub(super) struct Plan {
    wants: Vec<Want>,
    /// The wants of each frame.
    frames: Vec<Range<usize>>,
    /// The frames of each pack.
    packs: Vec<Range<usize>>,
}

impl Plan {
    /// The plan of these jobs, each told how many frames it waits for.
    pub(super) fn of(jobs: &[Job]) -> Self {
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

    /// The wants of every pack, frame by frame; none of them is empty.
    pub(super) fn packs(&self) -> impl Iterator<Item = Vec<&[Want]>> {
        let wants = |frame: &Range<usize>| self.wants.get(frame.clone()).unwrap_or_default();
        self.packs.iter().map(move |pack| {
            let frames = self.frames.get(pack.clone()).unwrap_or_default();
            frames.iter().map(wants).collect()
        })
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
