//! Folders on the server: what was seen to be there, and what can be made durable.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::Fault;
use super::packet::Kind;
use super::place::SftpPlace;
use super::session::Session;
use crate::capabilities::Durability;
use crate::name::ObjectName;

/// Where creations are staged, as in a local folder. The dot keeps it out of every object's name.
pub(super) const STAGING: &str = ".staging";

/// The folders of a storage.
#[derive(Debug)]
pub(super) struct Folders {
    place: SftpPlace,
    seen: Mutex<Seen>,
}

/// What was seen of the folders so far.
#[derive(Debug, Default)]
struct Seen {
    /// Those that are there, with names that were made durable as far as the server can.
    known: BTreeSet<Box<str>>,
    flushing: Flushing,
}

/// Whether folders can be flushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Flushing {
    #[default]
    Untried,
    Works,
    Fails,
}

impl Folders {
    pub(super) fn new(place: SftpPlace) -> Self {
        Self {
            place,
            seen: Mutex::default(),
        }
    }

    /// The path of a name, as the server is told.
    pub(super) fn path_of(&self, inner: &str) -> String {
        self.place.path_of(inner)
    }

    /// The path of the folder of the storage.
    pub(super) fn root(&self) -> &str {
        self.place.path()
    }

    /// The path of the folder that a name stands in.
    pub(super) fn folder_of(&self, name: &ObjectName) -> String {
        match name.as_str().rsplit_once('/') {
            Some((folder, _)) => self.path_of(folder),
            None => self.root().to_owned(),
        }
    }

    /// Whether what was created survives a loss of power: known once a folder was flushed, or could not be.
    pub(super) fn durability(&self) -> Durability {
        match self.seen().flushing {
            Flushing::Works => Durability::Yes,
            Flushing::Untried | Flushing::Fails => Durability::Unknown,
        }
    }

    /// Makes the folder of the storage, durably where that is possible, or finds it.
    pub(super) async fn make_root(&self, session: &Session) -> Result<(), Fault> {
        match session.make_folder(self.root()).await {
            Ok(()) | Err(Fault::Failed(_)) => self.check_root(session).await?,
            Err(Fault::Absent) => return Err(Fault::RootGone),
            Err(fault) => {
                // Some systems refuse to make what is there already with other words.
                if self.check_root(session).await.is_err() {
                    return Err(fault);
                }
            }
        }
        self.flush(session, self.root()).await?;
        match self.root().rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => self.flush(session, above).await,
            _ => Ok(()),
        }
    }

    /// Checks that the folder of the storage is there.
    pub(super) async fn check_root(&self, session: &Session) -> Result<(), Fault> {
        match session.follow(self.root()).await {
            Ok(found) => match found.kind() {
                Some(Kind::Folder) | None => Ok(()),
                Some(Kind::File | Kind::Other) => Err(Fault::RootGone),
            },
            Err(Fault::Absent) => Err(Fault::RootGone),
            Err(fault) => Err(fault),
        }
    }

    /// Nothing of that name, or no storage any more?
    pub(super) async fn absent(&self, session: &Session) -> Fault {
        match self.check_root(session).await {
            Ok(()) => Fault::Absent,
            Err(fault) => fault,
        }
    }

    /// Makes what is missing of the way to a name. `inner` is a path of folders below the storage's own.
    pub(super) async fn make_way(&self, session: &Session, inner: &str) -> Result<(), Fault> {
        let ends = inner.match_indices('/').map(|(at, _)| at);
        let mut above = self.root().to_owned();
        for end in ends.chain([inner.len()]) {
            let way = inner.get(..end).unwrap_or_default();
            let path = self.path_of(way);
            if !self.seen().known.contains(way) {
                make(session, &path).await?;
                // One found in place may have been made a moment ago by somebody who has not flushed it yet.
                self.flush(session, &above).await?;
                self.seen().known.insert(way.into());
            }
            above = path;
        }
        Ok(())
    }

    /// Forgets all folders, because one that was known is gone.
    pub(super) fn forget(&self) {
        self.seen().known.clear();
    }

    /// Makes the names in a folder durable, where the server can. The protocol has no word for it, but OpenSSH
    /// flushes whatever can be opened, and its systems open folders too.
    pub(super) async fn flush(&self, session: &Session, path: &str) -> Result<(), Fault> {
        if !session.can_flush() || self.seen().flushing == Flushing::Fails {
            self.seen().flushing = Flushing::Fails;
            return Ok(());
        }
        let flushed = match session.open(path).await {
            Ok(opened) => {
                let flushed = session.flush(&opened).await;
                // A handle that cannot be given back harms nobody.
                let _ = session.close(&opened).await;
                flushed
            }
            Err(fault) => Err(fault),
        };
        match flushed {
            Ok(()) => self.seen().flushing = Flushing::Works,
            Err(fault @ (Fault::Ended(_) | Fault::Absent)) => return Err(fault),
            // A server that opens or flushes no folders is used without, and the capabilities say so.
            Err(_) => self.seen().flushing = Flushing::Fails,
        }
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder, or finds it.
async fn make(session: &Session, path: &str) -> Result<(), Fault> {
    let Err(fault) = session.make_folder(path).await else {
        return Ok(());
    };
    // That it exists is told by no code of its own.
    match session.look(path).await {
        Ok(found) if found.kind() == Some(Kind::Folder) => Ok(()),
        Ok(_) => Err(Fault::Nested),
        Err(Fault::Absent) => Err(fault),
        Err(other) => Err(other),
    }
}
