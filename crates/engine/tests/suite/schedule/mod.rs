//! The look rule in the real engine: backups and prunes of several machines, interleaved step by step at every operation
//! of the storage, each by a seed, some of them stopping for ever on the way. Nothing that was acknowledged is lost.
//!
//! What the model walks exhaustively for a few chunks, this walks at random for the code that ships. A failure prints its
//! seed; `OWNKEY_SEED=n` repeats that one, `OWNKEY_SEEDS=n` tries so many.

mod gate;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use ownkey_crypto::{Capabilities, ObjectHash};
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::monitor::Silent;
use ownkey_engine::repository::Repository;
use ownkey_engine::{Error, Result, prune};
use ownkey_storage::{MemoryStorage, Storage};
use ownkey_testkit::{Dump, SeededRandom};

use crate::attacks::forger::{Forger, ready};
use crate::attacks::scene::write;
use crate::prune::THOROUGH;
use crate::world::World;
use gate::{Death, Gate};

/// Seeds tried where nobody says how many: some seconds.
const SEEDS: u64 = 60;

/// A repository of four machines, and what two of them are about to back up.
struct Town {
    dump: Dump,
    /// The state folders of the machines.
    states: Vec<PathBuf>,
    sources: [PathBuf; 2],
    /// The snapshot that nobody forgot.
    kept: ObjectHash,
    _worlds: Vec<World>,
}

const WRITERS: usize = 2;
const PRUNERS: usize = 2;

impl Town {
    /// Of three snapshots one is kept; what the machines are about to back up is partly in packs that nobody needs, partly
    /// in packs of which a half is needed, and partly the same on both.
    fn found() -> Self {
        let world = World::in_memory(1_300);
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        world.init(&storage);
        let (first, second) = (world.path("source"), world.path("second"));
        let content = |seed: u64| SeededRandom::new(seed).bytes(20_000);
        let fill = |files: &[(&str, u64)]| {
            let _ = std::fs::remove_dir_all(&first);
            for (name, seed) in files {
                write(&first.join(name), &content(*seed));
            }
        };
        let states = [
            &[("wanted-again", 1), ("stays", 2), ("folder/gone", 3)][..],
            &[("stays", 2), ("folder/half", 4), ("folder/other", 5)],
            &[("only-now", 6), ("folder/half", 4)],
        ];
        let snapshots = states.map(|state| {
            fill(state);
            world.clock.advance(3_600);
            let mut repository = world.open(&storage).unwrap();
            world.backup(&mut repository, &first).snapshot
        });
        let founder = Forger::of_device(&world, &storage);
        let repository = world.open(&storage).unwrap();
        for forgotten in [0, 2] {
            let id = snapshots[forgotten].to_string();
            let snapshot = repository.find_snapshot(&id).unwrap();
            founder.forget(&snapshot.device, snapshot.at);
        }
        drop(repository);
        fill(&[
            ("wanted-again", 1),
            ("stays", 2),
            ("new", 7),
            ("folder/both", 8),
        ]);
        for (name, seed) in [
            ("mine", 9),
            ("folder/both", 8),
            ("wanted-again", 1),
            ("half", 4),
        ] {
            write(&second.join(name), &content(seed));
        }
        let all = Capabilities::WRITE
            .and(Capabilities::READ)
            .and(Capabilities::PRUNE);
        let others = (1..4).map(|number| {
            let world = World::in_memory(1_300 + number);
            let seed = [u8::try_from(number).unwrap(); 32];
            let world = founder.add_identity(seed, all).move_in(world);
            drop(world.open(&storage).unwrap());
            world
        });
        let others: Vec<World> = others.collect();
        let worlds: Vec<World> = std::iter::once(world).chain(others).collect();
        Self {
            dump: ready(Dump::take(storage.as_ref())).unwrap(),
            states: worlds
                .iter()
                .map(|world| world.environment.state.clone())
                .collect(),
            sources: [first, second],
            kept: snapshots[1],
            _worlds: worlds,
        }
    }

    /// A machine as it was when the town was founded.
    fn machine(&self, number: usize) -> World {
        let mut world = World::in_memory(1_400 + number as u64);
        copy_folder(&self.states[number], &world.environment.state);
        world.environment.memory = ownkey_engine::memory::Memory::Low;
        world
    }

