//! The second place of a command that has two: where it is, and what opens the repository there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use ownkey_storage::Storage;

use crate::context::{Context, EngineRoom};
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose};
use crate::secrets::Sources;
use crate::session::{Session, Whose};

/// The other repository of a command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SecondArgs {
    /// The other repository: a path or URL
    #[arg(long, value_name = "PLACE")]
    to: OsString,
    /// Read its password from this file (also `OWNKEY_TO_PASSWORD_FILE`)
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    /// Read its password from what this command prints (also `OWNKEY_TO_PASSWORD_COMMAND`)
    #[arg(long, value_name = "COMMAND", conflicts_with = "to_password_file")]
    to_password_command: Option<OsString>,
}

impl SecondArgs {
    /// Opens it with its own credentials.
    pub(crate) fn open(&self, cx: &Context) -> Result<Session, Failure> {
        let place = read_place(cx, &self.to)?;
        let room = cx.engine()?;
        let storage = opening::open(cx, &room, &place, Purpose::Write)?;
        let flags = Sources {
            value: None,
            file: self.to_password_file.clone(),
            command: self.to_password_command.clone(),
        };
        Session::unlock_as(cx, place, room, &storage, Whose::Other(flags))
    }
}

/// A place beside the repository that the settings name.
pub(crate) fn read_place(cx: &Context, written: &OsString) -> Result<RepositoryUrl, Failure> {
    let place = cx.read_place(written, std::env::current_dir().ok().as_deref())?;
    if place == cx.place()? {
        return Err(
            Failure::usage(format!("both places are {place}")).hint("--to names another one")
        );
    }
    Ok(place)
}

/// Opens a place for what is to be there; makes its folder if there is none.
pub(crate) fn make(
    cx: &Context,
    room: &EngineRoom,
    place: &RepositoryUrl,
) -> Result<Arc<dyn Storage>, Failure> {
    opening::open(cx, room, place, Purpose::Make)
}
