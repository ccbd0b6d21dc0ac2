//! A probe finds out what storages really do, whatever they say.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use ownkey_storage::probe::{Facts, Opener, Report, Surroundings, Verdict, probe};
use ownkey_storage::{
    CreateIfAbsent, DeleteOutcome, LocalStorage, MemoryStorage, ObjectName, Operation, Page,
    Prefix, RetentionSupport, Storage, StorageError, StorageErrorKind, VersionSupport,
};
use ownkey_testkit::block_on;
use ownkey_testkit::servers::{Bucket, S3Server};

use super::tricks::{Trick, Tricked};
use super::{names, put};

/// Opens by a function of the mode.
struct Opening<F>(F);

#[async_trait]
impl<F> Opener for Opening<F>
where
    F: Fn(CreateIfAbsent) -> Arc<dyn Storage> + Send + Sync,
{
    async fn open(&self, mode: CreateIfAbsent) -> Result<Arc<dyn Storage>, StorageError> {
        Ok((self.0)(mode))
    }
}

async fn probed<F>(open: F) -> Report
where
    F: Fn(CreateIfAbsent) -> Arc<dyn Storage> + Send + Sync,
{
    let surroundings = Surroundings {
        now: &SystemTime::now,
        random: 7,
    };
    let report = probe(&Opening(open), &surroundings).await;
    report.unwrap_or_else(|error| panic!("{error}"))
}

/// Connections to one storage in memory, each with a trick of its own.
async fn probed_with<T: Trick>(
    memory: &Arc<MemoryStorage>,
    trick: impl Fn() -> T + Send + Sync,
) -> Report {
    probed(|_| Arc::new(Tricked::new(memory.clone(), trick()))).await
}

fn memory() -> Arc<MemoryStorage> {
    Arc::new(MemoryStorage::new().with_clock(Arc::new(SystemTime::now)))
}

fn facts(report: &Report) -> Facts {
    report.facts().unwrap_or_else(|error| panic!("{error}"))
}

fn verdict(report: &Report, what: &str) -> Verdict {
    let row = report.rows.iter().find(|row| row.what == what);
    row.unwrap_or_else(|| panic!("no row {what}: {report:#?}"))
        .verdict
}

fn refusal(report: &Report) -> String {
    let error = report.facts().expect_err("a refusal");
    assert_eq!(error.kind(), StorageErrorKind::BrokenContract);
    assert_eq!(verdict(report, "usable"), Verdict::Unusable);
    error.to_string()
}

#[test]
fn the_reference_is_all_that_a_storage_should_be_and_is_left_as_it_was() {
    block_on(async {
        let memory = memory();
        put(&*memory, "ownkey").await;
        let report = probed(|_| memory.clone()).await;
        let facts = facts(&report);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
        assert!(facts.fresh_reads && facts.deletes);
        assert_eq!(facts.versions, VersionSupport::None);
        assert_eq!(facts.clock_ahead_seconds, Some(0));
        assert!(facts.upload_rate > Some(0) && facts.download_rate > Some(0));
        assert!(report.left_behind.is_empty());
        assert_eq!(names(&*memory).await, ["ownkey"]);
        for row in &report.rows {
            assert!(!row.meaning.ends_with('.'), "{row:?}");
            assert!(!row.meaning.chars().any(char::is_control), "{row:?}");
        }
    });
}

#[test]
fn a_folder_is_all_that_a_storage_should_be_and_is_left_as_it_was() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("repository");
        LocalStorage::create_root(&path).await.expect("a storage");
        let report = probed(|_| Arc::new(super::open_now(&path))).await;
        let facts = facts(&report);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
        assert!(facts.fresh_reads && facts.deletes);
        assert_eq!(facts.clock_ahead_seconds, Some(0));
        assert!(names(&super::open_now(&path)).await.is_empty());
    });
}

