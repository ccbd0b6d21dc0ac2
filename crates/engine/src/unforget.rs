//! Unforget: having back what was forgotten, until a prune has taken what it needs.
//!
//! A Forget stays in its log. So what it took out of the list is put there anew: as a Backup of the same tree, with the same
//! record, that says which one it was. It relies on packs like any other, and so it obeys the look rule: nothing is relied on that is
//! condemned, missing, or known from somebody whose word about chunks nobody checked.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ownkey_crypto::{ChunkId, ObjectHash};

use crate::backup::session::Session;
use crate::chunks::is_damage;
use crate::damage::{known_damage, packs_there};
use crate::error::{Error, Result};
use crate::forget::may_forget;
use crate::format::entry::{EntryRef, PackName};
use crate::format::layout;
use crate::format::node::{Extents, NodeKind, Stream};
use crate::index::Index;
use crate::list::{Step, Walk, join, key};
use crate::log::LogReader;
use crate::monitor::Monitor;
use crate::repository::{Repository, Snapshot};
use crate::tree::Browser;

/// Snapshots whose entries are read at once.
const AT_ONCE: usize = 64;

/// Snapshots that were forgotten and can be had back as far as their roots tell, oldest first.
///
/// # Errors
/// [`Error::NotAllowed`] where this identity may not read; those of the storage.
pub fn forgotten(repository: &Repository) -> Result<Vec<Snapshot>> {
    if !repository.may_read() {
        return Err(Error::NotAllowed("read"));
    }
    let index = Index::load(repository, &known_damage(repository)?)?;
    let mut found = BTreeMap::new();
    for snapshot in read_again(repository)? {
        if has_root(&index, &snapshot.record.root)? {
            // One that was had back and forgotten once more is the same one.
            found.entry(snapshot.first).or_insert(snapshot);
        }
    }
    for standing in repository.snapshots() {
        found.remove(&standing.first);
    }
    let mut found: Vec<Snapshot> = found.into_values().collect();
    found.sort_by_key(|snapshot| (snapshot.record.started, snapshot.first));
    Ok(found)
}

/// Has a snapshot back that was [`forgotten`]. Says what it is called now.
///
/// # Errors
/// [`Error::NotAllowed`] unless the identity that opened the repository may prune and read; [`Error::TooLate`] if something that
/// it needs cannot be relied on any more, and then it stays forgotten; [`Error::Cancelled`]; those of the storage.
pub fn run(
    repository: &mut Repository,
    snapshot: &Snapshot,
    monitor: &dyn Monitor,
) -> Result<ObjectHash> {
    may_forget(repository)?;
    if !repository.may_read() {
        return Err(Error::NotAllowed("read"));
    }
    let mut record = snapshot.record.clone();
    record.original = Some(snapshot.first);
    let mut session = Session::begin(repository, monitor)?;
    session.take_up(record)?;
    // Each time something relied on turns out to be condemned meanwhile, it is looked for elsewhere.
    loop {
        let browser = Browser::over(session.repository(), Arc::clone(session.index()));
        let mut homes = Homes {
            browser: &browser,
            there: packs_there(&session.repository().io)?,
            packs: HashSet::new(),
        };
        if let Some(path) = homes.first_missing(&snapshot.record.root, monitor)? {
            return Err(Error::TooLate {
                snapshot: snapshot.id,
                path,
            });
        }
        session.rely_on(homes.packs);
        if let Some(made) = session.confirm()? {
            return Ok(made.snapshot);
        }
    }
}

/// The records of what was forgotten, read from their entries again.
fn read_again(repository: &Repository) -> Result<Vec<Snapshot>> {
    let forgotten = repository.logs.forgotten(&repository.roster);
    let forgotten: Vec<EntryRef> = forgotten.into_iter().collect();
    let mut snapshots = Vec::new();
    for some in forgotten.chunks(AT_ONCE) {
        let names = some.iter().flat_map(|entry| {
            // Most Backups are confirmed by the entry behind them.
            let (device, seq) = (entry.device, entry.at.seq);
            [seq, seq.saturating_add(1)].map(|seq| layout::log_entry(&device, seq))
        });
        let io = repository.io.ahead(names, []);
        let reader = LogReader {
            io: &io,
            ..repository.log_reader()
        };
        for EntryRef { device, at } in some {
            let Some(member) = repository.roster.member(device) else {
                continue;
            };
            match reader.confirmed_backup(member, *at) {
                Ok(found) => snapshots.extend(
                    found.map(|found| repository.snapshot(*device, found.at, found.record)),
                ),
                Err(error) if is_damage(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(snapshots)
}

fn has_root(index: &Index, root: &Stream) -> Result<bool> {
    for id in &root.ids {
        if index.reliable_pack(id)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where everything is that a snapshot needs.
struct Homes<'b> {
    browser: &'b Browser,
    /// What the storage shows.
    there: HashSet<PackName>,
    packs: HashSet<PackName>,
}

impl Homes<'_> {
    /// The first path of which something cannot be relied on.
    fn first_missing(&mut self, root: &Stream, monitor: &dyn Monitor) -> Result<Option<PathBuf>> {
        let base = Path::new("/");
        let mut seen: BTreeSet<ObjectHash> = [key(root)].into();
        if !self.stream(root)? {
            return Ok(Some(base.to_owned()));
        }
        let mut walk = Walk::new(self.browser, root);
        while let Some(step) = walk.step() {
            if monitor.cancelled() {
                return Err(Error::Cancelled);
            }
            let is_there = match step {
                Step::Entry(node) => match &node.kind {
                    NodeKind::Directory { content } if !seen.insert(key(content)) => {
                        walk.skip();
                        true
                    }
                    NodeKind::Directory { content } => self.stream(content)?,
                    NodeKind::File {
                        content, extents, ..
                    } => match extents {
                        Some(Extents::Listed(list)) => {
                            self.stream(list)? && self.stream(content)?
                        }
                        _ => self.stream(content)?,
                    },
                    _ => true,
                },
                Step::Broken(error) if is_damage(&error) => false,
                Step::Broken(error) => return Err(error),
                Step::Leave => true,
            };
            if !is_there {
                return Ok(Some(join(base, walk.path())));
            }
        }
        Ok(None)
    }

    /// Whether every chunk of a stream, those of its lists among them, can be relied on.
    fn stream(&mut self, stream: &Stream) -> Result<bool> {
        let mut lists = Vec::new();
        let ids = match self
            .browser
            .ids_through(stream, &mut |list| lists.push(*list))
        {
            Err(error) if is_damage(&error) => return Ok(false),
            ids => ids?,
        };
        for id in lists.iter().chain(&ids) {
            if !self.chunk(id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn chunk(&mut self, id: &ChunkId) -> Result<bool> {
        let index = self.browser.chunks.index();
        let Some(number) = index.reliable_pack(id)? else {
            return Ok(false);
        };
        let pack = index.pack(number)?.name;
        self.packs.insert(pack);
        Ok(self.there.contains(&pack))
    }
}
