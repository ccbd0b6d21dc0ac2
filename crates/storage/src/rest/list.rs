//! Listing: all files of a type at once, for the protocol knows no pages.
//!
//! Promise: complete and sorted by the bytes of the names, or an error. Each page asks for the whole listing
//! again, because a listing that is kept would hide what was created since.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::ACCEPT;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::RestStorage;
use super::naming::{Folder, Kept, Listed, MAX_LABEL_BYTES};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};
use crate::object::{ObjectMeta, Page};

/// How many labels are being read at a time.
const AT_A_TIME: usize = 8;
/// The second version of the protocol, whose listings tell sizes.
const V2: &str = "application/vnd.x.restic.rest.v2";
/// Some 700,000 files.
const MAX_LISTING: u64 = 64 << 20;

/// A file as a listing tells it.
#[derive(Deserialize)]
struct File {
    name: String,
    size: u64,
}

/// One page of the objects under a prefix, after a name.
pub(super) async fn page(
    storage: &RestStorage,
    prefix: &Prefix,
    after: Option<&ObjectName>,
    limit: usize,
) -> Result<Page, StorageError> {
    let mut objects = objects(storage, prefix).await?;
    objects.retain(|object| {
        prefix.contains(&object.name) && after.is_none_or(|after| object.name > *after)
    });
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    objects.dedup_by(|a, b| a.name == b.name);
    let more = objects.len() > limit;
    objects.truncate(limit);
    Ok(Page { objects, more })
}

async fn objects(storage: &RestStorage, prefix: &Prefix) -> Result<Vec<ObjectMeta>, StorageError> {
    if let Ok(name) = ObjectName::new(prefix.as_str()) {
        let kept = storage.naming.keep(&name);
        let length = storage.length(Operation::List, &kept).await?;
        return Ok(length
            .into_iter()
            .map(|size| object(name.clone(), size))
            .collect());
    }
    let mut objects = Vec::new();
    let mut labelled = Vec::new();
    for folder in storage.naming.folders(prefix) {
        for file in files(storage, &folder).await? {
            match storage.naming.listed(&folder, &file.name) {
                Listed::Object(name) => objects.push(object(name, file.size)),
                Listed::Labelled(path) => labelled.push((path, file.size)),
                Listed::Foreign => {}
            }
        }
    }
    let read: Vec<Option<ObjectMeta>> = stream::iter(labelled)
        .map(async |(path, size)| read_label(storage, path, size).await)
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    objects.extend(read.into_iter().flatten());
    Ok(objects)
}

async fn files(storage: &RestStorage, folder: &Folder) -> Result<Vec<File>, StorageError> {
    let request = storage
        .site
        .request(Method::GET, &folder.path)
        .header(ACCEPT, V2);
    let answer = storage.ask(Operation::List, request, MAX_LISTING).await?;
    match answer.status {
        // A type of which there is no file yet.
        StatusCode::NOT_FOUND => Ok(Vec::new()),
        // An empty listing may be `null`.
        StatusCode::OK => serde_json::from_slice::<Option<Vec<File>>>(&answer.body)
            .map(Option::unwrap_or_default)
            .map_err(|_| {
                storage
                    .error(StorageErrorKind::BrokenContract, Operation::List)
                    .saying("it does not speak version 2 of restic's REST protocol")
            }),
        _ => Err(storage.refusal(Operation::List, &answer)),
    }
}

/// The object whose name stands in a file; nothing where the file is gone or not ours.
async fn read_label(
    storage: &RestStorage,
    path: String,
    size: u64,
) -> Result<Option<ObjectMeta>, StorageError> {
    let known = storage.known().get(&path).cloned();
    let name = match known {
        Some(name) => Some(name),
        None if size == 0 => None,
        None => {
            let beginning = Kept {
                path: path.clone(),
                label: bytes::Bytes::new(),
            };
            let range = 0..size.min(MAX_LABEL_BYTES);
            let read = storage
                .read_range(Operation::List, &beginning, &range)
                .await;
            match read {
                Ok(label) => storage.naming.labelled(&path, &label),
                Err(error) if error.kind() == StorageErrorKind::NotFound => None,
                Err(error) => return Err(error),
            }
        }
    };
    let Some(name) = name else { return Ok(None) };
    let label = storage.naming.keep(&name).label.len() as u64;
    storage.known().insert(path, name.clone());
    Ok(size.checked_sub(label).map(|size| object(name, size)))
}

fn object(name: ObjectName, size: u64) -> ObjectMeta {
    ObjectMeta {
        name,
        size,
        modified: None,
        version: None,
    }
}
