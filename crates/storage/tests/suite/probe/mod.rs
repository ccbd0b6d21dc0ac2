//! A probe finds out what storages really do, whatever they say.

mod servers;
mod wrong;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ownkey_storage::probe::{Facts, Opener, Report, Surroundings, Verdict, probe};
use ownkey_storage::{
    CreateIfAbsent, LocalStorage, MemoryStorage, RetentionSupport, Storage, StorageError,
    StorageErrorKind, VersionSupport,
};
use ownkey_testkit::block_on;

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
        assert!(facts.fresh_reads && facts.deletes && facts.whole_objects);
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
