//! Creation: written aside, measured, and moved to its name if nothing stands there.
//!
//! Promise: in whatever step we die, the worst that stays is a staging file that no listing shows. Of racing
//! creators the service lets one win, where it keeps to `Overwrite: F`.

use bytes::Bytes;
use http::StatusCode;

use super::STAGING;
use super::service::{Found, Service};
use crate::capabilities::CreateIfAbsent;
use crate::error::{StorageError, StorageErrorKind};
use crate::http::Answer;
use crate::name::ObjectName;
use crate::unguessable::unguessable_name;

/// Creates an object.
pub(super) async fn create(
    service: &Service<'_>,
    creation: CreateIfAbsent,
    name: &ObjectName,
    body: Bytes,
) -> Result<(), StorageError> {
    if creation == CreateIfAbsent::Checked {
        refuse_taken(service, name).await?;
    }
    let staged = unguessable_name()
        .map_err(|errno| service.error(StorageErrorKind::Other).caused_by(errno))?;
    let staged = format!("{STAGING}{staged}");
    let created = match write(service, &staged, body).await {
        Ok(()) => publish(service, &staged, name).await,
        Err(error) => Err(error),
    };
    if created.is_err() {
        // Best effort: what stays is swept later.
        let _ = service.delete(&staged).await;
    }
    created
}

async fn write(service: &Service<'_>, staged: &str, body: Bytes) -> Result<(), StorageError> {
    let expected = body.len() as u64;
    let mut answer = service.put(staged, body.clone()).await?;
    if may_lack_folder(&answer) || answer.status == StatusCode::INTERNAL_SERVER_ERROR {
        make_folders(service, STAGING).await?;
        answer = service.put(staged, body).await?;
    }
    service.expect_success(&answer)?;
    // Services in front of services have been seen to keep less than they took.
    match service.length(staged).await? {
        Some(kept) if kept != expected => {
            Err(service.nonsense("it did not keep all bytes of the upload"))
        }
        _ => Ok(()),
    }
}

async fn publish(
    service: &Service<'_>,
    staged: &str,
    name: &ObjectName,
) -> Result<(), StorageError> {
    let mut answer = service.publish(staged, name.as_str()).await?;
    if may_lack_folder(&answer) {
        make_folders(service, name.folder().as_str()).await?;
        answer = service.publish(staged, name.as_str()).await?;
    }
    if answer.status.is_success() {
        return Ok(());
    }
    refuse_taken(service, name).await?;
    if answer.status == StatusCode::PRECONDITION_FAILED {
        // It stood there a moment ago.
        return Err(service.error(StorageErrorKind::AlreadyExists));
    }
    refuse_beneath_a_file(service, name).await?;
    service.expect_success(&answer)
}

/// Whether the service may mean that the folder above is missing: it should say 409 (RFC 4918 §9.7.1).
fn may_lack_folder(answer: &Answer) -> bool {
    matches!(
        answer.status,
        StatusCode::CONFLICT | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    )
}

/// An error where something stands at the name.
async fn refuse_taken(service: &Service<'_>, name: &ObjectName) -> Result<(), StorageError> {
    match service.look(name.as_str()).await? {
        Found::Nothing => Ok(()),
        Found::File { .. } => Err(service.error(StorageErrorKind::AlreadyExists)),
        Found::Folder => Err(service
            .error(StorageErrorKind::Unsupported)
            .saying("there is a folder of that name")),
    }
}

/// An error where the name stands beneath an object.
async fn refuse_beneath_a_file(
    service: &Service<'_>,
    name: &ObjectName,
) -> Result<(), StorageError> {
    for (end, _) in name.as_str().match_indices('/') {
        let above = name.as_str().get(..end).unwrap_or_default();
        if let Found::File { .. } = service.look(above).await? {
            return Err(service
                .error(StorageErrorKind::Unsupported)
                .saying("an object stands where its folder would have to be"));
        }
    }
    Ok(())
}

/// Makes a folder, whose path is empty or ends in `/`, and those above it that are missing, the
/// repository's own and what is above that too.
async fn make_folders(service: &Service<'_>, folder: &str) -> Result<(), StorageError> {
    let mut missing = vec![service.url(folder)?];
    while let Some(folder) = missing.last() {
        if service.make_folder(folder).await? != StatusCode::CONFLICT {
            missing.pop();
            break;
        }
        match folder.join("..") {
            Ok(above) if above != *folder => missing.push(above),
            _ => break,
        }
    }
    while let Some(folder) = missing.pop() {
        service.make_folder(&folder).await?;
    }
    Ok(())
}
