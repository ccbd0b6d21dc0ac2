//! Repair: what is damaged is made good from what is left.
//!
//! Nothing is ever deleted, and nothing that can be restored before a repair cannot be restored after it: what is good is
//! stored again beside what is damaged, and the index learns where. New places of chunks are said by a `Repack` under the
//! look rule (docs/adr/0007-look-rule.md), and what is damaged is condemned, so that no other machine relies on it. Each repair can be interrupted and run again, in any order with the others.

mod index;
mod packs;
mod salvage;
mod snapshots;

use std::collections::BTreeSet;
use std::sync::Arc;

use ownkey_crypto::Capabilities;

use crate::backup::session::Session;
use crate::error::{Error, Result};
use crate::format::entry::{Event, Listed};
use crate::keyring::Keyring;
use crate::monitor::Monitor;
use crate::repository::Repository;

pub use index::{IndexReport, index};
pub use packs::{PacksReport, packs};
pub use salvage::Salvaged;
pub use snapshots::{Repaired, RepairedFrom, SnapshotsReport, snapshots};

/// What became of the new places of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Named {
    /// Whatever there was to say is said.
    #[default]
    Told,
    /// It is said, but a prune has condemned some of the packs meanwhile: they may go.
    Condemned,
}

/// A repair that stores something: nobody else on this machine writes meanwhile.
struct Run<'r> {
    session: Session<'r>,
    keys: Arc<Keyring>,
    monitor: &'r dyn Monitor,
}

impl<'r> Run<'r> {
    fn begin(repository: &'r mut Repository, monitor: &'r dyn Monitor) -> Result<Self> {
        let keys = Arc::clone(&repository.keys);
        let session = Session::begin(repository, monitor)?;
        Ok(Self {
            session,
            keys,
            monitor,
        })
    }

    fn go_on(&self) -> Result<()> {
        match self.monitor.cancelled() {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    /// Says where chunks are now, if there is anything to say, and then that nobody shall rely on what is damaged. That
    /// is a Condemn, and no delete follows it: a prune decides some day what of it is of no use to anybody.
    fn tell(mut self, damaged: Listed) -> Result<Named> {
        if self.session.has_unnamed() && self.session.repack()?.is_none() {
            return Ok(Named::Condemned);
        }
        let condemned = self.session.repository().logs.condemned();
        let news = Listed {
            packs: without(damaged.packs, &condemned.packs),
            segments: without(damaged.segments, &condemned.segments),
        };
        let is_nothing = news.packs.is_empty() && news.segments.is_empty();
        if is_nothing || !self.keys.capabilities.contain(Capabilities::PRUNE) {
            return Ok(Named::Told);
        }
        self.session.say_and_look(Event::Condemn(news))?;
        Ok(Named::Told)
    }
}

fn without<T: Ord>(mut all: Vec<T>, known: &BTreeSet<T>) -> Vec<T> {
    all.retain(|one| !known.contains(one));
    all
}

/// Refuses who cannot repair: packs are opened and entries are written.
fn may_repair(repository: &Repository) -> Result<()> {
    match repository.may_read() {
        true => repository.must_be_writable(),
        false => Err(Error::NotAllowed("read, and so not repair")),
    }
}
