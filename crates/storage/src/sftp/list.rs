//! Listing: folder by folder, in the order of the names, some folders ahead.
//!
//! Promise: complete and sorted by the bytes of the names, or an error; nothing but regular files under names of
//! objects. A server that lists without end is stopped.

use std::pin::Pin;

use futures_util::stream::{self, StreamExt as _};

use super::fault::Fault;
use super::folders::Folders;
use super::packet::{Attributes, Kind, Nonsense};
use super::session::Session;
use crate::name::{ObjectName, Prefix};
use crate::object::{ObjectMeta, Page};

/// Folders read at once: what hides the round trips of 256 small ones.
const AHEAD: usize = 16;

/// The most entries of one folder. Names are short, so this bounds memory to some hundred megabytes.
const MAX_ENTRIES: usize = 4 << 20;

/// What a page is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) prefix: Prefix,
    pub(super) after: Option<ObjectName>,
    pub(super) limit: usize,
}

/// An entry that may be on the page or lead to what is.
struct Entry {
    name: ObjectName,
    found: Attributes,
}

/// One page of the objects under a prefix, after a name.
pub(super) async fn page(
    session: &Session,
    folders: &Folders,
    wanted: &Wanted,
) -> Result<Page, Fault> {
    let start = wanted
        .prefix
        .as_str()
        .rsplit_once('/')
        .map(|(start, _)| start);
    let path = match start {
        Some(start) => folders.path_of(start),
        None => folders.root().to_owned(),
    };
    let mut objects = Vec::new();
    match read(session, &path, start, wanted).await {
        Ok(entries) => walk(session, folders, wanted, entries, &mut objects).await?,
        // No such folder is an empty listing, unless the storage itself is missing. A file in its place, likewise.
        Err(fault @ Fault::Ended(_)) => return Err(fault),
        Err(fault) => {
            folders.check_root(session).await?;
            let there = session.look(&path).await;
            let folder = there.is_ok_and(|found| found.kind() == Some(Kind::Folder));
            if fault != Fault::Absent && (folder || start.is_none()) {
                return Err(fault);
            }
        }
    }
    let more = objects.len() > wanted.limit;
    objects.truncate(wanted.limit);
    Ok(Page { objects, more })
}

/// Adds the objects beneath sorted entries until there is one more than the page holds.
fn walk<'a>(
    session: &'a Session,
    folders: &'a Folders,
    wanted: &'a Wanted,
    entries: Vec<Entry>,
    objects: &'a mut Vec<ObjectMeta>,
) -> Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>> {
    Box::pin(async move {
        let mut ahead = stream::iter(entries)
            .map(|entry| async move {
                let beneath = match entry.found.kind() {
                    Some(Kind::Folder) => {
                        let inner = entry.name.as_str();
                        Some(read(session, &folders.path_of(inner), Some(inner), wanted).await)
                    }
                    _ => None,
                };
                (entry, beneath)
            })
            .buffered(AHEAD);
        while let Some((entry, beneath)) = ahead.next().await {
            match beneath {
                None => objects.extend(object(wanted, entry)),
                // Somebody removed the folder meanwhile, and there was nothing in it.
                Some(Err(Fault::Absent)) => {}
                Some(beneath) => walk(session, folders, wanted, beneath?, objects).await?,
            }
            if objects.len() > wanted.limit {
                break;
            }
        }
        Ok(())
    })
}

/// The entries of a folder that may matter, in the order of the names beneath them.
async fn read(
    session: &Session,
    path: &str,
    inner: Option<&str>,
    wanted: &Wanted,
) -> Result<Vec<Entry>, Fault> {
    let mut found = Vec::new();
    for (last, mut attributes) in entries(session, path).await? {
        let name = match inner {
            Some(inner) => ObjectName::new(format!("{inner}/{last}")),
            None => ObjectName::new(&last),
        };
        let Ok(name) = name else {
            continue;
        };
        if attributes.kind().is_none() || attributes.size.is_none() {
            // Servers may leave out anything in listings.
            attributes = match session.look(&format!("{path}/{last}")).await {
                Err(Fault::Absent) => continue,
                attributes => attributes?,
            };
        }
        let entry = Entry {
            name,
            found: attributes,
        };
        if may_matter(&entry, wanted) {
            found.push(entry);
        }
    }
    // A folder's names come with a `/`, which is greater than `-` and smaller than letters and digits.
    found.sort_by_cached_key(|entry| match entry.found.kind() {
        Some(Kind::Folder) => format!("{}/", entry.name),
        _ => entry.name.to_string(),
    });
    if found
        .windows(2)
        .any(|two| matches!(two, [a, b] if a.name == b.name))
    {
        return Err(Nonsense("a folder with one name twice").into());
    }
    Ok(found)
}

/// Whether an entry, or anything beneath it, can be on the page.
fn may_matter(entry: &Entry, wanted: &Wanted) -> bool {
    match entry.found.kind() {
        Some(Kind::File) => wanted.prefix.contains(&entry.name),
        Some(Kind::Folder) => {
            let passed = wanted.after.as_ref().is_some_and(|after| {
                // Everything beneath begins with `name/`; it is passed unless `after` is among it.
                let beneath = format!("{}/", entry.name);
                *after.as_str() > *beneath && !after.as_str().starts_with(&beneath)
            });
            !passed && wanted.prefix.may_reach_into(entry.name.as_str())
        }
        _ => false,
    }
}

fn object(wanted: &Wanted, entry: Entry) -> Option<ObjectMeta> {
    if wanted
        .after
        .as_ref()
        .is_some_and(|after| entry.name <= *after)
    {
        return None;
    }
    Some(ObjectMeta {
        size: entry.found.size?,
        modified: entry.found.modified(),
        name: entry.name,
        version: None,
    })
}

/// All entries of a folder whose names are text.
pub(super) async fn entries(
    session: &Session,
    path: &str,
) -> Result<Vec<(String, Attributes)>, Fault> {
    let folder = session.open_folder(path).await?;
    let mut entries = Vec::new();
    let mut counted = 0;
    let read = async {
        while let Some(some) = session.next_entries(&folder).await? {
            counted += some.len();
            if some.is_empty() || counted > MAX_ENTRIES {
                return Err(Nonsense("a folder without end").into());
            }
            let text = |(name, found): (bytes::Bytes, Attributes)| {
                Some((std::str::from_utf8(&name).ok()?.to_owned(), found))
            };
            entries.extend(some.into_iter().filter_map(text));
        }
        Ok(())
    };
    let read = read.await;
    let closed = session.close(&folder).await;
    read.and(closed)?;
    Ok(entries)
}
