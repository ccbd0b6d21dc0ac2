//! What is kept of a lie: what this machine remembered, and what the storage showed in its place.
//!
//! Promise: nothing of it is overwritten or deleted by the program, and the same lie is kept once.

use std::fmt::Write as _;
use std::path::PathBuf;

use ownkey_crypto::object_hash;

use crate::error::{Error, Lie, Result};
use crate::format::entry::{EntryRef, ROSTER};
use crate::format::layout;
use crate::format::time::Timestamp;
use crate::io::Io;
use crate::monitor::Monitor;
use crate::state::{State, Tips, file};

/// Where a lie was caught.
pub(crate) struct Scene<'a> {
    pub(crate) state: &'a State,
    pub(crate) io: &'a Io,
    pub(crate) remembered: Option<&'a Tips>,
    /// By the machine's clock.
    pub(crate) time: Timestamp,
    pub(crate) monitor: &'a dyn Monitor,
}

/// Objects of the log concerned that are kept as they are shown: the newest.
const NEWEST: usize = 3;

impl Scene<'_> {
    /// Keeps the evidence if the error is a lie, and says where. The error stays what it is.
    pub(crate) fn kept(&self, error: Error) -> Error {
        if let Error::Lie(lie) = &error {
            self.keep(lie, None);
        }
        error
    }

    /// The same with what a witness holds against the storage.
    pub(crate) fn keep(&self, lie: &Lie, signed: Option<&[u8]>) {
        let said = match self.write(lie, signed) {
            Ok(folder) => format!(
                "what this machine remembers and what the storage shows instead is kept in {}",
                folder.display()
            ),
            Err(error) => format!("the evidence could not be kept: {error}"),
        };
        self.monitor.note(&said);
    }

    fn write(&self, lie: &Lie, signed: Option<&[u8]>) -> Result<PathBuf> {
        let remembered = self.remembered.map(Tips::encode).unwrap_or_default();
        let named = [lie.to_string().as_bytes(), &remembered].concat();
        let name = object_hash(&named).to_string();
        let (name, _) = name.split_at(16);
        let folder = self.state.location_folder().join("evidence").join(name);
        if folder.join("report").exists() {
            return Ok(folder);
        }
        for (name, bytes) in self.shown(lie)? {
            file::write_private(&folder.join(name), &bytes)?;
        }
        if let Some(bytes) = signed {
            file::write_private(&folder.join("held-by-the-witness"), bytes)?;
        }
        // Last, so that what has a report is whole.
        file::write_private(&folder.join("report"), self.report(lie)?.as_bytes())?;
        Ok(folder)
    }

    /// The newest entries of the log concerned.
    fn shown(&self, lie: &Lie) -> Result<Vec<(String, Vec<u8>)>> {
        let mut listed = match lie.log() {
            Some(ROSTER) => self.io.list(&layout::roster())?,
            Some(device) => self.io.list(&layout::log(&device))?,
            None => Vec::new(),
        };
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        let mut shown = Vec::new();
        for object in listed.iter().rev().take(NEWEST) {
            if let Some(bytes) = self.io.find(&object.name)? {
                let name = object.name.as_str().replace('/', "-");
                shown.push((format!("shown-{name}"), bytes.to_vec()));
            }
        }
        Ok(shown)
    }

    fn report(&self, lie: &Lie) -> Result<String> {
        let mut text = format!(
            "{lie}\n\nat {}\n{} seconds after 1970, by this machine's clock\n",
            self.io.location(),
            self.time.seconds
        );
        // Writing to a string cannot fail.
        if let Some(tips) = self.remembered {
            let _ = writeln!(text, "\nremembered, newest entry and hash of each:");
            let roster = EntryRef::of_roster(tips.roster);
            let logs = tips.logs.iter().map(|(device, at)| EntryRef {
                device: *device,
                at: *at,
            });
            for EntryRef { device, at } in std::iter::once(roster).chain(logs) {
                let _ = writeln!(text, "{device} {} {}", at.seq, at.hash);
            }
        }
        let _ = writeln!(text, "\nlisted, with sizes:");
        for prefix in [layout::roster(), layout::logs()] {
            for object in self.io.list(&prefix)? {
                let _ = writeln!(text, "{} {}", object.name, object.size);
            }
        }
        Ok(text)
    }
}
