//! Reading a whole copy back.

use super::Mirror;
use super::listing::{Listed, Listing};
use crate::check::wrong_with;
use crate::error::Result;
use crate::io::Fetched;
use crate::lock::lock;
use crate::monitor::Figure;
use crate::parallel::{WORKERS, each};

impl Mirror<'_> {
    /// Compares every object of the copy with its name, or with the repository's where names are
    /// no hashes.
    pub(super) fn verify(&self) -> Result<()> {
        let copy = Listing::of(self.to)?;
        let objects: Vec<&Listed> = copy.all().collect();
        each(&objects, WORKERS, self.monitor, |listed| {
            let there = self.to.fetch(&listed.name)?;
            let wrong = match &there {
                None => Some("it is listed and cannot be read"),
                Some(there) if there.bytes().len() as u64 != listed.size => {
                    Some("it has another length than listed")
                }
                Some(there) => self.wrong_there(listed, there)?,
            };
            let length = there.map_or(0, |there| there.bytes().len() as u64);
            self.monitor.count(Figure::ObjectsChecked, 1);
            self.monitor.count(Figure::BytesFetched, length);
            lock(&self.report).verified += 1;
            if let Some(wrong) = wrong {
                self.found(format!(
                    "object {} at {}: {wrong}",
                    listed.name,
                    self.to.location()
                ));
            }
            Ok(())
        })
    }

    fn wrong_there(&self, listed: &Listed, there: &Fetched) -> Result<Option<&'static str>> {
        let wrong = wrong_with(&listed.object, there.bytes());
        if wrong.is_some() || listed.object.hash().is_some() {
            return Ok(wrong);
        }
        let here = self.from.fetch(&listed.name)?;
        let differs = here.is_some_and(|here| here.bytes() != there.bytes());
        Ok(differs.then_some("its bytes are not those of the repository"))
    }
}
