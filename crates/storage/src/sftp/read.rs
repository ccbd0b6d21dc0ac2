//! Reading whole objects and parts of them.
//!
//! Promise: exactly the bytes asked for, or an error; memory is taken only after the length was found to be within bounds.

use std::ops::Range;

use bytes::Bytes;

use super::fault::Fault;
use super::folders::Folders;
use super::packet::Kind;
use super::session::{Handle, Session};
use crate::limits::MAX_OBJECT_BYTES;
use crate::name::ObjectName;

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Range(Range<u64>),
}

/// Reads an object or a part of it.
pub(super) async fn read(
    session: &Session,
    folders: &Folders,
    name: &ObjectName,
    part: Part,
) -> Result<Bytes, Fault> {
    let opened = match session.open(&folders.path_of(name.as_str())).await {
        Ok(opened) => opened,
        Err(Fault::Absent) => return Err(folders.absent(session).await),
        Err(fault @ Fault::Ended(_)) => return Err(fault),
        // Servers that open no folders say so in their own ways; a folder is not an object. (C15)
        Err(fault) => {
            let found = session.look(&folders.path_of(name.as_str())).await;
            let folder = found.is_ok_and(|found| found.kind() == Some(Kind::Folder));
            return Err(if folder { Fault::Absent } else { fault });
        }
    };
    let bytes = read_open(session, &opened, part).await;
    // Nothing depends on it, and the answer is not waited for longer than the bytes were.
    let closed = session.close(&opened).await;
    let bytes = bytes?;
    closed.map(|()| bytes)
}

async fn read_open(session: &Session, file: &Handle, part: Part) -> Result<Bytes, Fault> {
    let found = session.measure(file).await?;
    match found.kind() {
        Some(Kind::File) | None => {}
        Some(Kind::Folder) => return Err(Fault::Absent),
        Some(Kind::Other) => return Err(Fault::NotAnObject),
    }
    let size = found.size.ok_or(Fault::NotAnObject)?;
    let range = match part {
        Part::Whole => 0..size,
        Part::Range(range) if range.is_empty() || range.end > size => {
            return Err(Fault::InvalidRange);
        }
        Part::Range(range) => range,
    };
    if range.end - range.start > MAX_OBJECT_BYTES {
        return Err(Fault::TooLarge);
    }
    session.read(file, range).await
}
