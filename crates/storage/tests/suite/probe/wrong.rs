//! Storages that do something else than they should.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::probe::{Surroundings, Verdict, probe};
use ownkey_storage::{
    CreateIfAbsent, DeleteOutcome, ObjectName, Operation, Page, Prefix, Storage, StorageError,
    StorageErrorKind, list_all,
};
use ownkey_testkit::block_on;

use super::{Opening, facts, memory, probed, probed_with, refusal, verdict};
use crate::names;
use crate::tricks::{Trick, Tricked};

/// Puts without any condition.
async fn overwrite(
    inner: &dyn Storage,
    name: &ObjectName,
    body: Bytes,
) -> Result<(), StorageError> {
    inner.delete(std::slice::from_ref(name)).await;
    match inner.create(name, body).await {
        // Somebody else was in between: then theirs is what stays.
        Err(error) if error.kind() == StorageErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Ignores the condition; opened carefully it looks first.
struct Overwrites(CreateIfAbsent);

#[async_trait]
impl Trick for Overwrites {
    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        if self.0 == CreateIfAbsent::Checked && inner.get(name).await.is_ok() {
            return inner.create(name, body).await;
        }
        overwrite(inner, name, body).await
    }
}

#[test]
fn a_storage_that_overwrites_must_be_looked_at_first() {
    block_on(async {
        let memory = memory();
        let open =
            |mode| -> Arc<dyn Storage> { Arc::new(Tricked::new(memory.clone(), Overwrites(mode))) };
        let report = probed(open).await;
        let facts = facts(&report);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Checked);
        assert!(facts.fresh_reads);
        assert_eq!(verdict(&report, "exclusive creation"), Verdict::Limited);
        assert!(names(&*memory).await.is_empty());
    });
}

#[test]
fn a_storage_that_overwrites_even_then_is_refused() {
    block_on(async {
        let memory = memory();
        let report = probed_with(&memory, || Overwrites(CreateIfAbsent::Atomic)).await;
        assert!(refusal(&report).contains("overwrites objects"));
        assert!(names(&*memory).await.is_empty());
    });
}

/// Keeps what is there, except that those who ask at the same moment all win now and then.
struct LetsSeveralWin;

#[async_trait]
impl Trick for LetsSeveralWin {
    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        let taken = inner.get(name).await.is_ok();
        tokio::time::sleep(Duration::from_millis(2)).await;
        if taken || name.as_str().ends_with("race/0") {
            return inner.create(name, body).await;
        }
        overwrite(inner, name, body).await
    }
}

#[test]
fn a_storage_that_lets_several_racers_win_is_recognised() {
    block_on(async {
        let report = probed_with(&memory(), || LetsSeveralWin).await;
        assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Checked);
    });
}

/// Does not know any condition.
struct KnowsNoCondition(CreateIfAbsent);

#[async_trait]
impl Trick for KnowsNoCondition {
    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        if self.0 == CreateIfAbsent::Atomic {
            let kind = StorageErrorKind::Unsupported;
            return Err(StorageError::new(kind, Operation::Create, inner.location()));
        }
        inner.create(name, body).await
    }
}

#[test]
fn a_storage_that_refuses_conditions_is_used_without() {
    block_on(async {
        let memory = memory();
        let open = |mode| -> Arc<dyn Storage> {
            Arc::new(Tricked::new(memory.clone(), KnowsNoCondition(mode)))
        };
        let report = probed(open).await;
        assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Checked);
        assert!(names(&*memory).await.is_empty());
    });
}

/// Loses the answers to most creations in a race, which happen all the same.
struct LosesAnswers(AtomicU64);

#[async_trait]
impl Trick for LosesAnswers {
    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        let created = inner.create(name, body).await;
        if name.as_str().contains("/race/")
            && self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
        {
            let kind = StorageErrorKind::Timeout;
            return Err(StorageError::new(kind, Operation::Create, inner.location()));
        }
        created
    }
}

#[test]
fn where_answers_are_lost_nothing_is_claimed() {
    block_on(async {
        let report = probed_with(&memory(), || LosesAnswers(AtomicU64::new(0))).await;
        assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Checked);
    });
}

/// A cache on the way that remembers what was absent.
#[derive(Default)]
struct RemembersAbsence(Mutex<BTreeSet<ObjectName>>);

#[async_trait]
impl Trick for RemembersAbsence {
    async fn get(&self, inner: &dyn Storage, name: &ObjectName) -> Result<Bytes, StorageError> {
        let known = self.0.lock().expect("a list").contains(name);
        let answer = inner.get(name).await;
        if known || answer.is_err() {
            self.0.lock().expect("a list").insert(name.clone());
            let kind = StorageErrorKind::NotFound;
            return Err(StorageError::new(kind, Operation::Get, inner.location()));
        }
        answer
    }
}

#[test]
fn a_cache_that_remembers_absence_is_refused() {
    block_on(async {
        let report = probed_with(&memory(), RemembersAbsence::default).await;
        let refusal = refusal(&report);
        assert!(refusal.contains("a cache or a proxy"), "{refusal}");
    });
}

/// Gives a folder's first listing again and again.
#[derive(Default)]
struct ListsFromMemory(Mutex<BTreeMap<String, Page>>);

#[async_trait]
impl Trick for ListsFromMemory {
    async fn list(
        &self,
        inner: &dyn Storage,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let key = format!("{prefix} {after:?} {limit}");
        if let Some(page) = self.0.lock().expect("a map").get(&key) {
            return Ok(page.clone());
        }
        let page = inner.list(prefix, after, limit).await?;
        self.0.lock().expect("a map").insert(key, page.clone());
        Ok(page)
    }
}

