//! What is kept at hand is right or not there, and nobody notices when it goes.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_storage::{
    Cache, CachePolicy, MemoryStorage, ObjectName, Operation, Prefix, Storage, StorageErrorKind,
};
use ownkey_testkit::{Recording, SeededRandom, block_on};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{name, put};

/// A cache of `meta/`, the storage beneath, and what that was asked.
struct Place {
    cache: Cache,
    inner: Arc<Recording>,
    memory: Arc<MemoryStorage>,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::of(1 << 30)
    }

    fn of(most_bytes: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Arc::new(MemoryStorage::new());
        let inner = Arc::new(Recording::new(memory.clone()));
        let cache = Cache::new(
            inner.clone(),
            folder.path().join("cache"),
            policy(most_bytes),
        );
        Self {
            cache,
            inner,
            memory,
            folder,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn file(&self, of: &str) -> PathBuf {
        self.path().join(of.replace('/', "_"))
    }

    fn reads(&self) -> usize {
        self.inner.count(Operation::Get, "") + self.inner.count(Operation::GetRange, "")
    }

    async fn get(&self, of: &str) -> Bytes {
        self.cache.get(&name(of)).await.expect("an object")
    }
}

fn policy(most_bytes: u64) -> CachePolicy {
    CachePolicy {
        most_bytes,
        keeps: |name| name.as_str().starts_with("meta/"),
        is_genuine: |_, body| !body.starts_with(b"forged"),
    }
}

fn body(seed: u64, length: usize) -> Bytes {
    SeededRandom::new(seed).bytes(length).into()
}

async fn store(storage: &dyn Storage, of: &str, body: &Bytes) {
    let created = storage.create(&name(of), body.clone()).await;
    created.expect("a new object");
}

#[test]
fn what_was_read_or_stored_once_is_not_asked_for_again() {
    block_on(async {
        let place = Place::new();
        put(&*place.memory, "meta/old").await;
        put(&*place.memory, "data/old").await;
        put(&place.cache, "meta/new").await;
        for _ in 0..3 {
            assert_eq!(place.get("meta/old").await, "meta/old");
            assert_eq!(place.get("meta/new").await, "meta/new");
            assert_eq!(place.get("data/old").await, "data/old");
        }
        assert_eq!(place.inner.count(Operation::Get, "meta/old"), 1);
        assert_eq!(place.inner.count(Operation::Get, "meta/new"), 0);
        assert_eq!(place.inner.count(Operation::Get, "data/old"), 3);
        let mode = fs::metadata(place.file("meta/old")).expect("a file");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let mode = fs::metadata(place.path()).expect("a folder");
        assert_eq!(mode.permissions().mode() & 0o777, 0o700);
    });
}

#[test]
fn parts_of_what_is_here_are_read_from_here() {
    block_on(async {
        let place = Place::new();
        let whole = body(1, 300_000);
        store(&place.cache, "meta/one", &whole).await;
        for range in [
            0..1,
            65_535..65_537,
            65_536..131_072,
            299_999..300_000,
            0..300_000,
        ] {
            let part = place
                .cache
                .get_range(&name("meta/one"), range.clone())
                .await;
            let expected = whole.slice(range.start as usize..range.end as usize);
            assert!(part.expect("a part") == expected, "{range:?}");
        }
        assert_eq!(place.reads(), 0);
        let beyond = place.cache.get_range(&name("meta/one"), 0..300_001).await;
        let kind = beyond.expect_err("beyond the end").kind();
        assert_eq!(kind, StorageErrorKind::InvalidRange);
    });
}

#[test]
fn who_reads_many_parts_of_an_object_gets_the_whole_of_it_once() {
    block_on(async {
        let place = Place::new();
        let whole = body(2, 8 << 20);
        store(&*place.memory, "meta/one", &whole).await;
        const PART: u64 = 256 << 10;
        for n in 0..32 {
            let range = n * PART..(n + 1) * PART;
            let part = place
                .cache
                .get_range(&name("meta/one"), range.clone())
                .await;
            let expected = whole.slice(range.start as usize..range.end as usize);
            assert!(part.expect("a part") == expected);
        }
        let parts = place.inner.count(Operation::GetRange, "meta/one");
        assert_eq!(place.inner.count(Operation::Get, "meta/one"), 1);
        assert!((1..8).contains(&parts), "{parts} parts before the whole");
    });
}

#[test]
fn whatever_happens_to_a_file_is_a_miss_and_never_wrong_bytes() {
    block_on(async {
        let whole = body(3, 200_000);
        let other = body(4, 200_000);
        type Damage = (&'static str, fn(&mut Vec<u8>));
        let damages: [Damage; 6] = [
            ("a flipped bit", |file| file[100_000] ^= 1),
            ("a flipped checksum", |file| file[0] ^= 1),
            ("cut short", |file| file.truncate(150_000)),
            ("cut at a block", |file| file.truncate(2 * (65_536 + 32))),
            ("longer", |file| file.push(0)),
            ("empty", |file| file.clear()),
        ];
        for (damage, apply) in damages {
            let place = Place::new();
            store(&place.cache, "meta/one", &whole).await;
            let mut bytes = fs::read(place.file("meta/one")).expect("a file");
            apply(&mut bytes);
            fs::write(place.file("meta/one"), bytes).expect("damage");
            assert!(place.get("meta/one").await == whole, "{damage}");
            assert_eq!(place.reads(), 1, "{damage}: once from the storage");
            assert!(place.get("meta/one").await == whole);
            assert_eq!(place.reads(), 1, "{damage}: and kept again");
        }
        let place = Place::new();
        store(&place.cache, "meta/one", &whole).await;
        store(&place.cache, "meta/two", &other).await;
        fs::rename(place.file("meta/two"), place.file("meta/one")).expect("swapped");
        assert!(place.get("meta/one").await == whole, "swapped");
    });
}

#[test]
fn a_damaged_block_is_nobodys_business_who_reads_another() {
    block_on(async {
        let place = Place::new();
        let whole = body(5, 200_000);
        store(&place.cache, "meta/one", &whole).await;
        let mut bytes = fs::read(place.file("meta/one")).expect("a file");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(place.file("meta/one"), bytes).expect("damage");
        let part = place.cache.get_range(&name("meta/one"), 10..20).await;
        assert_eq!(part.expect("a part"), whole.slice(10..20));
        assert_eq!(place.reads(), 0);
        let part = place
            .cache
            .get_range(&name("meta/one"), 199_990..200_000)
            .await;
        assert_eq!(part.expect("a part"), whole.slice(199_990..200_000));
        assert_eq!(place.reads(), 1);
        assert!(!place.file("meta/one").exists(), "damage is removed");
    });
}

#[test]
fn a_forgery_is_handed_on_and_not_kept() {
    block_on(async {
        let place = Place::new();
        let forged = Bytes::from_static(b"forged by the storage");
        store(&*place.memory, "meta/one", &forged).await;
        assert_eq!(place.get("meta/one").await, forged);
        place.memory.delete(&[name("meta/one")]).await;
        put(&*place.memory, "meta/one").await;
        assert_eq!(
            place.get("meta/one").await,
            "meta/one",
            "the storage was healed"
        );
    });
}

#[test]
fn absence_and_listings_come_from_the_storage_alone() {
    block_on(async {
        let place = Place::new();
        let absent = place.cache.get(&name("meta/one")).await;
        assert_eq!(
            absent.expect_err("absent").kind(),
            StorageErrorKind::NotFound
        );
        put(&*place.memory, "meta/one").await;
        assert_eq!(place.get("meta/one").await, "meta/one");
        place.memory.delete(&[name("meta/one")]).await;
        let page = place.cache.list(&Prefix::all(), None, 10).await;
        assert!(page.expect("a page").objects.is_empty());
    });
}

#[test]
fn what_is_deleted_is_not_kept() {
    block_on(async {
        let place = Place::new();
        put(&place.cache, "meta/one").await;
        assert!(place.file("meta/one").exists());
        place.cache.delete(&[name("meta/one")]).await;
        assert!(!place.file("meta/one").exists());
        let gone = place.cache.get(&name("meta/one")).await;
        assert_eq!(gone.expect_err("gone").kind(), StorageErrorKind::NotFound);
    });
}

#[test]
fn a_folder_that_cannot_be_used_is_no_cache_and_no_error() {
    block_on(async {
        let place = Place::new();
        fs::write(place.path(), "a file in its place").expect("a file");
        put(&place.cache, "meta/one").await;
        for _ in 0..2 {
            assert_eq!(place.get("meta/one").await, "meta/one");
        }
        assert_eq!(place.reads(), 2);
        place.cache.delete(&[name("meta/one")]).await;
    });
}

#[test]
fn the_folder_may_go_at_any_time() {
    block_on(async {
        let place = Place::new();
        put(&place.cache, "meta/one").await;
        fs::remove_dir_all(place.path()).expect("gone");
        assert_eq!(place.get("meta/one").await, "meta/one");
        assert_eq!(place.reads(), 1);
        assert_eq!(place.get("meta/one").await, "meta/one");
        assert_eq!(place.reads(), 1, "made and filled anew");
    });
}

/// When a file was last used, told by hand.
fn set_age(path: &Path, seconds: u64) {
    let used = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - seconds);
    let file = File::options().write(true).open(path).expect("a file");
    file.set_modified(used).expect("a time");
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").metadata().expect("facts").len())
        .sum()
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    block_on(async {
        let place = Place::of(1_000_000);
        for n in 0..9 {
            store(&place.cache, &format!("meta/{n}"), &body(n, 100_000)).await;
        }
        for n in 0..9 {
            set_age(&place.file(&format!("meta/{n}")), 1000 - n);
        }
        // The oldest one is used once more.
        place.get("meta/0").await;
        for n in 9..12 {
            store(&place.cache, &format!("meta/{n}"), &body(n, 100_000)).await;
        }
        assert!(bytes_in(&place.path()) <= 1_000_000);
        assert!(place.file("meta/0").exists(), "used a moment ago");
        assert!(!place.file("meta/1").exists(), "not used for longest");
        assert!(place.file("meta/11").exists(), "the newest");
        let huge = body(20, 2_000_000);
        store(&place.cache, "meta/huge", &huge).await;
        assert!(!place.file("meta/huge").exists(), "larger than all of it");
        assert!(place.file("meta/11").exists());
    });
}

#[test]
fn two_processes_in_one_narrow_folder_never_read_anything_wrong() {
    block_on(async {
        let place = Place::of(600_000);
        let bodies: Arc<Vec<Bytes>> = Arc::new((0..10).map(|n| body(n, 90_000)).collect());
        for (n, body) in bodies.iter().enumerate() {
            store(&*place.memory, &format!("meta/{n}"), body).await;
        }
        let mut tasks = JoinSet::new();
        for process in 0..2 {
            let cache = Cache::new(place.inner.clone(), place.path(), policy(600_000));
            let cache = Arc::new(cache);
            for task in 0..2 {
                let (cache, bodies) = (cache.clone(), bodies.clone());
                tasks.spawn(async move {
                    let mut random = SeededRandom::new(process * 2 + task);
                    for _ in 0..150 {
                        let n = random.index(10);
                        let object: ObjectName = name(&format!("meta/{n}"));
                        let read = cache.get(&object).await.expect("an object");
                        assert!(read == bodies[n], "object {n}");
                    }
                });
            }
        }
        tasks.join_all().await;
        let hits = 600 - place.reads();
        assert!(hits > 50, "only {hits} of 600 from the folder");
        assert!(bytes_in(&place.path()) <= 600_000 + 2 * 60_000 + 4 * 100_000);
    });
}
