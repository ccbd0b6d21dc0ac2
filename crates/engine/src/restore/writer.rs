//! Files of a window: chunks go in, a whole file comes out under its name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ownkey_crypto::ChunkType;

use super::layout::Layout;
use super::plan::Want;
use super::trail::Trail;
use super::window::{Job, JobState, Source, full};
use super::{Restorer, Verify};
use crate::chunks::{Frame, is_damage};
use crate::error::Error;
use crate::format::name::Name;
use crate::format::node::Metadata;
use crate::lock::lock;
use crate::monitor::{Figure, Stage, timed};
use crate::source::LATE_FLAGS;
use crate::target::{PendingFile, Restored, TargetDir, TargetError};

/// Why a file was given up.
pub(super) enum Failure {
    /// Its content cannot be had.
    Content(Error),
    /// The target refused.
    Target(TargetError),
    /// What was written is not what is read back.
    NotAsWritten,
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// Space for larger files is asked for at once, so that a full target is known early.
const PREALLOCATE_FROM: u64 = 1 << 20;

/// The directory a working thread wrote into last, where its next file will be most of the time.
#[derive(Default)]
pub(super) struct Nearby(Option<(Trail, TargetDir)>);

impl Nearby {
    fn dir(&mut self, restorer: &Restorer<'_>, path: &Trail) -> Result<&TargetDir, TargetError> {
        let known = self.0.take().filter(|(last, _)| last.is(path));
        let known = match known {
            Some(known) => known,
            None => (path.clone(), restorer.dir(path)?),
        };
        Ok(&self.0.insert(known).1)
    }
}

impl Restorer<'_> {
    /// Writes the chunks of one frame into all files that want them. `stored` is the frame with
    /// its tag, if it could be fetched.
    pub(super) fn write_frame(
        &self,
        jobs: &[Job],
        (stored, wants): (Option<&[u8]>, &[Want]),
        nearby: &mut Nearby,
    ) {
        let Some(place) = wants.first().map(|want| want.place) else {
            return;
        };
        let chunks = &self.browser.chunks;
        let open = |stored: &[u8]| {
            let decode = || chunks.decode_fetched(place, stored);
            timed(self.monitor, Stage::Open, stored.len(), decode)
        };
        let frame = match stored.map(open) {
            Some(Ok(frame)) => Some(frame),
            Some(Err(error)) if !is_damage(&error) => return self.stop(error),
            None | Some(Err(_)) => {
                match chunks.index().pack(place.pack) {
                    Ok(pack) => drop(lock(&self.damaged_packs).insert(pack.name)),
                    Err(error) if is_damage(&error) => {}
                    Err(error) => return self.stop(error),
                }
                None
            }
        };
        for wants in wants.chunk_by(|a, b| a.job == b.job) {
            let Some(job) = wants.first().and_then(|want| jobs.get(want.job as usize)) else {
                continue;
            };
            let written = timed(self.monitor, Stage::Write, 0, || {
                self.write_wants(job, (wants, frame.as_ref()), nearby)
            });
            if let Err(failure) = written {
                self.give_up(job, failure);
            }
        }
    }

    /// A file with nothing in it but perhaps holes.
    pub(super) fn write_empty(&self, job: &Job, nearby: &mut Nearby) {
        // The handle is given back before the commit wants to be its only holder.
        let written = self
            .open(job, nearby)
            .map(drop)
            .and_then(|()| self.commit(job));
        if let Err(failure) = written {
            self.give_up(job, failure);
        }
    }