#[tokio::test(start_paused = true)]
async fn versions_and_locks_are_seen_to_hold_and_brief_locks_are_waited_for() {
    // A clock that runs with the test's.
    let begun = tokio::time::Instant::now();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let now = move || start + begun.elapsed();
    let memory = Arc::new(MemoryStorage::with_versions().with_clock(Arc::new(now)));
    let surroundings = Surroundings {
        now: &now,
        random: 7,
    };
    let opener = Opening(|_| -> Arc<dyn Storage> { memory.clone() });
    let report = probe(&opener, &surroundings).await.expect("a report");
    let facts = facts(&report);
    assert_eq!(facts.versions, VersionSupport::Kept);
    assert_eq!(facts.retention, RetentionSupport::Kept);
    assert!(report.left_behind.is_empty(), "{:?}", report.left_behind);
    assert!(names(&*memory).await.is_empty());
}

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
fn a_cache_that_remembers_absence_is_recognised() {
    block_on(async {
        let report = probed_with(&memory(), RemembersAbsence::default).await;
        let facts = facts(&report);
        assert!(!facts.fresh_reads);
        assert_eq!(verdict(&report, "fresh reads"), Verdict::Limited);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
    });
}

/// Gives a folder's first listing again and again.
#[derive(Default)]
struct ListsFromMemory(Mutex<std::collections::BTreeMap<String, Page>>);

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
        let kept = ownkey_storage::list_all(&*memory, &Prefix::all()).await;
        let bytes: u64 = kept
            .expect("a listing")
            .iter()
            .map(|object| object.size)
            .sum();
        assert!(bytes < 1 << 20, "{bytes} bytes");
    });
}

#[test]
fn clocks_that_differ_are_told() {
    block_on(async {
        for (ahead, offset) in [(true, 7200), (false, 7200)] {
            let clock = move || {
                let now = SystemTime::now();
                let offset = Duration::from_secs(offset);
                if ahead { now + offset } else { now - offset }
            };
            let memory = Arc::new(MemoryStorage::new().with_clock(Arc::new(clock)));
            let report = probed(|_| memory.clone()).await;
            let told = facts(&report).clock_ahead_seconds.expect("a clock");
            let expected = if ahead { 7195..=7200 } else { -7200..=-7195 };
            assert!(expected.contains(&told), "{told}");
            assert_eq!(verdict(&report, "clock"), Verdict::Limited);
        }
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

/// Probes a fresh bucket of a server that is installed.
fn server_probed(server: Option<&'static S3Server>, kind: Bucket) -> Option<Report> {
    let server = server?;
    let bucket = server.fresh_bucket(kind);
    Some(block_on(async {
        let open = |mode| -> Arc<dyn Storage> {
            Arc::new(super::s3::storage(
                server,
                &bucket,
                super::s3::options(kind, mode),
            ))
        };
        let report = probed(open).await;
        let left = names(&*open(CreateIfAbsent::Checked)).await;
        let said: Vec<String> = report
            .left_behind
            .iter()
            .map(ObjectName::to_string)
            .collect();
        assert_eq!(left, said, "what is left is said");
        report
    }))
}

#[test]
fn seaweedfs_creates_exclusively_and_keeps_versions_and_locks() {
    let Some(report) = server_probed(S3Server::seaweedfs(), Bucket::Locked) else {
        return;
    };
    let facts = facts(&report);
    assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
    assert!(facts.fresh_reads && facts.deletes);
    assert_eq!(facts.versions, VersionSupport::Kept);
    assert_eq!(facts.retention, RetentionSupport::Kept);
}

#[test]
fn moto_creates_exclusively() {
    let Some(report) = server_probed(S3Server::moto(), Bucket::Plain) else {
        return;
    };
    assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Atomic);
}

#[test]
fn rclone_and_s3rver_overwrite_and_must_be_looked_at_first() {
    for server in [S3Server::rclone(), S3Server::s3rver()] {
        let Some(report) = server_probed(server, Bucket::Plain) else {
            continue;
        };
        let facts = facts(&report);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Checked);
        assert!(facts.fresh_reads && facts.deletes, "{report:#?}");
    }
}
