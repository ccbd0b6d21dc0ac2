//! Creation: stage, write, flush, give the final name, flush the folder.
//!
//! Promise: the name appears in one step, with all bytes, and in place of no other where the server keeps to the protocol
//! (renaming onto a taken name is an error) or knows hard links. In whatever step a machine dies, the worst that stays is a
//! staging file that no listing shows.
//!
//! Five round trips a creation: what does not depend on each other is asked together.

use std::time::SystemTime;

use bytes::Bytes;

use super::fault::Fault;
use super::folders::{Folders, STAGING};
use super::list::entries;
use super::packet::{Attributes, Kind};
use super::session::{Handle, Session};
use crate::name::ObjectName;
use crate::unguessable::unguessable_name;

/// Creates an object if its name is free.
pub(super) async fn create(
    session: &Session,
    folders: &Folders,
    name: &ObjectName,
    body: &Bytes,
) -> Result<(), Fault> {
    let created = stage_and_publish(session, folders, name, body).await;
    if created != Err(Fault::Absent) {
        return created;
    }
    // A folder that was known is gone: somebody tidied up, or the storage itself went away.
    folders.check_root(session).await?;
    folders.forget();
    match stage_and_publish(session, folders, name, body).await {
        Err(Fault::Absent) => Err(Fault::Failed("a folder vanishes again and again".into())),
        created => created,
    }
}

async fn stage_and_publish(
    session: &Session,
    folders: &Folders,
    name: &ObjectName,
    body: &Bytes,
) -> Result<(), Fault> {
    folders.make_way(session, STAGING).await?;
    if let Some((folder, _)) = name.as_str().rsplit_once('/') {
        folders.make_way(session, folder).await?;
    }
    let random = unguessable_name().map_err(|_| Fault::NoRandomness)?;
    let staged = folders.path_of(&format!("{STAGING}/{random}"));
    let wanted = folders.path_of(name.as_str());
    let (found, opened) = tokio::join!(session.look(&wanted), session.open_new(&staged));
    let opened = opened?;
    let written = match taken(found) {
        Ok(()) => write(session, &opened, body).await,
        Err(fault) => {
            // Only the handle is given back; that nothing was stored is known already.
            let _ = session.close(&opened).await;
            Err(fault)
        }
    };
    let published = match written {
        Ok(()) => publish(session, &staged, &wanted).await,
        Err(fault) => Err(blame(session, folders, body, fault).await),
    };
    // Before anybody hears that an object exists its name is made durable. (C4)
    let flush = async {
        match published {
            Ok(_) | Err(Fault::Taken) => folders.flush(session, &folders.folder_of(name)).await,
            Err(_) => Ok(()),
        }
    };
    // What cannot be removed here is invisible, and swept later.
    let clean = async {
        if published != Ok(Published::Renamed) {
            let _ = session.remove(&staged).await;
        }
    };
    let (flushed, ()) = tokio::join!(flush, clean);
    flushed?;
    published.map(|_| ())
}

/// How an object got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    /// The staging file has it now.
    Renamed,
    /// The staging file has it too.
    Linked,
}

/// Writes, flushes where that is possible, and closes.
async fn write(session: &Session, file: &Handle, body: &Bytes) -> Result<(), Fault> {
    let written = async {
        session.write(file, body).await?;
        if session.can_flush() {
            session.flush(file).await?;
        }
        Ok(())
    };
    let written = written.await;
    // Some servers store only now.
    let closed = session.close(file).await;
    written.and(closed)
}

/// Gives the final name if nothing has it.
async fn publish(session: &Session, staged: &str, wanted: &str) -> Result<Published, Fault> {
    if session.can_link() {
        match session.link(staged, wanted).await {
            Ok(()) => return Ok(Published::Linked),
            Err(fault @ (Fault::Ended(_) | Fault::Absent)) => return Err(fault),
            // Taken, or a file system without links, such as FAT: no code tells them apart.
            Err(_) => taken(session.look(wanted).await)?,
        }
    }
    match session.rename(staged, wanted).await {
        Ok(()) => Ok(Published::Renamed),
        Err(fault @ (Fault::Ended(_) | Fault::Absent)) => Err(fault),
        Err(fault) => {
            taken(session.look(wanted).await)?;
            Err(fault)
        }
    }
}

/// Whether a name is free, by what was found there.
fn taken(found: Result<Attributes, Fault>) -> Result<(), Fault> {
    match found {
        Ok(found) => Err(match found.kind() {
            Some(Kind::File) | None => Fault::Taken,
            Some(Kind::Folder) => Fault::Nested,
            Some(Kind::Other) => Fault::NotAnObject,
        }),
        Err(Fault::Absent) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Servers have no word for a full disk; what is free tells.
async fn blame(session: &Session, folders: &Folders, body: &Bytes, fault: Fault) -> Fault {
    if !matches!(fault, Fault::Failed(_)) {
        return fault;
    }
    match session.free_bytes(folders.root()).await {
        Some(free) if free <= body.len() as u64 => Fault::Full,
        _ => fault,
    }
}

/// Removes staging files last written before a moment; returns how many.
pub(super) async fn sweep(
    session: &Session,
    folders: &Folders,
    older_than: SystemTime,
) -> Result<u64, Fault> {
    let staged = match entries(session, &folders.path_of(STAGING)).await {
        Err(Fault::Absent) => return Ok(0),
        staged => staged?,
    };
    let mut swept = 0;
    for (name, found) in staged {
        let stale = found.modified().is_some_and(|written| written < older_than);
        // Nothing but our own names, and no way out of the folder.
        let ours = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if stale && ours && found.kind() == Some(Kind::File) {
            match session
                .remove(&folders.path_of(&format!("{STAGING}/{name}")))
                .await
            {
                Ok(()) => swept += 1,
                Err(Fault::Absent) => {}
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(swept)
}
