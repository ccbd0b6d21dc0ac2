//! Deletion in batches.
//!
//! Promise: nothing but regular files at the names given is removed, durably where the server can flush folders; the folders
//! stay, because removing one could pull it from under a creation next door.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use super::fault::Fault;
use super::folders::Folders;
use super::packet::Kind;
use super::session::Session;
use crate::name::ObjectName;

/// Names under way at once.
const TOGETHER: usize = 32;

/// Deletes objects; the results stand in the order of the names.
pub(super) async fn batch(
    session: &Session,
    folders: &Folders,
    names: &[ObjectName],
) -> Vec<Result<(), Fault>> {
    let removed: Vec<Result<(), Fault>> = stream::iter(names.to_vec())
        .map(async |name| remove(session, folders, &name).await)
        .buffered(TOGETHER)
        .collect()
        .await;
    let touched: BTreeSet<String> = names.iter().map(|name| folders.folder_of(name)).collect();
    let mut flushed = BTreeMap::new();
    for folder in touched {
        let result = match folders.flush(session, &folder).await {
            // There was never such a folder.
            Err(Fault::Absent) => Ok(()),
            result => result,
        };
        flushed.insert(folder, result);
    }
    let flushed = |name| flushed.get(&folders.folder_of(name)).cloned();
    names
        .iter()
        .zip(removed)
        .map(|(name, removed)| removed.and(flushed(name).unwrap_or(Ok(()))))
        .collect()
}

/// Looks first: servers differ in what they do when told to remove a folder as a file.
async fn remove(session: &Session, folders: &Folders, name: &ObjectName) -> Result<(), Fault> {
    let path = folders.path_of(name.as_str());
    match session.look(&path).await {
        Ok(found) if matches!(found.kind(), Some(Kind::File) | None) => {}
        Ok(_) => return Ok(()),
        Err(Fault::Absent) => return gone(folders, session).await,
        Err(fault) => return Err(fault),
    }
    match session.remove(&path).await {
        Err(Fault::Absent) => Ok(()),
        removed => removed,
    }
}

/// An absent object is deleted; one whose storage is missing is not.
async fn gone(folders: &Folders, session: &Session) -> Result<(), Fault> {
    match folders.absent(session).await {
        Fault::Absent => Ok(()),
        fault => Err(fault),
    }
}
