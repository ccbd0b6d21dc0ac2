//! A check beside machines that go on: what they say and do while it reads is no lie and no damage.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use ownkey_engine::check::{self, ReadData};
use ownkey_storage::{ObjectName, Storage};

use crate::access::{Case, USUAL};
use crate::attacks::scene::write;
use crate::hook::{Before, Hooked};
use crate::prune::{THOROUGH, three_states};
use crate::world::World;

/// Machines that back up each time another log is begun to be read.
struct Busy {
    inner: Arc<dyn Storage>,
    machines: Arc<Vec<World>>,
    /// Whose logs were begun; none while nobody is to do anything.
    begun: Mutex<Option<BTreeSet<String>>>,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Busy").finish_non_exhaustive()
    }
}

impl Before for Arc<Busy> {
    fn inner(&self) -> &Arc<dyn Storage> {
        &self.inner
    }

    fn create(&self, _: &ObjectName) {}

    fn get(&self, name: &ObjectName) {
        let mut parts = name.as_str().split('/');
        let (Some("log"), Some(device)) = (parts.next(), parts.next()) else {
            return;
        };
        let mut begun = self.begun.lock().unwrap();
        if begun
            .as_mut()
            .is_some_and(|begun| begun.insert(device.to_owned()))
        {
            let (machines, storage) = (Arc::clone(&self.machines), self.inner.clone());
            // The engine must not run on the threads of its own storage.
            let work = std::thread::spawn(move || {
                // Each of the two sees what the other has just written.
                for nth in [0, 1, 0] {
                    back_up(&machines[nth], &storage);
                }
            });
            work.join().unwrap();
        }
    }
}

fn back_up(machine: &World, storage: &Arc<dyn Storage>) {
    let source = machine.path("own");
    write(&source.join("note"), b"something of this machine");
    let mut repository = machine.open(storage).unwrap();
    machine.backup(&mut repository, &source);
}

#[test]
fn machines_that_back_up_while_their_logs_are_read_are_not_accused() {
    let case = Case::new(1_220);
    let machines = vec![case.enrolled(1_221, USUAL).0, case.enrolled(1_222, USUAL).0];
    let busy = Arc::new(Busy {
        inner: case.storage.clone(),
        machines: Arc::new(machines),
        begun: Mutex::new(None),
    });
    let storage: Arc<dyn Storage> = Arc::new(Hooked(Arc::clone(&busy)));
    let repository = case.desk.open(&storage).unwrap();
    *busy.begun.lock().unwrap() = Some(BTreeSet::new());
    let report = check::run(&repository, ReadData::All, &case.desk.monitor).unwrap();
    let begun = busy.begun.lock().unwrap().take();
    assert!(begun.is_some_and(|logs| logs.len() >= 3));
    assert_eq!(report.findings, []);
}

#[test]
fn a_check_that_began_before_a_prune_finds_nothing_wrong() {
    let mut house = three_states(1_223);
    house.forget(0);
    let repository = house.world.open(&house.storage).unwrap();
    assert!(house.prune(&THOROUGH).unwrap().deleted.objects > 0);
    let report = check::run(&repository, ReadData::All, &house.world.monitor).unwrap();
    assert_eq!(report.findings, []);
}
