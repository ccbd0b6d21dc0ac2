//! Deleting, what deleted objects leave, and locks against deletion.

use std::time::{Duration, SystemTime};

use super::{Bench, Verdict, pattern};
use crate::capabilities::{RetentionSupport, VersionSupport};
use crate::contract::versions_all;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};
use crate::object::{DeleteOutcome, Retention};

/// How long the lock lasts that is tried: long enough to see it hold, short enough to wait for.
const BRIEF_LOCK: Duration = Duration::from_secs(8);

impl Bench<'_> {
    pub(super) async fn try_deletion(&mut self) -> Result<(), StorageError> {
        let mut batch = Vec::new();
        for n in 0..3 {
            let name = self.name(&format!("delete/{n}"))?;
            self.first().create(&name, pattern(n + 1, 8)).await?;
            batch.push(name);
        }
        batch.push(self.name("delete/absent")?);
        let outcomes = self.first().delete(&batch).await;
        let answered = outcomes.iter().map(|(name, _)| name);
        if !answered.eq(&batch) {
            return Err(self.broken(
                Operation::Delete,
                "deletions that are answered for other names",
            ));
        }
        let (mut done, mut kept, mut failure) = (0, 0, None);
        for (name, outcome) in outcomes {
            match outcome {
                DeleteOutcome::Done => done += 1,
                DeleteOutcome::Deferred => kept += 1,
                DeleteOutcome::Failed(error) if error.kind().is_transient() => return Err(error),
                DeleteOutcome::Failed(error) => failure = Some(error.of(&name)),
            }
        }
        self.facts.deletes = done == batch.len();
        let (verdict, meaning) = match failure {
            None if kept == 0 => (Verdict::Good, "what is pruned frees space".to_owned()),
            None => (
                Verdict::Limited,
                "new objects are locked against deletion, so space is freed only when their locks end".to_owned(),
            ),
            Some(error) => (
                Verdict::Limited,
                format!(
                    "nothing can be deleted with these credentials, which protects the backups; pruning needs others: {error}"
                ),
            ),
        };
        self.found("deletion", verdict, meaning);
        Ok(())
    }

    pub(super) async fn try_versions(&mut self) -> Result<(), StorageError> {
        if self.first().capabilities().versions == VersionSupport::None {
            self.found(
                "versions",
                Verdict::Absent,
                "what is deleted is gone at once, also when somebody else deletes it",
            );
            return Ok(());
        }
        let name = self.name("versions/one")?;
        let body = pattern(100, 9);
        self.first().create(&name, body.clone()).await?;
        self.first().delete(std::slice::from_ref(&name)).await;
        let kept = versions_all(self.first(), &Prefix::exactly(&name)).await?;
        for version in kept.iter().rev() {
            let read = self.first().get_version(&name, &version.version).await;
            if read.is_ok_and(|read| read == body) {
                self.facts.versions = VersionSupport::Kept;
                self.found(
                    "versions",
                    Verdict::Good,
                    "what is deleted can be read again as it was, and takes space until the storage drops it",
                );
                return Ok(());
            }
        }
        self.found(
            "versions",
            Verdict::Limited,
            "versions are said to be kept, but a deleted object could not be read again",
        );
        Ok(())
    }

    pub(super) async fn try_retention(&mut self) -> Result<(), StorageError> {
        if self.first().capabilities().retention == RetentionSupport::None {
            self.found(
                "locks",
                Verdict::Absent,
                "objects cannot be locked: whoever has these credentials can delete the backups",
            );
            return Ok(());
        }
        let name = self.name("lock/one")?;
        self.first().create(&name, pattern(10, 10)).await?;
        let held = match self.first().retention(&name).await? {
            // It is locked by the storage itself, and a lock of ours would only make it last.
            Retention::Until(_) | Retention::Held => self.is_held(&name).await,
            Retention::None => self.lock_briefly(&name).await?,
        };
        if held {
            self.facts.retention = RetentionSupport::Kept;
            self.found(
                "locks",
                Verdict::Good,
                "locked objects cannot be deleted before their time",
            );
        } else {
            self.found(
                "locks",
                Verdict::Limited,
                "locks are accepted and not kept: do not rely on them against somebody who deletes",
            );
        }
        Ok(())
    }

    async fn lock_briefly(&self, name: &ObjectName) -> Result<bool, StorageError> {
        let until = self.storage_time(name).await? + BRIEF_LOCK;
        match self.first().extend_retention(name, until).await {
            Ok(()) => {}
            Err(error) if error.kind() == StorageErrorKind::PermissionDenied => return Ok(false),
            Err(error) => return Err(error),
        }
        let told = self.first().retention(name).await?;
        // Services keep whole seconds.
        let enough = Retention::Until(until - Duration::from_secs(1));
        Ok(told >= enough && self.is_held(name).await)
    }

    /// What the storage's clock says about now, as far as it tells.
    async fn storage_time(&self, name: &ObjectName) -> Result<SystemTime, StorageError> {
        let page = self.first().list(&Prefix::exactly(name), None, 1).await?;
        let told = page.objects.first().and_then(|object| object.modified);
        let ours = (self.surroundings.now)();
        Ok(told.map_or(ours, |told| told.max(ours)))
    }

    async fn is_held(&self, name: &ObjectName) -> bool {
        let outcomes = self.first().delete(std::slice::from_ref(name)).await;
        let deferred = outcomes
            .first()
            .is_some_and(|(_, outcome)| outcome.is_deferred());
        deferred && self.first().get(name).await.is_ok()
    }

    /// Deletes everything that was created, waits for brief locks to end, and tells what remains.
    pub(super) async fn clean_up(&self) -> Vec<ObjectName> {
        let mut left = self.take_created();
        if !self.facts.deletes {
            // It would only be refused again. Nothing is said of names under which nothing is stored.
            let mut there = Vec::new();
            for name in left {
                if self.first().get(&name).await.is_ok() {
                    there.push(name);
                }
            }
            return there;
        }
        left = self.delete_once(&left).await;
        if !left.is_empty() && self.facts.retention == RetentionSupport::Kept {
            tokio::time::sleep(BRIEF_LOCK + Duration::from_secs(1)).await;
        }
        self.delete_once(&left).await
    }

    fn take_created(&self) -> Vec<ObjectName> {
        let mut created = self
            .created
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        created.sort();
        created.dedup();
        std::mem::take(&mut *created)
    }

    async fn delete_once(&self, names: &[ObjectName]) -> Vec<ObjectName> {
        let outcomes = self.first().delete(names).await;
        let left = outcomes
            .into_iter()
            .filter(|(_, outcome)| !outcome.is_done());
        left.map(|(name, _)| name).collect()
    }
}
