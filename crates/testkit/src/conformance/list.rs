//! C9 and C10: listing.

use std::collections::BTreeSet;

use ownkey_storage::{MAX_PAGE, ObjectName, Prefix, Storage};

use super::{Subject, name, names, prefix, put};

/// Lists page by page and checks each page on the way.
async fn paged(storage: &dyn Storage, under: &Prefix, limit: usize) -> Vec<ObjectName> {
    let mut all: Vec<ObjectName> = Vec::new();
    loop {
        let page = storage
            .list(under, all.last(), limit)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(page.objects.len() <= limit.clamp(1, MAX_PAGE));
        assert!(!(page.more && page.objects.is_empty()), "a page moves on");
        all.extend(page.objects.into_iter().map(|object| object.name));
        if !page.more {
            break;
        }
    }
    assert!(all.is_sorted(), "sorted by the bytes of the names");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    all
}

/// C9: pages of every size give the same, complete listing, in the order of the names' bytes.
pub async fn c09_pages_neither_repeat_nor_skip(subject: &Subject) {
    let storage = &*subject.storage;
    // In bytes `-` < `/` < `0`: an order that a walk folder by folder gets wrong.
    let mut expected: Vec<String> = [
        "a-b", "a/b", "a/b-c/d", "a/b0", "a0", "b-/x", "b/-", "b/x/y", "b0/x", "-", "0", "z",
    ]
    .map(String::from)
    .into();
    // `a/b` is an object, so nothing stands beneath it; hence `a/b-c/d` and not `a/b/c`.
    expected.extend((0..40).map(|n| format!("data/{:02x}/{n}", n % 7)));
    expected.sort();
    for text in expected.iter().rev() {
        put(storage, text, b"x").await;
    }
    let spelled =
        |all: Vec<ObjectName>| -> Vec<String> { all.iter().map(ObjectName::to_string).collect() };
    for limit in [
        0,
        1,
        2,
        3,
        7,
        expected.len() - 1,
        expected.len(),
        1000,
        usize::MAX,
    ] {
        let all = paged(storage, &Prefix::all(), limit).await;
        assert_eq!(spelled(all), expected, "pages of {limit}");
        let data = paged(storage, &prefix("data/"), limit).await;
        assert_eq!(data.len(), 40, "pages of {limit}");
    }
    // A page goes on after any name, stored or not.
    for after in ["0", "a", "a/b", "a/b/zz", "a/b-c", "b-", "data/03/zz", "zz"] {
        let page = storage
            .list(&Prefix::all(), Some(&name(after)), 1000)
            .await
            .expect("a page");
        let rest: Vec<_> = page.objects.iter().map(|o| o.name.to_string()).collect();
        let wanted: Vec<_> = expected.iter().filter(|n| n.as_str() > after).collect();
        assert_eq!(rest.iter().collect::<Vec<_>>(), wanted, "after {after}");
        assert!(!page.more);
    }
}

/// C9: what was there before the first page is on one of them, whatever is created meanwhile.
pub async fn c09_list_is_complete_and_sorted_while_others_create(subject: &Subject) {
    let storage = &*subject.storage;
    let before: Vec<String> = (0..60)
        .map(|n| format!("data/{:02x}/{n:03}", n % 5))
        .collect();
    for text in &before {
        put(storage, text, b"old").await;
    }
    let other = subject.reopen();
    let creator = tokio::spawn(async move {
        for n in 0..60 {
            put(&*other, &format!("data/{:02x}/{n:03}-new", n % 9), b"new").await;
        }
    });
    let mut rounds = 0;
    while !creator.is_finished() || rounds < 3 {
        let listed: BTreeSet<_> = paged(storage, &prefix("data/"), 7)
            .await
            .iter()
            .map(ObjectName::to_string)
            .collect();
        let missing: Vec<_> = before.iter().filter(|n| !listed.contains(*n)).collect();
        assert!(missing.is_empty(), "missing: {missing:?}");
        rounds += 1;
    }
    creator.await.expect("a creator without complaint");
    assert_eq!(names(storage, "data/").await.len(), 120);
}

/// C10: listings show objects under the prefix and nothing else.
pub async fn c10_list_shows_objects_under_the_prefix_alone(subject: &Subject) {
    let storage = &*subject.storage;
    assert!(
        names(storage, "").await.is_empty(),
        "a new storage is empty"
    );
    assert!(names(storage, "data/").await.is_empty());
    for text in [
        "data/ab/1",
        "data/ab-c/2",
        "data/abc/3",
        "data-x/4",
        "dat/5",
        "ownkey",
    ] {
        put(storage, text, b"x").await;
    }
    assert_eq!(names(storage, "data/ab/").await, ["data/ab/1"]);
    assert_eq!(
        names(storage, "data/").await,
        ["data/ab-c/2", "data/ab/1", "data/abc/3"]
    );
    assert!(names(storage, "data/ab/1/").await.is_empty());
    assert!(names(storage, "nothing/").await.is_empty());
    let one = Prefix::exactly(&name("ownkey"));
    assert_eq!(paged(storage, &one, 10).await, [name("ownkey")]);
    let none = Prefix::exactly(&name("data/ab"));
    assert!(paged(storage, &none, 10).await.is_empty());
    let page = storage
        .list(&prefix("data/"), Some(&name("a")), 2)
        .await
        .expect("a page");
    assert_eq!(page.objects.len(), 2);
    assert!(page.more);
    let page = storage
        .list(&prefix("data/"), Some(&name("z")), 2)
        .await
        .expect("a page");
    assert!(page.objects.is_empty() && !page.more);
}