#[test]
fn listings_that_lag_are_recognised() {
    block_on(async {
        let report = probed_with(&memory(), ListsFromMemory::default).await;
        assert!(!facts(&report).fresh_reads);
    });
}

/// One connection does not see what others have just stored.
struct SeesNothingNew(bool);

#[async_trait]
impl Trick for SeesNothingNew {
    async fn get(&self, inner: &dyn Storage, name: &ObjectName) -> Result<Bytes, StorageError> {
        if self.0 && name.as_str().contains("unseen") {
            let kind = StorageErrorKind::NotFound;
            return Err(StorageError::new(kind, Operation::Get, inner.location()));
        }
        inner.get(name).await
    }
}

#[test]
fn a_storage_that_does_not_show_what_was_stored_is_refused() {
    block_on(async {
        let memory = memory();
        let opened = AtomicU64::new(0);
        let trick = || SeesNothingNew(opened.fetch_add(1, Ordering::Relaxed) == 1);
        let report = probed_with(&memory, trick).await;
        let refusal = refusal(&report);
        assert!(refusal.contains("just stored is not found"), "{refusal}");
        assert!(names(&*memory).await.is_empty());
    });
}

/// Gives the last bytes of an object wherever a part from its middle is asked for.
struct MixesParts;

#[async_trait]
impl Trick for MixesParts {
    async fn get_range(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let length = range.end - range.start;
        match inner.get(name).await?.len() as u64 {
            whole if range.start > 0 && range.end < whole => {
                inner.get_range(name, whole - length..whole).await
            }
            _ => inner.get_range(name, range).await,
        }
    }
}

/// Gives less than the part asked for where an object ends.
struct CutsParts;

#[async_trait]
impl Trick for CutsParts {
    async fn get_range(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        let whole = inner.get(name).await?;
        Ok(whole.slice(range.start as usize..(range.end as usize).min(whole.len())))
    }
}

/// Lists in the order of creation.
struct ListsBackwards;

#[async_trait]
impl Trick for ListsBackwards {
    async fn list(
        &self,
        inner: &dyn Storage,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let mut page = inner.list(prefix, after, limit).await?;
        page.objects.reverse();
        Ok(page)
    }
}

#[test]
fn storages_that_answer_nonsense_are_refused_with_a_sentence() {
    block_on(async {
        let report = probed_with(&memory(), || MixesParts).await;
        assert!(refusal(&report).contains("reads back as other bytes"));
        let report = probed_with(&memory(), || CutsParts).await;
        assert!(refusal(&report).contains("beyond the end"));
        let report = probed_with(&memory(), || ListsBackwards).await;
        assert!(refusal(&report).contains("listing"));
    });
}

/// Shows the beginning of an object while the rest is on its way.
struct ShowsHalf;

#[async_trait]
impl Trick for ShowsHalf {
    async fn create(
        &self,
        inner: &dyn Storage,
        name: &ObjectName,
        body: Bytes,
    ) -> Result<(), StorageError> {
        if name.as_str().contains("whole") {
            inner.create(name, body.slice(..body.len() / 2)).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            inner.delete(std::slice::from_ref(name)).await;
        }
        inner.create(name, body).await
    }
}

#[test]
fn objects_that_are_seen_half_stored_are_recognised() {
    block_on(async {
        let report = probed_with(&memory(), || ShowsHalf).await;
        assert!(!facts(&report).whole_objects);
        assert_eq!(verdict(&report, "whole objects"), Verdict::Limited);
    });
}

/// Takes no deletions.
struct AppendOnly;

#[async_trait]
impl Trick for AppendOnly {
    async fn delete(
        &self,
        inner: &dyn Storage,
        names: &[ObjectName],
    ) -> Vec<(ObjectName, DeleteOutcome)> {
        let kind = StorageErrorKind::PermissionDenied;
        let refused = |name: &ObjectName| {
            let error = StorageError::new(kind, Operation::Delete, inner.location());
            (name.clone(), DeleteOutcome::Failed(error.of(name)))
        };
        names.iter().map(refused).collect()
    }
}

#[test]
fn what_an_append_only_storage_keeps_is_said_and_little() {
    block_on(async {
        let memory = memory();
        let report = probed_with(&memory, || AppendOnly).await;
        let facts = facts(&report);
        assert!(!facts.deletes);
        assert!(facts.fresh_reads);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
        assert_eq!(facts.upload_rate, None);
        let said: Vec<String> = report
            .left_behind
            .iter()
            .map(ObjectName::to_string)
            .collect();
        assert_eq!(said, names(&*memory).await);
        let kept = list_all(&*memory, &Prefix::all()).await;
        let bytes: u64 = kept
            .expect("a listing")
            .iter()
            .map(|object| object.size)
            .sum();
        assert!(bytes < 1 << 20, "{bytes} bytes");
    });
}

/// Cannot be reached from the n-th request on.
struct GoesAway(Arc<AtomicU64>);

#[async_trait]
impl Trick for GoesAway {
    async fn before(&self, _: Operation) -> Result<(), StorageErrorKind> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..20 => Ok(()),
            _ => Err(StorageErrorKind::Unavailable),
        }
    }
}

#[test]
fn a_storage_that_cannot_be_reached_is_an_error_and_no_verdict() {
    block_on(async {
        let memory = memory();
        let asked = Arc::new(AtomicU64::new(0));
        let open = Opening(|_| -> Arc<dyn Storage> {
            Arc::new(Tricked::new(memory.clone(), GoesAway(asked.clone())))
        });
        let surroundings = Surroundings {
            now: &SystemTime::now,
            random: 7,
        };
        let error = probe(&open, &surroundings).await.expect_err("an outage");
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    });
}
