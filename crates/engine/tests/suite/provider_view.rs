//! What `provider_view` claims that a storage sees, against what a storage has seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use ownkey_engine::format::layout::Object;
use ownkey_engine::provider_view::{self, Kind, ProviderView};
use ownkey_storage::{MemoryStorage, ObjectName, Operation};
use ownkey_testkit::{Call, Outcome, Recording};

use crate::access::{Case, USUAL};

fn view(case: &Case) -> ProviderView {
    provider_view::look(&case.desk.environment, &case.storage).expect("a listing")
}

/// Bytes and objects below each first part of a name, as they were stored.
fn stored(calls: &[Call]) -> BTreeMap<String, (u64, u64)> {
    let mut stored: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let creates = calls
        .iter()
        .filter(|call| call.operation == Operation::Create);
    for call in creates.filter(|call| call.outcome == Outcome::Done) {
        let under = call.target.split('/').next().expect("a part").to_owned();
        let (objects, bytes) = stored.entry(under).or_default();
        *objects += 1;
        *bytes += call.bytes;
    }
    stored
}

#[test]
fn what_is_claimed_to_be_seen_is_what_a_storage_saw_and_a_restore_asks_for_nothing_else() {
    let recording = Arc::new(Recording::new(Arc::new(MemoryStorage::new())));
    let case = Case::over(4_710, recording.clone());
    let (laptop, device) = case.enrolled(4_711, USUAL);
    let mut there = laptop.open(&case.storage).unwrap();
    laptop.backup(&mut there, &case.source);
    let calls = recording.take();
    let seen = view(&case);

    let saw = stored(&calls);
    for (kind, under) in [
        (Kind::Contents, "data"),
        (Kind::Folders, "meta"),
        (Kind::Index, "index"),
        (Kind::Logs, "log"),
        (Kind::Roster, "roster"),
        (Kind::Header, "ownkey"),
    ] {
        let claimed = seen.kinds.get(&kind).map(|all| (all.objects, all.bytes));
        assert_eq!(claimed, saw.get(under).copied(), "{under}");
    }
    // One log for each machine that wrote, and keys for each identity.
    assert!(seen.logs.contains_key(&device));
    assert_eq!(seen.logs.len(), 2);
    assert_eq!(seen.identities, there.roster().members().count() as u64);
    assert_eq!(seen.ways, [("recovery key", 1)].into());
    assert_eq!(seen.epochs, 1);
    let all: u64 = seen.kinds.values().map(|volume| volume.objects).sum();
    let in_bursts: u64 = seen.bursts.iter().map(|burst| burst.stored.objects).sum();
    assert_eq!((seen.kinds.get(&Kind::Foreign), in_bursts), (None, all));

    drop(recording.take());
    case.assert_restores(&case.open());
    for call in recording.take() {
        let reads = matches!(
            call.operation,
            Operation::Get | Operation::GetRange | Operation::List
        );
        assert!(reads, "{call:?}");
        if call.operation != Operation::List {
            let name = ObjectName::new(&call.target).expect("a name");
            assert!(
                Object::parse(&name).is_some(),
                "{call:?} says more than a listing"
            );
        }
    }
    assert_eq!(view(&case), seen);

    case.remove(&device).unwrap();
    let after = view(&case);
    assert_eq!((after.epochs, after.identities), (2, seen.identities));
    assert!(after.kinds[&Kind::Roster].objects > seen.kinds[&Kind::Roster].objects);
    assert_eq!(after.kinds[&Kind::Contents], seen.kinds[&Kind::Contents]);
}