    /// One seed. What was acknowledged, or why not.
    fn run(&self, seed: u64) -> std::result::Result<(), String> {
        let inner: Arc<dyn Storage> = Arc::new(self.dump.to_memory());
        let gate = Gate::new(seed, WRITERS + PRUNERS, death(seed), Arc::clone(&inner));
        let machines: Vec<World> = (0..WRITERS + PRUNERS).map(|it| self.machine(it)).collect();
        let outcomes: Vec<Result<Option<ObjectHash>>> = thread::scope(|scope| {
            let running: Vec<_> = machines
                .iter()
                .enumerate()
                .map(|(number, world)| {
                    let gate = &gate;
                    scope.spawn(move || {
                        let done = self.act(world, number, &gate.storage(number));
                        gate.leave(number);
                        done
                    })
                })
                .collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let mut acknowledged = BTreeSet::from([self.kept]);
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(snapshot) => acknowledged.extend(snapshot),
                Err(_) if death(seed).is_some_and(|death| death.machine == number) => {}
                Err(error) => return Err(format!("machine {number}: {error:?}")),
            }
        }
        // A machine that has been away, and those that have pruned and remember what they know.
        let away = self.machine(WRITERS);
        let judges = [&away, &machines[WRITERS], &machines[WRITERS + 1]];
        // Which of them tidies up.
        let tidy = (seed % 3) as usize;
        self.must_hold(&inner, &acknowledged, (judges, tidy))
            .map_err(|wrong| format!("{wrong}\n{:#?}", gate.taken()))
    }

    fn act(
        &self,
        world: &World,
        number: usize,
        storage: &Arc<dyn Storage>,
    ) -> Result<Option<ObjectHash>> {
        let mut repository = world.open(storage)?;
        match self.sources.get(number) {
            Some(source) => {
                let report = world.try_backup(&mut repository, source)?;
                Ok(Some(report.snapshot))
            }
            None => {
                // Twice, so that one of them meets what the other has just made.
                prune::run(&mut repository, &THOROUGH, &Silent)?;
                prune::run(&mut repository, &THOROUGH, &Silent).map(|_| None)
            }
        }
    }

    /// Everything acknowledged is there, whole, to every judge, and stays so when one of them has tidied up.
    fn must_hold(
        &self,
        storage: &Arc<dyn Storage>,
        acknowledged: &BTreeSet<ObjectHash>,
        (judges, tidy): ([&World; 3], usize),
    ) -> std::result::Result<(), String> {
        let say = |error: Error| format!("{error:?}");
        for judge in judges {
            is_whole(&judge.open(storage).map_err(say)?, acknowledged)?;
        }
        let mut repository = judges[tidy].open(storage).map_err(say)?;
        prune::run(&mut repository, &THOROUGH, &Silent).map_err(say)?;
        is_whole(&repository, acknowledged)
    }
}

fn is_whole(
    repository: &Repository,
    acknowledged: &BTreeSet<ObjectHash>,
) -> std::result::Result<(), String> {
    let there = repository.snapshots();
    let there: BTreeSet<ObjectHash> = there.iter().map(|snapshot| snapshot.id).collect();
    if let Some(lost) = acknowledged.difference(&there).next() {
        return Err(format!("snapshot {lost} is gone"));
    }
    let report = check::run(repository, ReadData::All, &Silent);
    let report = report.map_err(|error| format!("{error:?}"))?;
    match report.findings.is_empty() {
        true => Ok(()),
        false => Err(format!("{:#?}", report.findings)),
    }
}

/// In every second seed a machine stops for ever.
fn death(seed: u64) -> Option<Death> {
    let dice = SeededRandom::new(seed ^ 0xdead).bytes(4);
    (dice[0] & 1 == 1).then(|| Death {
        machine: usize::from(dice[1]) % (WRITERS + PRUNERS),
        step: u64::from(dice[2]) % 48,
        done: dice[3] & 1 == 1,
    })
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn nothing_acknowledged_is_lost_in_any_order_of_steps() {
    let town = Town::found();
    let seeds: Vec<u64> = match number("OWNKEY_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("OWNKEY_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    for seed in &seeds {
        if let Err(wrong) = town.run(*seed) {
            panic!("seed {seed} (repeat it with OWNKEY_SEED={seed}): {wrong}");
        }
    }
    println!(
        "{} orders of steps of 2 backups and 2 prunes, every second one with a death",
        seeds.len()
    );
}
