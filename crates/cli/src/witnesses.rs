//! The witnesses of this machine: compared whenever a repository is opened, and told what is new there.
//!
//! Promise: a witness that does not answer costs a few seconds and a note, never the run.

use std::sync::Arc;
use std::time::Duration;

use ownkey_engine::Error;
use ownkey_engine::repository::{Lies, Repository};
use ownkey_engine::witness::{self, Witness};
use ownkey_storage::Storage;

use crate::context::{Context, EngineRoom};
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose};
use crate::ui::progress::{Progress, Work};

/// How long a run waits for one witness.
const PATIENCE: Duration = Duration::from_secs(4);

/// Compares the repository with every witness of this machine, and tells them what they lack.
pub(crate) fn meet(cx: &Context, repository: &mut Repository, lies: Lies) -> Result<(), Failure> {
    if repository.earlier().is_some() {
        return Ok(());
    }
    for place in witness::places(repository)? {
        let met = met(cx, repository, &place);
        cx.interrupt.check()?;
        let met = match (met, lies) {
            (Err(Error::Lie(lie)), Lies::AreDoubts) => {
                repository.doubt(lie);
                Ok(())
            }
            (met, _) => met?,
        };
        if let Err(why) = met {
            cx.ui.note(&format!(
                "the witness at {place} was not asked, and what the storage shows is not compared with it: {}",
                why.message
            ));
        }
    }
    Ok(())
}

/// The outer error is the repository's, the inner one the witness's.
fn met(
    cx: &Context,
    repository: &mut Repository,
    place: &str,
) -> Result<Result<(), Failure>, Error> {
    let hurried = cx.within(PATIENCE);
    let opened = cx.read_place(place.as_ref(), None);
    let (room, storage) = match opened.and_then(|place| open(&hurried, &place, Purpose::Use)) {
        Ok(opened) => opened,
        Err(why) => return Ok(Err(why)),
    };
    let compared = compare(cx, repository, (&room, &storage));
    match compared.and_then(|(mut witness, _)| witness.tell(repository)) {
        Err(Error::Lie(lie)) => Err(Error::Lie(lie)),
        Err(why) => Ok(Err(why.into())),
        Ok(_) => Ok(Ok(())),
    }
}

/// Compares the repository with the witness in a storage: how many entries are in both.
pub(crate) fn compare(
    cx: &Context,
    repository: &mut Repository,
    (room, storage): (&EngineRoom, &Arc<dyn Storage>),
) -> Result<(Witness, usize), Error> {
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let mut witness = Witness::ask(&room.environment, storage, &repository.id())?;
    let shown = witness.compare(repository, &monitor)?;
    monitor.finish();
    Ok((witness, shown))
}

/// Opens the storage of a witness.
pub(crate) fn open(
    cx: &Context,
    place: &RepositoryUrl,
    purpose: Purpose,
) -> Result<(EngineRoom, Arc<dyn Storage>), Failure> {
    let room = cx.engine()?;
    let storage = opening::open(cx, &room, place, purpose)?;
    Ok((room, storage))
}
