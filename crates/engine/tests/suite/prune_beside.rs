//! Prune beside prune: one machine sleeps between two of its entries, and another one does all it can meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ownkey_crypto::Capabilities;
use ownkey_engine::monitor::Silent;
use ownkey_engine::prune;
use ownkey_storage::{ObjectName, Storage};

use crate::attacks::forger::Forger;
use crate::hook::{Before, Hooked};
use crate::prune::{THOROUGH, half_dead};
use crate::world::World;

/// Another machine's prune, just before this one puts its `at`th entry.
struct Meanwhile {
    inner: Arc<dyn Storage>,
    log: String,
    left: AtomicU64,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meanwhile")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Before for Meanwhile {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.inner
    }

    fn create(&self, name: &ObjectName) {
        if name.as_str().starts_with(&self.log) && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            let act = self.act.lock().unwrap().take();
            act.unwrap()();
        }
    }
}

#[test]
fn segments_that_were_renewed_before_what_they_lead_to_was_deleted_never_count() {
    for at in 0..9 {
        let (mut house, _) = half_dead(1_212);
        let founder = Forger::of_device(&house.world, &house.storage);
        let other = founder.add_identity([7; 32], Capabilities::ALL);
        let sleeper = other.move_in(World::in_memory(1_213));
        house.fill_a_little(4);
        house.backup();
        house.forget(0);
        let reached = {
            let house = Arc::new(Mutex::new(&mut house));
            let storage = Arc::clone(&house.lock().unwrap().storage);
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let (wake, awake) = std::sync::mpsc::channel::<()>();
                let stage = Meanwhile {
                    inner: Arc::clone(&storage),
                    log: format!("log/{}/", other.me()),
                    left: AtomicU64::new(at),
                    act: Mutex::new(Some(Box::new(move || {
                        tell.send(()).unwrap();
                        awake.recv().unwrap();
                    }))),
                };
                let hooked: Arc<dyn Storage> = Arc::new(Hooked(stage));
                let sleeper = &sleeper;
                let pruning = scope.spawn(move || {
                    let mut repository = sleeper.open(&hooked)?;
                    prune::run(&mut repository, &THOROUGH, &Silent)
                });
                let reached = told.recv().is_ok();
                if reached {
                    // Everything is condemned, deleted, and let go of, while the other one sleeps.
                    for _ in 0..2 {
                        house.lock().unwrap().prune(&THOROUGH).unwrap();
                    }
                    wake.send(()).unwrap();
                }
                pruning.join().unwrap().unwrap();
                reached
            })
        };
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
