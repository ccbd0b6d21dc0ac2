//! Whether an object can be seen before it is there as a whole.

use std::sync::Arc;

use bytes::Bytes;

use super::{Bench, Verdict, pattern};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};

const ROUNDS: usize = 3;
/// Long enough to take some time, short enough for a slow line.
const LENGTH: usize = 2 << 20;

impl Bench<'_> {
    /// Watches from a second connection while the first one stores.
    pub(super) async fn try_wholeness(&mut self) -> Result<(), StorageError> {
        // What could not be deleted again is better not created.
        if !self.facts.deletes {
            return Ok(());
        }
        self.facts.whole_objects = true;
        for round in 0..ROUNDS {
            let name = self.name(&format!("whole/{round}"))?;
            let body = pattern(LENGTH, 13);
            let seen_half = self.watch(&name, &body).await?;
            self.facts.whole_objects &= !seen_half;
        }
        if self.facts.whole_objects {
            let words = "nobody saw an object before it was stored as a whole";
            self.found("whole objects", Verdict::Good, words);
        } else {
            let words = "objects can be seen half stored, so another machine may take one for damaged \
                         that is only on its way: let one machine at a time use this storage";
            self.found("whole objects", Verdict::Limited, words);
        }
        Ok(())
    }

    async fn watch(&self, name: &ObjectName, body: &Bytes) -> Result<bool, StorageError> {
        let (storage, wanted, bytes) = (
            Arc::clone(&self.connections.first),
            name.clone(),
            body.clone(),
        );
        let storing = tokio::spawn(async move { storage.create(&wanted, bytes).await });
        let mut seen_half = false;
        while !storing.is_finished() && !seen_half {
            seen_half = is_half(self.second(), name, body).await;
            // Where answers need no waiting the other task would never have its turn.
            tokio::task::yield_now().await;
        }
        storing.await.unwrap_or_else(|_| Err(self.stopped(name)))?;
        Ok(seen_half)
    }

    fn stopped(&self, name: &ObjectName) -> StorageError {
        let location = self.first().location();
        StorageError::new(StorageErrorKind::Other, Operation::Create, location).of(name)
    }
}

/// Errors are nothing that was seen: some storages refuse to show what is on its way.
async fn is_half(storage: &dyn Storage, name: &ObjectName, body: &Bytes) -> bool {
    let page = storage.list(&Prefix::exactly(name), None, 1).await;
    let listed = page.ok().and_then(|page| page.objects.into_iter().next());
    if listed.is_some_and(|object| object.size != body.len() as u64) {
        return true;
    }
    storage.get(name).await.is_ok_and(|read| read != *body)
}
