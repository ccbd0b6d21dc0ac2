//! From a place to a storage: the service, and around it what every service needs.
//!
//! Inside out: the service, counted, slowed down, tried again, cached. A folder of this machine is
//! none of a network's business: it is slowed down if somebody asks, and no more.

mod probing;
mod proxy;
mod service;
mod trial;
mod waits;
mod web;

use std::path::Path;
use std::sync::Arc;

use ownkey_engine::format::layout::Object;
use ownkey_engine::keys::object_hash;
use ownkey_storage::{
    Cache, CachePolicy, Count, LocalStorage, ReadAfterWrite, Requests, Retry, RetryPolicy, Storage,
    StorageError, StorageErrorKind,
};

use crate::context::{Context, EngineRoom};
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::remembered::Memory;
use service::Way;
use waits::Waits;

pub(crate) use probing::probe;
pub(crate) use service::NewFolder;
pub(crate) use trial::{must_be_usable, note_left_behind, word};

/// What the storage is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To use what is there.
    Use,
    /// To add to it: what the storage allows should be known.
    Write,
    /// To delete from it: reads must be known to be as fresh as writes.
    Prune,
    /// To see what is there, and not what a cache remembers of it.
    Examine,
    /// To read what it was, by the versions that it keeps.
    LookBack,
    /// To make a repository.
    Make,
}

/// Opens the storage of a place.
pub(crate) fn open(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
    purpose: Purpose,
) -> Result<Arc<dyn Storage>, Failure> {
    match place {
        RepositoryUrl::Folder(folder) => {
            let opened = open_folder(cx, room, folder, purpose)?;
            let reads = opened.capabilities().read_after_write;
            if purpose == Purpose::Prune && reads == ReadAfterWrite::Unknown {
                must_read_freshly(cx, room, place)?;
            }
            Ok(opened)
        }
        _ => open_service(cx, room, place, purpose),
    }
}

fn open_folder(
    cx: &Context,
    room: &EngineRoom,
    folder: &Path,
    purpose: Purpose,
) -> Result<Arc<dyn Storage>, Failure> {
    let opened = room.until_interrupted(&cx.interrupt, async {
        let opened = match purpose {
            Purpose::Make => LocalStorage::create_root(folder).await,
            Purpose::Use
            | Purpose::Write
            | Purpose::Prune
            | Purpose::Examine
            | Purpose::LookBack => LocalStorage::open(folder).await,
        };
        opened.map_err(|error| folder_failure(error, folder, purpose))
    })?;
    Ok(service::slowed(
        Arc::new(opened),
        service::rates(&cx.storage),
    ))
}

fn folder_failure(error: StorageError, folder: &Path, purpose: Purpose) -> Failure {
    // A missing parent is more often a disk that is not mounted than a wish for folders.
    if purpose == Purpose::Make && error.kind() == StorageErrorKind::NoSuchRepositoryFolder {
        return Failure::usage(format!(
            "the folder that {} should be made in does not exist",
            folder.display()
        ))
        .hint("check the path, and that the disk is mounted; or make that folder first");
    }
    error.into()
}

fn open_service(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
    purpose: Purpose,
) -> Result<Arc<dyn Storage>, Failure> {
    let memory = Memory::of(&room.environment.state, place);
    if purpose == Purpose::Write && memory.facts().is_none() {
        cx.ui.note(
            "trying out what the storage allows, once for this machine; that may take a minute",
        );
        // What does not work now says so when it is needed; a storage that lies is not written to.
        if let Ok(report) = probe(cx, room, place, NewFolder::Missed) {
            report.facts().map_err(Failure::from)?;
        }
    }
    if purpose == Purpose::Prune {
        must_read_freshly(cx, room, place)?;
    }
    let adds = matches!(purpose, Purpose::Write | Purpose::Make);
    if adds && cx.storage.object_lock.is_some() && !memory.facts().is_some_and(|facts| facts.locks)
    {
        return Err(Failure::usage(format!("{place} cannot lock objects"))
            .hint("make a bucket with Object Lock enabled, which no bucket can be given later; or leave --object-lock out"));
    }
    let folder = match purpose {
        Purpose::Make => NewFolder::Made,
        _ => NewFolder::Missed,
    };
    let way = Way::to(cx, place, memory.facts(), folder)?;
    let service = room.until_interrupted(&cx.interrupt, async {
        let way = match purpose {
            // Whoever looks back after a disaster may do so from a machine that remembers nothing.
            Purpose::LookBack => way.known_by_its_word().await?,
            _ => way,
        };
        let opened = way.storage().await;
        opened.map_err(Failure::from)
    })?;
    let requests = Arc::new(Requests::default());
    cx.counted.add(memory.clone(), Arc::clone(&requests));
    let counted = Arc::new(Count::new(service, requests));
    let waits = Waits::new(&cx.ui);
    let usual = RetryPolicy::default();
    let policy = RetryPolicy {
        patience: cx.storage.retry_for.map_or(usual.patience, |span| span.0),
        ..usual
    };
    let listener = Arc::new(move |waiting: &_| waits.hear(waiting));
    let retried = Arc::new(Retry::new(counted, policy, listener));
    if cx.storage.no_cache || matches!(purpose, Purpose::Examine | Purpose::LookBack) {
        return Ok(retried);
    }
    let folder = memory.cache(&room.environment.cache);
    Ok(Arc::new(Cache::new(retried, folder, KEPT)))
}

/// Tries out, unless that was found before, whether reads see every write that ended before them: what may be
/// deleted is decided by what others have said (docs/design.md, "The look rule").
fn must_read_freshly(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
) -> Result<(), Failure> {
    let memory = Memory::of(&room.environment.state, place);
    if memory.facts().is_some_and(|facts| facts.fresh_reads) {
        return Ok(());
    }
    cx.ui.note(
        "trying out whether the storage shows at once what was stored; that may take a minute",
    );
    let found = probe(cx, room, place, NewFolder::Missed)?;
    match found.facts().map_err(Failure::from)?.fresh_reads {
        true => Ok(()),
        false => Err(ownkey_engine::Error::StaleReads(place.to_string()).into()),
    }
}

/// What is worth a place on this machine's disk: what says where things are and what folders hold.
const KEPT: CachePolicy = CachePolicy {
    most_bytes: 1 << 30,
    keeps: |name| {
        let name = name.as_str();
        ["index/", "meta/", "roster/"]
            .iter()
            .any(|kind| name.starts_with(kind))
    },
    is_genuine: |name, bytes| {
        let named = Object::parse(name).and_then(|object| object.hash());
        named == Some(object_hash(bytes))
    },
};