    fn write_wants(
        &self,
        job: &Job,
        (wants, frame): (&[Want], Option<&Frame>),
        nearby: &mut Nearby,
    ) -> Result<(), Failure> {
        let Some(pending) = self.open(job, nearby)? else {
            return Ok(());
        };
        for want in wants {
            let Some(span) = job.layout.spans.get(want.span as usize) else {
                continue;
            };
            let length = span.length as usize;
            let write = |data: &[u8]| {
                // Another place of the same id may claim another length.
                if data.len() != length {
                    let what = "a chunk of another length than listed".to_owned();
                    return Err(Failure::Content(Error::Damage { what }));
                }
                for (offset, part) in job.layout.pieces(span) {
                    pending.write_at(offset, data.get(part).unwrap_or_default())?;
                }
                Ok(())
            };
            match frame.and_then(|frame| frame.get(want.place.nth as usize)) {
                Some(chunk) => write(chunk.as_bytes())?,
                // Perhaps it is stored elsewhere too.
                None => {
                    let chunk = self
                        .browser
                        .chunk(&span.id, ChunkType::Content)
                        .map_err(Failure::Content)?;
                    write(chunk.opened().map_err(Failure::Content)?.as_bytes())?;
                }
            }
            if job.layout.spans.len() > 1 {
                self.write_back.wrote(u64::from(span.length));
            }
            self.monitor
                .count(Figure::BytesRestored, u64::from(span.length));
        }
        // Given back before the count goes down: who takes it to zero holds the only one left.
        drop(pending);
        if job.frames_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.commit(job)?;
        }
        Ok(())
    }

    /// The file under its partial name; `None` if it was given up.
    fn open(&self, job: &Job, nearby: &mut Nearby) -> Result<Option<Arc<PendingFile>>, Failure> {
        let mut state = lock(&job.state);
        match &*state {
            JobState::Ended => Ok(None),
            JobState::Open(pending) => Ok(Some(Arc::clone(pending))),
            JobState::Waiting => {
                let pending = nearby
                    .dir(self, &job.dir)?
                    .create_file(self.tree()?.partials(), &job.metadata)?;
                let Layout { size, .. } = job.layout;
                if job.layout.has_holes() {
                    pending.set_size(size)?;
                } else if size >= PREALLOCATE_FROM {
                    pending.preallocate(size)?;
                }
                let pending = Arc::new(pending);
                *state = JobState::Open(Arc::clone(&pending));
                Ok(Some(pending))
            }
        }
    }

    /// Gives a file that is whole its metadata and its name.
    fn commit(&self, job: &Job) -> Result<(), Failure> {
        let JobState::Open(pending) = std::mem::replace(&mut *lock(&job.state), JobState::Ended)
        else {
            return Ok(());
        };
        let Some(pending) = Arc::into_inner(pending) else {
            return Err(Failure::Content(Error::WorkerLost));
        };
        if self.options.verify == Verify::ReadBack
            && !self.content_is(&job.layout, |offset, buffer| {
                pending.read_at(offset, buffer)
            })?
        {
            return Err(Failure::NotAsWritten);
        }
        let replace = self.options.overwrite.replace();
        let restored = pending.commit(&job.name, &job.metadata, &self.applier, replace)?;
        self.tally.add(&self.tally.files, 1);
        self.tally.add(&self.tally.bytes, job.layout.data());
        self.monitor.count(Figure::FilesRestored, 1);
        self.restored(&job.dir, &job.name, &job.metadata, restored);
        Ok(())
    }

    /// Remembers what is still to be done about something that has its name now.
    pub(super) fn restored(
        &self,
        dir: &Trail,
        name: &Name,
        metadata: &Metadata,
        restored: Restored,
    ) {
        let Restored { id, problems } = restored;
        if !problems.is_empty() {
            self.metadata_problems(&full(dir, name), problems);
        }
        let source = Source {
            dir: dir.clone(),
            name: name.clone(),
            id,
        };
        if metadata.flags.unwrap_or(0) & LATE_FLAGS != 0 {
            lock(&self.late).push((source.clone(), metadata.clone()));
        }
        if let Some(group) = metadata.link_group {
            lock(&self.sources).entry(group).or_insert(source);
        }
    }

    /// Whether a file holds exactly the chunks of `layout`, by their ids.
    pub(super) fn content_is(
        &self,
        layout: &Layout,
        read: impl Fn(u64, &mut [u8]) -> Result<usize, TargetError>,
    ) -> Result<bool, TargetError> {
        let mut chunk = Vec::new();
        for span in &layout.spans {
            chunk.resize(span.length as usize, 0);
            for (offset, part) in layout.pieces(span) {
                let Some(buffer) = chunk.get_mut(part) else {
                    return Ok(false);
                };
                if !read_exactly(&read, offset, buffer)? {
                    return Ok(false);
                }
            }
            if self
                .names
                .verify_chunk(ChunkType::Content, &span.id, &chunk)
                .is_err()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells why a file is not there, once, and removes what there is of it.
    fn give_up(&self, job: &Job, failure: Failure) {
        *lock(&job.state) = JobState::Ended;
        // Several of its frames may fail at the same moment.
        if job.given_up.swap(true, Ordering::Relaxed) {
            return;
        }
        let path = job.path();
        match failure {
            Failure::Content(error) if is_damage(&error) => self.damaged(&path, &error),
            Failure::Content(error) => self.stop(error),
            Failure::Target(error) => self.target_failed(&path, error),
            Failure::NotAsWritten => {
                self.problem(
                    &path,
                    "what was written is not what is read back: the target is failing".to_owned(),
                );
            }
        }
    }
}

fn read_exactly(
    read: &impl Fn(u64, &mut [u8]) -> Result<usize, TargetError>,
    mut offset: u64,
    mut buffer: &mut [u8],
) -> Result<bool, TargetError> {
    while !buffer.is_empty() {
        let count = read(offset, buffer)?;
        if count == 0 {
            return Ok(false);
        }
        offset += count as u64;
        buffer = buffer.get_mut(count..).unwrap_or_default();
    }
    Ok(true)
}
