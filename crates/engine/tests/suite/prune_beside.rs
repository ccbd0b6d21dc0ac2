//! Prune beside prune: one machine sleeps between two of its entries, and another one does all it can meanwhile.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use ownkey_crypto::{Capabilities, ObjectHash};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::format::layout::Object;
use ownkey_engine::monitor::Silent;
use ownkey_engine::prune;
use ownkey_storage::Storage;

use crate::attacks::forger::Forger;
use crate::hook::{Hooked, Stage, Step};
use crate::prune::{House, THOROUGH, half_dead};
use crate::world::World;

/// A house, and another machine that may prune it.
struct Neighbours {
    house: House,
    founder: Forger,
    other: World,
    log: String,
}

impl Neighbours {
    fn new(seed: u64) -> Self {
        let (mut house, _) = half_dead(seed);
        let founder = Forger::of_device(&house.world, &house.storage);
        let other = founder.add_identity([7; 32], Capabilities::ALL);
        let log = format!("log/{}/", other.me());
        let other = other.move_in(World::in_memory(seed + 1));
        house.fill_a_little(4);
        house.backup();
        house.forget(0);
        Self {
            house,
            founder,
            other,
            log,
        }
    }

    /// The other machine prunes; just before it puts its `at`th entry it sleeps until `meanwhile` is done. Whether it came that
    /// far.
    fn prune_sleeping(&self, at: u32, meanwhile: impl FnOnce()) -> bool {
        let (tell, told) = channel();
        let (wake, awake) = channel::<()>();
        let sleep = move |_: &Arc<dyn Storage>| {
            tell.send(()).unwrap();
            awake.recv().unwrap();
        };
        let stage = Stage {
            inner: Arc::clone(&self.house.storage),
            prefix: self.log.clone(),
            put: AtomicU64::new(0),
            steps: Mutex::new(vec![Step {
                at,
                act: Box::new(sleep),
            }]),
        };
        let hooked: Arc<dyn Storage> = Arc::new(Hooked(stage));
        std::thread::scope(|scope| {
            let pruning = scope.spawn(move || {
                let mut repository = self.other.open(&hooked)?;
                prune::run(&mut repository, &THOROUGH, &Silent)
            });
            let reached = told.recv().is_ok();
            if reached {
                meanwhile();
                wake.send(()).unwrap();
            }
            pruning.join().unwrap().unwrap();
            reached
        })
    }
}

#[test]
fn segments_that_were_renewed_before_what_they_lead_to_was_deleted_never_count() {
    for at in 0..9 {
        let mut beside = Neighbours::new(1_212);
        let reached = beside.prune_sleeping(at, || {
            // Everything is condemned, deleted, and let go of, while the other one sleeps.
            for _ in 0..2 {
                beside.house.prune(&THOROUGH).unwrap();
            }
        });
        let house = &mut beside.house;
        house.assert_whole();
        house.prune(&THOROUGH).unwrap();
        house.fill_a_little(8);
        house.backup();
        house.assert_whole();
        if !reached {
            assert!(at > 4, "a prune puts more entries than {at}");
            return;
        }
    }
}

#[test]
fn a_segment_that_somebody_condemned_and_left_is_not_let_go_of_by_who_stored_it() {
    for at in 0..9 {
        let beside = Neighbours::new(1_214);
        let reached = beside.prune_sleeping(at, || {
            let dump = beside.house.dump();
            let segments: Vec<ObjectHash> = dump
                .names_under("index/")
                .map(|name| match Object::parse(name) {
                    Some(Object::Segment(hash)) => hash,
                    _ => panic!("{name} is no segment"),
                })
                .collect();
            // Its author never comes back.
            beside.founder.condemn(&[], &segments);
        });
        // To the one who pruned, with all that it remembers.
        let storage = &beside.house.storage;
        let repository = beside.other.open(storage).unwrap();
        let report = check::run(&repository, ReadData::All, &Silent).unwrap();
        assert_eq!(report.findings, [], "it slept before its entry {at}");
        beside.house.assert_whole();
        if !reached {
            assert!(at > 4, "a prune puts more entries than {at}");
            return;
        }
    }
}
