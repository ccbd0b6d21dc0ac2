//! C1 to C5, C15, C16: creation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ownkey_storage::{CreateIfAbsent, StorageErrorKind};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Subject, delete_one, kind, name, names, put, read};

/// C1: `create` never overwrites.
pub async fn c01_create_never_overwrites(subject: &Subject) {
    let storage = &subject.storage;
    put(&**storage, "data/ab/one", b"first").await;
    for body in [&b"second"[..], b"first", b""] {
        let again = storage
            .create(&name("data/ab/one"), Bytes::copy_from_slice(body))
            .await;
        assert_eq!(kind(again), StorageErrorKind::AlreadyExists);
        assert_eq!(read(&**storage, "data/ab/one").await, b"first");
    }
    assert_eq!(names(&**storage, "").await, ["data/ab/one"]);
}

/// C2: nobody ever reads, lists or measures a part of an object.
pub async fn c02_nobody_sees_a_part_of_an_object(subject: &Subject) {
    const SIZE: usize = 3 << 20;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let (storage, done) = (subject.reopen(), done.clone());
        readers.spawn(async move {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                for round in 0..8_u8 {
                    let text = format!("data/{round}");
                    match storage.get(&name(&text)).await {
                        Ok(body) => {
                            assert_eq!(body.len(), SIZE, "a part of {text} was read");
                            assert!(body.iter().all(|byte| *byte == round));
                            seen += 1;
                        }
                        Err(error) => assert_eq!(error.kind(), StorageErrorKind::NotFound),
                    }
                }
                let page = storage.list(&super::prefix("data/"), None, 100).await;
                for object in page.expect("a page").objects {
                    assert_eq!(object.size, SIZE as u64, "a part of {} listed", object.name);
                }
                tokio::task::yield_now().await;
            }
            seen
        });
    }
    for round in 0..8_u8 {
        put(
            &*subject.storage,
            &format!("data/{round}"),
            &vec![round; SIZE],
        )
        .await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    done.store(true, Ordering::Relaxed);
    while let Some(seen) = readers.join_next().await {
        seen.expect("a reader without complaint");
    }
}

/// C3: of 24 creators racing for one name exactly one wins, and its bytes are stored.
pub async fn c03_one_of_many_creators_wins(subject: &Subject) {
    const RACERS: u8 = 24;
    if subject.storage.capabilities().create_if_absent == CreateIfAbsent::Checked {
        println!("not tried: this storage cannot create exclusively, and says so");
        return;
    }
    for round in 0..8 {
        let text = format!("log/{round}");
        let start = Arc::new(Barrier::new(usize::from(RACERS)));
        let mut racers = JoinSet::new();
        for racer in 0..RACERS {
            // Half of them through handles of their own, as other processes would.
            let storage = if racer % 2 == 0 {
                subject.storage.clone()
            } else {
                subject.reopen()
            };
            let (start, wanted) = (start.clone(), name(&text));
            racers.spawn(async move {
                // Lengths differ, so that a mixture of two winners could not hide.
                let body = vec![racer; 1000 + usize::from(racer)];
                start.wait().await;
                (racer, storage.create(&wanted, body.into()).await)
            });
        }
        let mut winners = Vec::new();
        while let Some(raced) = racers.join_next().await {
            match raced.expect("a racer without complaint") {
                (racer, Ok(())) => winners.push(racer),
                (_, Err(error)) => {
                    assert_eq!(error.kind(), StorageErrorKind::AlreadyExists, "{error}");
                }
            }
        }
        assert_eq!(winners.len(), 1, "exactly one winner");
        let stored = read(&*subject.storage, &text).await;
        assert_eq!(stored, vec![winners[0]; 1000 + usize::from(winners[0])]);
    }
    assert_eq!(names(&*subject.storage, "log/").await.len(), 8);
}

/// C4: a storage opened anew has what was created.
pub async fn c04_a_storage_opened_anew_has_what_was_created(subject: &Subject) {
    put(&*subject.storage, "ownkey", b"header").await;
    put(&*subject.storage, "a/b/c/d/e/f", b"deep").await;
    let again = subject.reopen();
    assert_eq!(read(&*again, "ownkey").await, b"header");
    assert_eq!(read(&*again, "a/b/c/d/e/f").await, b"deep");
    let taken = again
        .create(&name("ownkey"), Bytes::from_static(b"other"))
        .await;
    assert_eq!(kind(taken), StorageErrorKind::AlreadyExists);
    assert_eq!(names(&*again, "").await, ["a/b/c/d/e/f", "ownkey"]);
}

/// C5: a read sees every `create` that ended before it, also of a name found absent before.
pub async fn c05_a_read_sees_every_create_that_ended(subject: &Subject) {
    let other = subject.reopen();
    for round in 0..32 {
        let text = format!("log/device/{round}");
        assert_eq!(
            kind(other.get(&name(&text)).await),
            StorageErrorKind::NotFound
        );
        assert_eq!(names(&*other, "log/").await.len(), round);
        put(&*subject.storage, &text, text.as_bytes()).await;
        assert_eq!(read(&*other, &text).await, text.as_bytes());
        assert_eq!(names(&*other, "log/").await.len(), round + 1);
    }
}

/// C15: a folder is not an object, and nested names harm nothing.
pub async fn c15_a_folder_is_not_an_object(subject: &Subject) {
    let storage = &*subject.storage;
    put(storage, "a/b", b"inner").await;
    assert_eq!(
        kind(storage.get(&name("a")).await),
        StorageErrorKind::NotFound
    );
    assert_eq!(
        kind(storage.get_range(&name("a"), 0..1).await),
        StorageErrorKind::NotFound
    );
    assert_eq!(
        kind(storage.get(&name("a/b/c")).await),
        StorageErrorKind::NotFound
    );
    assert_eq!(names(storage, "").await, ["a/b"]);
    assert!(delete_one(storage, "a").await.is_done());
    assert!(delete_one(storage, "a/b/c").await.is_done());
    for nested in ["a", "a/b/c", "a/b/c/d"] {
        match storage
            .create(&name(nested), Bytes::from_static(b"x"))
            .await
        {
            Ok(()) => assert_eq!(read(storage, nested).await, b"x"),
            Err(error) => assert_eq!(error.kind(), StorageErrorKind::Unsupported, "{error}"),
        }
        assert_eq!(read(storage, "a/b").await, b"inner");
    }
}

/// C16: a dropped `create` happened wholly or not at all.
pub async fn c16_a_dropped_create_is_all_or_nothing(subject: &Subject) {
    const SIZE: usize = 1 << 20;
    for round in 0..16_u64 {
        let wanted = name(&format!("data/{round}"));
        let create = subject.storage.create(&wanted, vec![7; SIZE].into());
        // Dropped at moments spread over the time it takes.
        let patience = Duration::from_micros(round * 200);
        let _ = tokio::time::timeout(patience, create).await;
    }
    // Whatever goes on behind the dropped futures, it never shows a part.
    for _ in 0..20 {
        for round in 0..16 {
            match subject.storage.get(&name(&format!("data/{round}"))).await {
                Ok(body) => assert!(body.len() == SIZE && body.iter().all(|byte| *byte == 7)),
                Err(error) => assert_eq!(error.kind(), StorageErrorKind::NotFound),
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
