//! Whether a read sees all that ended before it, also through another connection.

use super::{Bench, Verdict, pattern};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};

const ROUNDS: usize = 5;

const REMEMBERS_ABSENCE: &str = "an object that was read absent a moment before stays absent after it was stored, \
     so that no machine can see what others do: look for a cache or a proxy on the way";

impl Bench<'_> {
    pub(super) async fn try_freshness(&mut self) -> Result<(), StorageError> {
        let mut stale = None;
        for round in 0..ROUNDS {
            stale = stale.or(self.stale_answer(round).await?);
        }
        self.facts.fresh_reads = stale.is_none();
        match stale {
            None => self.found(
                "fresh reads",
                Verdict::Good,
                "reads and listings show at once what was stored and deleted, also by other machines",
            ),
            Some(stale) => self.found(
                "fresh reads",
                Verdict::Limited,
                format!(
                    "nothing may be pruned at once, because {stale}: look for a cache or proxy on the way"
                ),
            ),
        }
        Ok(())
    }

    /// The first answer of a round that was out of date.
    async fn stale_answer(&self, round: usize) -> Result<Option<&'static str>, StorageError> {
        let unseen = self.name(&format!("fresh/unseen-{round}"))?;
        self.first().create(&unseen, pattern(10, 6)).await?;
        // Nobody has asked for it before, so no cache can excuse this.
        if !is_there(self.second(), &unseen).await? {
            return Err(self
                .broken(
                    Operation::Get,
                    "an object that was just stored is not found",
                )
                .of(&unseen));
        }
        let name = self.name(&format!("fresh/seen-{round}"))?;
        for storage in [self.first(), self.second()] {
            if is_there(storage, &name).await? || is_listed(storage, &name).await? {
                return Err(self
                    .broken(Operation::Get, "an object that nobody has stored is found")
                    .of(&name));
            }
        }
        self.first().create(&name, pattern(10, 7)).await?;
        for storage in [self.second(), self.first()] {
            // The look of a backup asks for the next entry of each log again and again until it is there.
            if !is_there(storage, &name).await? {
                return Err(self.broken(Operation::Get, REMEMBERS_ABSENCE).of(&name));
            }
            if !is_listed(storage, &name).await? {
                return Ok(Some("a listing lags behind what was stored"));
            }
        }
        if !self.facts.deletes {
            return Ok(None);
        }
        self.first().delete(std::slice::from_ref(&name)).await;
        for storage in [self.second(), self.first()] {
            if is_there(storage, &name).await? {
                return Ok(Some("an object can still be read after it was deleted"));
            }
            if is_listed(storage, &name).await? {
                return Ok(Some("a listing still shows what was deleted"));
            }
        }
        Ok(None)
    }
}

async fn is_there(storage: &dyn Storage, name: &ObjectName) -> Result<bool, StorageError> {
    match storage.get(name).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == StorageErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn is_listed(storage: &dyn Storage, name: &ObjectName) -> Result<bool, StorageError> {
    // The folder, for that is what is listed in earnest; its few objects fit one page.
    let folder: Prefix = name.folder();
    let page = storage.list(&folder, None, 100).await?;
    Ok(page.objects.iter().any(|object| object.name == *name))
}
