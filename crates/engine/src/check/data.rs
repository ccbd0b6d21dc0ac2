//! Opening packs: every chunk is decrypted, decompressed and hashed.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::bounded;
use ownkey_crypto::{PackKind, object_hash};

use super::{Check, ReadData};
use crate::chunks::is_damage;
use crate::error::Result;
use crate::format::entry::PackName;
use crate::index::{PackEntry, Place};
use crate::lock::lock;
use crate::monitor::{Figure, Monitor, Stage, timed};
use crate::tree::Browser;

impl Check<'_> {
    /// Reads the chosen packs.
    pub(super) fn data(&mut self, read: ReadData) -> Result<()> {
        // What an earlier check found damaged is looked at whatever is asked for, or this one would call it sound.
        let again = self.readable()?;
        let is_remembered = |pack: &PackEntry| self.remembered.contains(&pack.name);
        let again: Vec<_> = again.into_iter().filter(is_remembered).collect();
        // What has a wrong length is damaged already; which chunks of it are left is the question.
        let cut = self.packs(|pack| {
            self.report.damaged_packs.contains(&pack.name) && !self.unusable.contains(&pack.name)
        })?;
        self.open_packs(&again)?;
        for pack in cut {
            self.go_on()?;
            self.bad_frames.extend(bad_frames(self.browser, &pack)?);
        }
        let chosen = self.choose(read)?;
        self.open_packs(&chosen)
    }

    /// Reads all packs of directories, to find which one broke a tree.
    pub(super) fn meta_packs(&mut self) -> Result<()> {
        let mut meta = self.readable()?;
        meta.retain(|pack| pack.name.kind == PackKind::Meta);
        self.open_packs(&meta)
    }

    /// Packs that may be opened and were not yet.
    fn readable(&self) -> Result<Vec<PackEntry>> {
        self.packs(|pack| {
            !self.unusable.contains(&pack.name)
                && !self.whole.contains(&pack.name)
                && !self.report.damaged_packs.contains(&pack.name)
        })
    }

    fn packs(&self, is_wanted: impl Fn(&PackEntry) -> bool) -> Result<Vec<PackEntry>> {
        let mut packs = Vec::new();
        self.browser.chunks.index().each_pack(|pack| {
            if is_wanted(&pack) {
                packs.push(pack);
            }
            Ok(())
        })?;
        Ok(packs)
    }

    fn choose(&self, read: ReadData) -> Result<Vec<PackEntry>> {
        let packs = self.readable()?;
        Ok(match read {
            ReadData::No => Vec::new(),
            ReadData::All => packs,
            ReadData::Part { n, of } => packs
                .into_iter()
                .filter(|pack| part(&pack.name, of) == n)
                .collect(),
            ReadData::Percent(percent) => {
                let packs = self.shuffle(packs)?;
                let count = (packs.len() as f64 * percent.clamp(0.0, 100.0) / 100.0).ceil();
                // At least one where any was asked for: nothing read would prove nothing.
                packs.into_iter().take(count as usize).collect()
            }
            ReadData::Bytes(bytes) => {
                let mut left = bytes;
                let packs = self.shuffle(packs)?.into_iter();
                packs
                    .take_while(|pack| {
                        let wanted = left > 0;
                        left = left.saturating_sub(pack.length);
                        wanted
                    })
                    .collect()
            }
        })
    }

    /// Another order in every run, so that parts of many runs cover everything sooner or later.
    fn shuffle(&self, mut packs: Vec<PackEntry>) -> Result<Vec<PackEntry>> {
        let mut seed = [0; 32];
        self.repository.environment.random.fill(&mut seed)?;
        packs.sort_by_cached_key(|pack| object_hash(&[seed, *pack.name.hash.as_bytes()].concat()));
        Ok(packs)
    }

    /// Opens packs on all cores; each holds one whole pack in memory.
    fn open_packs(&mut self, packs: &[PackEntry]) -> Result<()> {
        let openers = self.browser.chunks.memory().openers();
        let results = Mutex::new(Vec::new());
        let fatal = Mutex::new(None);
        let (browser, monitor) = (self.browser, self.monitor);
        thread::scope(|scope| {
            let (send, receive) = bounded::<PackEntry>(openers);
            for _ in 0..openers {
                let (receive, results, fatal) = (receive.clone(), &results, &fatal);
                scope.spawn(move || {
                    for pack in receive {
                        match open_pack(browser, &pack, monitor) {
                            Ok(opened) => lock(results).push((pack, opened)),
                            Err(error) => drop(lock(fatal).get_or_insert(error)),
                        }
                    }
                });
            }
            drop(receive);
            for pack in packs {
                let stop = monitor.cancelled() || lock(&fatal).is_some();
                if stop || send.send(*pack).is_err() {
                    break;
                }
            }
        });
        if let Some(error) = fatal.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        self.go_on()?;
        for (pack, opened) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.report.packs_read += 1;
            self.report.bytes_read += pack.length;
            match opened {
                PackState::Whole => {
                    self.whole.insert(pack.name);
                }
                PackState::Damaged(frames) => {
                    let how = match frames.is_empty() {
                        true => "is damaged, and everything in it can still be read",
                        false => "is damaged",
                    };
                    self.bad_frames.extend(frames);
                    self.damaged_pack(pack.name, how);
                }
            }
        }
        Ok(())
    }
}

