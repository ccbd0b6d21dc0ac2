//! Trying out what a storage allows, and remembering it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use ownkey_storage::probe::{self, Opener, Report, Surroundings};
use ownkey_storage::{
    CreateIfAbsent, LocalStorage, RetentionSupport, Storage, StorageError, VersionSupport,
};

use super::service::{NewFolder, Way};
use crate::clock;
use crate::context::{Context, EngineRoom};
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::remembered::{FACTS_VERSION, Facts, Memory};

/// Tries out the storage of a place, and remembers what it found if it can be used at all.
pub(crate) fn probe(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
    folder: NewFolder,
) -> Result<Report, Failure> {
    let mut random = [0; 16];
    room.environment.random.fill(&mut random).map_err(|error| {
        Failure::other("the system gives no randomness; nothing was tried").caused_by(&error)
    })?;
    let surroundings = Surroundings {
        now: &SystemTime::now,
        random: u128::from_be_bytes(random),
    };
    let report = room.until_interrupted(&cx.interrupt, async {
        let tried = match place {
            RepositoryUrl::Folder(path) => probe::probe(&Folder(path.clone()), &surroundings).await,
            _ => {
                let way = Way::to(cx, place, None, folder)?
                    .unlocked()
                    .known_by_its_word()
                    .await;
                match way {
                    Ok(way) => probe::probe(&way, &surroundings).await,
                    Err(error) => Err(error),
                }
            }
        };
        tried.map_err(Failure::from)
    })?;
    if let Ok(found) = report.facts() {
        remember(cx, &room.environment.state, place, &found);
    }
    Ok(report)
}

fn remember(cx: &Context, state: &Path, place: &RepositoryUrl, found: &probe::Facts) {
    let facts = Facts {
        version: FACTS_VERSION,
        probed: clock::now(),
        exclusive_creation: found.create_if_absent == CreateIfAbsent::Atomic,
        fresh_reads: found.fresh_reads,
        versions: found.versions == VersionSupport::Kept,
        locks: found.retention == RetentionSupport::Kept,
    };
    if let Err(error) = Memory::of(state, place).store_facts(&facts) {
        cx.ui.note(&format!(
            "what the storage allows could not be remembered, and will be tried out again: {error}"
        ));
    }
}

/// A folder has one way to create, whatever is asked for.
struct Folder(PathBuf);

#[async_trait]
impl Opener for Folder {
    async fn open(&self, _: CreateIfAbsent) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(LocalStorage::open(&self.0).await?))
    }
}
