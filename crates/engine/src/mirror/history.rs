//! Whether two places tell one history, as far as can be seen without keys.
//!
//! Entries of a log are chained by their hashes, so the newest one that both places have stands
//! for all before it: what they do not agree on is damage there, and a check finds it.

use super::Mirror;
use super::listing::{Listed, Listing};
use crate::error::{Lie, Result};

impl Mirror<'_> {
    /// Fails before anything is written if the copy has what the repository does not show, or has
    /// something else in its place.
    pub(super) fn must_be_one_history(&self, source: &Listing) -> Result<()> {
        for there in self.there.header() {
            self.must_be_equal(there)?;
        }
        for there in self.there.roster() {
            if source.size_of(&there.name).is_none() {
                return Err(self.ahead(there));
            }
        }
        for there in self.there.keys() {
            if source.size_of(&there.name).is_some() {
                self.must_be_equal(there)?;
            }
        }
        for (device, there) in self.there.logs() {
            let here = source.logs().get(device);
            let newest = here.and_then(|log| log.keys().next_back().copied());
            let Some((seq, last)) = there.last_key_value() else {
                continue;
            };
            if newest.is_none_or(|newest| newest < *seq) {
                return Err(self.ahead(last));
            }
            let both = there.iter().rev();
            let both = both.map(|(_, listed)| listed);
            if let Some(last) = both
                .into_iter()
                .find(|it| source.size_of(&it.name).is_some())
            {
                self.must_be_equal(last)?;
            }
        }
        Ok(())
    }

    fn must_be_equal(&self, listed: &Listed) -> Result<()> {
        let (here, there) = (self.from.fetch(&listed.name)?, self.to.fetch(&listed.name)?);
        match (here, there) {
            (Some(here), Some(there)) if here.bytes() != there.bytes() => {
                Err(self.other_history(&listed.name))
            }
            _ => Ok(()),
        }
    }

    fn ahead(&self, listed: &Listed) -> crate::error::Error {
        Lie::MirrorAhead {
            name: listed.name.to_string(),
            here: self.from.location().to_string(),
            there: self.to.location().to_string(),
        }
        .into()
    }
}
