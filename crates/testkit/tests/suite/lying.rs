//! Each lie shows what it says, and only that.

use std::sync::Arc;

use bytes::Bytes;
use ownkey_storage::{MemoryStorage, Prefix, Storage, list_all};
use ownkey_testkit::{Dump, Lie, Lying, block_on};

use super::{name, put};

async fn liar() -> Lying {
    let memory = MemoryStorage::new();
    put(&memory, "one").await;
    put(&memory, "two").await;
    Lying::new(Arc::new(memory))
}

async fn read(storage: &dyn Storage, text: &str) -> Option<Bytes> {
    storage.get(&name(text)).await.ok()
}

async fn listed(storage: &dyn Storage) -> Vec<(String, u64)> {
    list_all(storage, &Prefix::all())
        .await
        .expect("a listing")
        .into_iter()
        .map(|object| (object.name.to_string(), object.size))
        .collect()
}

fn told(listing: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = |(name, size): &(&str, u64)| (String::from(*name), *size);
    listing.iter().map(owned).collect()
}

#[test]
fn lies_about_contents_show_in_reads_and_listings_and_end_with_repentance() {
    block_on(async {
        let honest = told(&[("one", 3), ("two", 3)]);
        let cases = [
            (Lie::FlipBit(name("one"), 9), &[b'o', b'n' ^ 2, b'e'][..], 3),
            (Lie::Truncate(name("one"), 2), b"on", 2),
            (
                Lie::Extend(name("one"), Bytes::from_static(b"!")),
                b"one!",
                4,
            ),
            (Lie::Swap(name("one"), name("two")), b"two", 3),
            (Lie::ServeAs(name("one"), name("two")), b"two", 3),
            (Lie::Plant(name("one"), Bytes::new()), b"", 0),
        ];
        for (lie, shown, size) in cases {
            let liar = liar().await;
            liar.tell(lie.clone());
            let read_now = read(&liar, "one").await.expect("something");
            assert_eq!(&read_now[..], shown, "{lie:?}");
            let listing = told(&[("one", size), ("two", 3)]);
            assert_eq!(listed(&liar).await, listing, "{lie:?}");
            liar.repent();
            assert_eq!(read(&liar, "one").await.expect("it"), "one");
            assert_eq!(listed(&liar).await, honest);
        }
    });
}

#[test]
fn objects_can_be_hidden_unlisted_and_invented() {
    block_on(async {
        let liar = liar().await;
        liar.tell(Lie::Hide(name("one")));
        assert_eq!(read(&liar, "one").await, None);
        assert_eq!(listed(&liar).await, told(&[("two", 3)]));
        liar.repent();
        liar.tell(Lie::Unlist(name("one")));
        assert!(read(&liar, "one").await.is_some());
        assert_eq!(listed(&liar).await, told(&[("two", 3)]));
        liar.repent();
        liar.tell(Lie::ServeAs(name("new"), name("two")));
        assert_eq!(read(&liar, "new").await.expect("it"), "two");
        let listing = told(&[("new", 3), ("one", 3), ("two", 3)]);
        assert_eq!(listed(&liar).await, listing);
    });
}

#[test]
fn ranges_can_be_wrong_in_place_and_length() {
    block_on(async {
        let liar = liar().await;
        liar.tell(Lie::ShiftRanges(name("one"), 1));
        let part = liar.get_range(&name("one"), 0..2).await.expect("a part");
        assert_eq!(part, "ne");
        liar.repent();
        liar.tell(Lie::ShortenRanges(name("one"), 1));
        let part = liar.get_range(&name("one"), 0..2).await.expect("a part");
        assert_eq!(part, "o");
    });
}

#[test]
fn listings_out_of_order_are_refused_by_whoever_lists_all() {
    block_on(async {
        let liar = liar().await;
        liar.tell(Lie::ReverseListings);
        let error = list_all(&liar, &Prefix::all()).await.expect_err("reversed");
        let kind = ownkey_storage::StorageErrorKind::BrokenContract;
        assert_eq!(error.kind(), kind);
    });
}

#[test]
fn changes_can_be_swallowed() {
    block_on(async {
        let liar = liar().await;
        liar.tell(Lie::SwallowCreates);
        liar.tell(Lie::SwallowDeletes);
        put(&liar, "three").await;
        assert_eq!(read(&liar, "three").await, None);
        assert!(liar.delete(&[name("one")]).await[0].1.is_done());
        assert!(read(&liar, "one").await.is_some());
    });
}

#[test]
fn a_whole_storage_can_be_rolled_back_and_forked() {
    block_on(async {
        let liar = liar().await;
        let yesterday = Dump::take(&liar).await.expect("a dump");
        put(&liar, "three").await;
        liar.switch_to(Arc::new(yesterday.to_memory()));
        assert_eq!(read(&liar, "three").await, None);
        put(&liar, "three").await;
        let forked = Dump::take(&liar).await.expect("a dump");
        assert_eq!(forked.since(&yesterday).added, [name("three")]);
    });
}

#[test]
fn a_seed_always_tells_the_same_lie() {
    let lies = |from: u64| -> Vec<_> {
        (from..from + 40)
            .map(|seed| Lie::seeded(seed, &name("one"), 3))
            .collect()
    };
    assert_eq!(lies(0), lies(0));
    assert_ne!(lies(0), lies(40));
}
