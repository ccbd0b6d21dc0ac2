//! Accepting what the storage shows, in spite of what was seen.

use std::collections::BTreeSet;

use ownkey_crypto::ObjectHash;

use super::Admin;
use crate::error::{Lie, Result};
use crate::format::entry::ROSTER;
use crate::format::roster::Change;
use crate::monitor::Monitor;
use crate::repository::Repository;

/// Signs that every log in doubt goes on from where the storage shows it, for every device to follow. Says how many.
///
/// What this machine remembers changes after that, so a crash in between leaves the doubts where they were.
///
/// # Errors
/// A lie that is not about one log cannot be accepted and stays the error; those of [`Admin::of`].
pub fn accept(repository: &mut Repository, monitor: &dyn Monitor) -> Result<usize> {
    repository.must_be_current()?;
    let mut logs = BTreeSet::new();
    for lie in repository.doubts() {
        // Where the next entry should stand there is another: whatever was signed, no log could go on there.
        let blocked = match lie {
            Lie::NotSigned { .. } => true,
            Lie::LogForked { device, seq } => repository.end_of(device) <= *seq,
            _ => false,
        };
        match lie.log().filter(|_| !blocked) {
            Some(log) => logs.insert(log),
            None => return Err(lie.clone().into()),
        };
    }
    let mut admin = Admin::take_up(repository, monitor)?;
    // The roster's own first: the other entries stand behind it.
    for device in &logs {
        let change = match *device == ROSTER {
            true => {
                let position = admin.repository.roster.position();
                Change::Accept {
                    device: ROSTER,
                    next: u64::from(position.n).saturating_add(1),
                    last: position.hash,
                }
            }
            false => {
                let tip = admin.repository.logs.of(device).and_then(|log| log.tip);
                Change::Accept {
                    device: *device,
                    next: tip.map_or(0, |tip| tip.seq.saturating_add(1)),
                    last: tip.map_or(ObjectHash::from_bytes([0; 32]), |tip| tip.hash),
                }
            }
        };
        admin.append(&change)?;
    }
    drop(admin);
    repository.believe()?;
    Ok(logs.len())
}