/// What opening a pack showed.
enum PackState {
    Whole,
    /// These frames, as pack and number, are lost; the others can still be read.
    Damaged(Vec<(u32, u32)>),
}

fn open_pack(browser: &Browser, pack: &PackEntry, monitor: &dyn Monitor) -> Result<PackState> {
    // No pack is longer than an object may be.
    let fetched = timed(monitor, Stage::Fetch, pack.length as usize, || {
        browser.chunks.whole(pack)
    });
    let opened = fetched.and_then(|bytes| {
        monitor.count(Figure::BytesFetched, bytes.len() as u64);
        timed(monitor, Stage::Open, bytes.len(), || {
            browser.chunks.verify_whole(pack, &bytes)
        })
    });
    monitor.count(Figure::ObjectsChecked, 1);
    match opened {
        Ok(()) => Ok(PackState::Whole),
        Err(error) if is_damage(&error) => bad_frames(browser, pack).map(PackState::Damaged),
        Err(error) => Err(error),
    }
}

/// The frames of a damaged pack that a restore could not read either.
fn bad_frames(browser: &Browser, pack: &PackEntry) -> Result<Vec<(u32, u32)>> {
    let filed = browser.chunks.index().filed(pack.number)?;
    let number = pack.number;
    let mut bad = Vec::new();
    for (frame, _) in (0u32..).zip(filed.directory.frames()) {
        match browser.chunks.frame(Place {
            pack: number,
            frame,
            nth: 0,
        }) {
            Ok(_) => {}
            Err(error) if is_damage(&error) => bad.push((number, frame)),
            Err(error) => return Err(error),
        }
    }
    Ok(bad)
}

/// Which of `of` parts a pack is in, from 1.
fn part(pack: &PackName, of: u32) -> u32 {
    let [a, b, c, d, ..] = *pack.hash.as_bytes();
    u32::from_le_bytes([a, b, c, d]) % of.max(1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use ownkey_crypto::ObjectHash;

    #[test]
    fn every_pack_is_in_exactly_one_part() {
        let mut found = [0; 4];
        for byte in 0..=255 {
            let pack = PackName {
                kind: PackKind::Data,
                hash: ObjectHash::from_bytes([byte; 32]),
            };
            found[part(&pack, 3) as usize] += 1;
            assert_eq!(part(&pack, 1), 1);
        }
        assert_eq!(found[0], 0);
        assert!(found[1..].iter().all(|count| *count > 50), "{found:?}");
    }
}
