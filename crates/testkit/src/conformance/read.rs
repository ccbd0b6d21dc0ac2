//! C6 to C8, C17: reading, bounds, and what errors say.

use std::error::Error as _;

use bytes::Bytes;
use ownkey_storage::{MAX_OBJECT_BYTES, Operation, StorageErrorKind};

use super::{Subject, kind, name, names, put, read};
use crate::random::SeededRandom;

/// C6: `get` returns exactly what was created, from nothing to the bound.
pub async fn c06_get_returns_exactly_what_was_created(subject: &Subject) {
    let storage = &*subject.storage;
    let mut random = SeededRandom::new(6);
    for size in [0, 1, 4095, 4096, 4097, 1 << 20, (5 << 20) + 3] {
        let body = random.bytes(size);
        let text = format!("data/{size}");
        put(storage, &text, &body).await;
        assert_eq!(read(storage, &text).await, body, "{size} bytes");
        let listed = storage
            .list(&ownkey_storage::Prefix::exactly(&name(&text)), None, 10)
            .await
            .expect("a page");
        assert_eq!(listed.objects.len(), 1);
        assert_eq!(listed.objects[0].size, size as u64);
    }
    let absent = storage.get(&name("data/absent")).await;
    assert_eq!(kind(absent), StorageErrorKind::NotFound);
    let absent = storage.get(&name("no/such/folder")).await;
    assert_eq!(kind(absent), StorageErrorKind::NotFound);
}

/// C7: ranges are exact or refused.
pub async fn c07_ranges_are_exact_or_refused(subject: &Subject) {
    let storage = &*subject.storage;
    let body = SeededRandom::new(7).bytes(300_000);
    put(storage, "data/body", &body).await;
    put(storage, "data/empty", b"").await;
    for range in [
        0..1,
        0..300_000,
        299_999..300_000,
        4095..4097,
        131_072..262_144,
    ] {
        let part = storage
            .get_range(&name("data/body"), range.clone())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(part, &body[range.start as usize..range.end as usize]);
    }
    #[expect(clippy::reversed_empty_ranges, reason = "a range that must be refused")]
    let reversed = 10..9;
    for range in [
        0..0,
        5..5,
        reversed,
        0..300_001,
        299_999..300_001,
        300_000..300_001,
        300_000..300_000,
        u64::MAX - 1..u64::MAX,
        0..u64::MAX,
    ] {
        let refused = storage.get_range(&name("data/body"), range.clone()).await;
        assert_eq!(kind(refused), StorageErrorKind::InvalidRange, "{range:?}");
    }
    let refused = storage.get_range(&name("data/empty"), 0..1).await;
    assert_eq!(kind(refused), StorageErrorKind::InvalidRange);
    let absent = storage.get_range(&name("data/absent"), 0..1).await;
    assert_eq!(kind(absent), StorageErrorKind::NotFound);
}

/// C8: the bound is stored and read, one byte more is not.
pub async fn c08_what_is_too_large_is_refused(subject: &Subject) {
    let storage = &*subject.storage;
    let bound = usize::try_from(MAX_OBJECT_BYTES).expect("a bound that fits memory");
    let mut body = vec![0_u8; bound + 1];
    body[bound - 1] = 9;
    let body = Bytes::from(body);
    let refused = storage.create(&name("data/above"), body.clone()).await;
    assert_eq!(kind(refused), StorageErrorKind::TooLarge);
    assert!(
        names(storage, "").await.is_empty(),
        "nothing of it is stored"
    );

    let largest = body.slice(..bound);
    storage
        .create(&name("data/largest"), largest.clone())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(read(storage, "data/largest").await == largest);
    let end = storage
        .get_range(
            &name("data/largest"),
            MAX_OBJECT_BYTES - 2..MAX_OBJECT_BYTES,
        )
        .await
        .expect("the last bytes");
    assert_eq!(&end[..], [0, 9]);
}

/// C17: errors name the operation, the place and the object, and their words hold no control
/// characters.
pub async fn c17_errors_name_operation_place_and_object(subject: &Subject) {
    let storage = &*subject.storage;
    let absent = name("data/ab/absent");
    put(storage, "data/ab/there", b"x").await;
    let errors = [
        (
            Operation::Get,
            storage.get(&absent).await.expect_err("absent"),
        ),
        (
            Operation::GetRange,
            storage.get_range(&absent, 0..1).await.expect_err("absent"),
        ),
        (
            Operation::Create,
            storage
                .create(&name("data/ab/there"), Bytes::new())
                .await
                .expect_err("taken"),
        ),
    ];
    for (operation, error) in errors {
        let message = error.to_string();
        assert_eq!(error.operation(), operation);
        let object = error.name().expect("a name");
        assert!(message.contains(object.as_str()), "{message}");
        assert!(message.contains(storage.location().as_str()), "{message}");
        assert!(message.contains(&operation.to_string()), "{message}");
        assert!(!message.chars().any(char::is_control), "{message}");
        assert!(!message.ends_with('.'), "{message}");
        if let Some(source) = error.source() {
            assert!(
                !message.contains(&source.to_string()),
                "said twice: {message}"
            );
        }
    }
}
