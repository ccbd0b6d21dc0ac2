//! Write, then look: a backup against a pruner that condemns what it relies on, at the worst moments.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ownkey_crypto::{ObjectHash, PackKind};
use ownkey_engine::format::entry::PackName;
use ownkey_engine::format::time::{Clock, Timestamp};
use ownkey_engine::{Class, Error};
use ownkey_storage::{ObjectName, Operation, Storage};
use ownkey_testkit::{Dump, Recording};

use crate::attacks::cbor::Cbor;
use crate::attacks::forger::{Forger, Said, names_under, ready};
use crate::attacks::scene::{Scene, write};
use crate::hook::{Hooked, Stage, Step};

/// A tree that was backed up, and a storage on which a second identity acts.
struct Play {
    scene: Scene,
    inner: Arc<dyn Storage>,
    recording: Arc<Recording>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let scene = Scene::new(seed);
        let inner = scene.lying.inner();
        let recording = Arc::new(Recording::new(inner.clone()));
        Self {
            scene,
            inner,
            recording,
        }
    }

    fn pruner(&self) -> Forger {
        self.scene
            .second_forger()
            .at(self.scene.forger().identity.public(), &self.inner)
    }

    /// From now on these happen while a run writes.
    fn stage(&self, steps: Vec<Step>) {
        let me = self.scene.forger().me();
        let stage = Stage {
            inner: self.recording.clone(),
            prefix: format!("log/{me}/"),
            put: AtomicU64::new(0),
            steps: Mutex::new(steps),
        };
        self.scene.lying.switch_to(Arc::new(Hooked(stage)));
    }

    fn run(&self) -> ownkey_engine::Result<ownkey_engine::backup::Report> {
        let mut repository = self.scene.open()?;
        drop(self.recording.take());
        self.scene
            .world
            .try_backup(&mut repository, &self.scene.source)
    }

    /// The kinds of entries in the own log, as the storage's order has them: what was put, by number.
    fn entries_put(&self) -> usize {
        let me = self.scene.forger().me();
        self.recording
            .count(Operation::Create, &format!("log/{me}/"))
    }

    fn packs_put(&self) -> usize {
        self.recording.count(Operation::Create, "data/")
    }

    /// Deletes everything that was condemned, as a pruner does in the end.
    fn sweep(&self, condemned: &[ObjectName]) {
        let outcomes = ready(self.inner.delete(condemned));
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_done()));
    }
}

/// Everything that a pruner can condemn now.
fn all_packs(storage: &Arc<dyn Storage>) -> Vec<ObjectName> {
    ["data/", "meta/"]
        .iter()
        .flat_map(|under| names_under(storage, under))
        .collect()
}

fn pack_name(name: &ObjectName) -> PackName {
    let kind = if name.as_str().starts_with("data/") {
        PackKind::Data
    } else {
        PackKind::Meta
    };
    PackName {
        kind,
        hash: ObjectHash::parse(&name.as_str()[8..]).unwrap(),
    }
}

fn condemn(pruner: &Forger, packs: &[ObjectName]) -> ownkey_engine::format::entry::LogPosition {
    let packs: Vec<PackName> = packs.iter().map(pack_name).collect();
    pruner.condemn(&packs, &[])
}

/// Before the `at`th entry: everything that is stored is condemned. What it was is in the list.
fn condemn_all(play: &Play, at: u32) -> (Step, Arc<Mutex<Vec<ObjectName>>>) {
    let condemned = Arc::new(Mutex::new(Vec::new()));
    let (pruner, list) = (play.pruner(), Arc::clone(&condemned));
    let act = move |storage: &Arc<dyn Storage>| {
        let packs = all_packs(storage);
        condemn(&pruner, &packs);
        list.lock().unwrap().extend(packs);
    };
    (
        Step {
            at,
            act: Box::new(act),
        },
        condemned,
    )
}

#[test]
fn what_was_condemned_before_the_backup_was_put_is_stored_anew_and_then_confirmed() {
    let play = Play::new(700);
    write(&play.scene.source.join("new"), b"new in this run");
    let (step, condemned) = condemn_all(&play, 0);
    play.stage(vec![step]);
    let report = play.run().unwrap();
    // Backup, a second Backup after the look, Confirm.
    assert_eq!(play.entries_put(), 3);
    assert_eq!(play.packs_put(), 2, "once what is new, once everything");
    let condemned = condemned.lock().unwrap().clone();
    assert!(
        condemned.len() >= 4,
        "also what this run itself had stored: {condemned:?}"
    );
    play.sweep(&condemned);
    assert_eq!(
        play.scene
            .open()
            .unwrap()
            .find_snapshot("latest")
            .unwrap()
            .id,
        report.snapshot
    );
    play.scene.attempt().complete();
}

#[test]
fn a_pruner_that_comes_back_before_every_backup_is_answered_every_time() {
    let play = Play::new(701);
    let (steps, lists): (Vec<_>, Vec<_>) = (0..3).map(|at| condemn_all(&play, at)).unzip();
    play.stage(steps);
    play.run().unwrap();
    assert_eq!(play.entries_put(), 5, "four Backups and one Confirm");
    let mut condemned: Vec<_> = lists
        .iter()
        .flat_map(|list| list.lock().unwrap().clone())
        .collect();
    condemned.sort();
    condemned.dedup();
    play.sweep(&condemned);
    play.scene.attempt().complete();
}

#[test]
fn a_single_condemned_pack_costs_its_own_chunks_and_no_others() {
    for under in ["data/", "meta/"] {
        let play = Play::new(702);
        let pruner = play.pruner();
        let pack = play.scene.only_name(under);
        let named = pack.clone();
        let act = move |_: &Arc<dyn Storage>| {
            condemn(&pruner, std::slice::from_ref(&named));
        };
        play.stage(vec![Step {
            at: 0,
            act: Box::new(act),
        }]);
        play.run().unwrap();
        assert_eq!(play.packs_put(), usize::from(under == "data/"));
        play.sweep(&[pack]);
        play.scene.attempt().complete();
    }
}

#[test]
fn what_was_condemned_before_the_run_is_not_relied_on_at_all() {
    let play = Play::new(703);
    let condemned = all_packs(&play.inner);
    condemn(&play.pruner(), &condemned);
    play.stage(vec![]);
    play.run().unwrap();
    assert_eq!(play.entries_put(), 2, "one Backup, one Confirm");
    play.sweep(&condemned);
    play.scene.attempt().complete();
}

#[test]
fn a_condemned_segment_of_this_run_is_not_relied_on_either() {
    let play = Play::new(704);
    let condemned = Arc::new(Mutex::new(Vec::new()));
    let (pruner, list) = (play.pruner(), Arc::clone(&condemned));
    let act = move |storage: &Arc<dyn Storage>| {
        let segments = names_under(storage, "index/");
        let hash = |name: &ObjectName| ObjectHash::parse(&name.as_str()["index/".len()..]).unwrap();
        let hashes: Vec<ObjectHash> = segments.iter().map(hash).collect();
        pruner.condemn(&[], &hashes);
        list.lock().unwrap().extend(segments);
    };
    write(&play.scene.source.join("new"), b"new in this run");
    play.stage(vec![Step {
        at: 0,
        act: Box::new(act),
    }]);
    play.run().unwrap();
    assert_eq!(play.entries_put(), 3);
    let condemned = condemned.lock().unwrap().clone();
    assert_eq!(condemned.len(), 2);
    // The new segments lead to everything.
    play.sweep(&condemned);
    play.scene.attempt().complete();
}

#[test]
fn what_was_spared_is_relied_on_again() {
    let play = Play::new(705);
    let packs = all_packs(&play.inner);
    let pruner = play.pruner();
    let at = condemn(&pruner, &packs);
    let spared: Vec<Vec<u8>> = packs
        .iter()
        .map(pack_name)
        .map(|pack| {
            [
                &[u8::from(pack.kind == PackKind::Meta)][..],
                pack.hash.as_bytes(),
            ]
            .concat()
        })
        .collect();
    let open = Cbor::Map(vec![
        (0, Cbor::Unsigned(at.seq)),
        (1, Cbor::hashes(&spared)),
        (2, Cbor::Array(vec![])),
    ]);
    pruner.say(Said::of(6, open));
    play.stage(vec![]);
    play.run().unwrap();
    assert_eq!((play.entries_put(), play.packs_put()), (2, 0));
}

#[test]
fn a_condemn_after_the_look_is_the_pruners_to_notice() {
    let play = Play::new(706);
    let (step, _) = condemn_all(&play, 1);
    play.stage(vec![step]);
    let report = play.run().unwrap();
    assert_eq!(play.entries_put(), 2);
    // Its own look shows it the Backup, which came first.
    let me = play.scene.forger().me();
    let newest = play.pruner().tip(&me).unwrap();
    assert!(newest.seq >= 3);
    assert!(
        play.scene
            .open()
            .unwrap()
            .snapshots()
            .iter()
            .any(|snapshot| snapshot.id == report.snapshot)
    );
}

/// Minutes pass between any two looks at it.
struct Rushing(AtomicU64);

impl Clock for Rushing {
    fn now(&self) -> Timestamp {
        let now = self.0.fetch_add(400, Ordering::Relaxed);
        Timestamp::new(i64::try_from(now).unwrap(), 0).unwrap()
    }
}

fn fill(source: &Path, files: usize) {
    for number in 0..files {
        write(
            &source.join(format!("folder-{number}/file")),
            format!("content of file {number}").as_bytes(),
        );
    }
}

#[test]
fn what_a_checkpoint_relied_on_and_was_condemned_is_stored_anew() {
    let mut play = Play::new(707);
    fill(&play.scene.source, 30);
    play.scene.world.environment.clock = Arc::new(Rushing(AtomicU64::new(1 << 33)));
    // Checkpoints are put all the time; before the third entry everything is condemned.
    let (step, condemned) = condemn_all(&play, 2);
    play.stage(vec![step]);
    play.run().unwrap();
    assert!(
        play.entries_put() > 4,
        "checkpoints: {}",
        play.entries_put()
    );
    let condemned = condemned.lock().unwrap().clone();
    assert!(!condemned.is_empty());
    play.sweep(&condemned);
    play.scene.attempt().complete();
}

#[test]
fn a_run_that_was_cut_off_behind_a_checkpoint_does_not_go_on_with_what_was_condemned_since() {
    let mut play = Play::new(708);
    fill(&play.scene.source, 30);
    play.scene.world.environment.clock = Arc::new(Rushing(AtomicU64::new(1 << 33)));
    let faulty = Arc::new(ownkey_testkit::Faulty::new(play.inner.clone()));
    play.scene.lying.switch_to(faulty.clone());
    let mut repository = play.scene.open().unwrap();
    // Far enough for a checkpoint: it names segments, and the next run would begin with them.
    faulty.arm(ownkey_testkit::Fault::crash(
        12,
        ownkey_testkit::Moment::After,
    ));
    let failed = play
        .scene
        .world
        .try_backup(&mut repository, &play.scene.source)
        .unwrap_err();
    assert_eq!(failed.class(), Class::Unreachable);
    drop(repository);
    play.scene.lying.switch_to(play.inner.clone());
    assert!(play.scene.open().unwrap().unfinished().is_some());

    let condemned = all_packs(&play.inner);
    condemn(&play.pruner(), &condemned);
    play.stage(vec![]);
    play.run().unwrap();
    play.sweep(&condemned);
    play.scene.attempt().complete();
}

#[test]
fn a_stream_that_relied_on_what_was_condemned_is_not_confirmed() {
    let play = Play::new(709);
    let (step, _) = condemn_all(&play, 0);
    play.stage(vec![step]);
    let mut repository = play.scene.open().unwrap();
    let labels = ownkey_engine::backup::Labels::default();
    let ended = ownkey_engine::backup::run_stream(
        &mut repository,
        "stream",
        &mut &b"the content of a letter"[..],
        &mut || Ok(()),
        &labels,
        &play.scene.world.monitor,
    );
    assert!(matches!(ended, Err(Error::Source(_))), "{ended:?}");
    assert_eq!(play.scene.open().unwrap().snapshots().len(), 1);
}

#[test]
fn a_device_removed_during_its_backup_is_told_and_confirms_nothing() {
    for (at, cut) in [(0, false), (0, true), (1, false), (1, true)] {
        let play = Play::new(710);
        let owner = play.pruner();
        let me = play.scene.forger().me();
        let act = move |_: &Arc<dyn Storage>| {
            owner.remove(&me);
            if cut {
                owner.cut(&me);
            }
        };
        play.stage(vec![Step {
            at,
            act: Box::new(act),
        }]);
        let ended = play.run();
        assert!(ended.is_err(), "removed before entry {at}, cut: {cut}");
        let (_, opened) = play.scene.newcomer(9710);
        let snapshots = opened.unwrap().snapshots().len();
        // Without a cut what was put before the removal was seen stands; it was not acknowledged.
        assert!(snapshots == 1 || !cut, "{snapshots}");
        let error = ended.unwrap_err();
        assert!(
            matches!(error, Error::NoGrant),
            "removed before entry {at}, cut: {cut}: {error:?}"
        );
    }
}

#[test]
fn a_writer_that_looks_lists_the_roster_and_reads_one_name_a_log() {
    let play = Play::new(711);
    play.stage(vec![]);
    play.run().unwrap();
    for prefix in ["log/", "data/", "meta/", "index/", "keys/"] {
        assert_eq!(play.recording.count(Operation::List, prefix), 0, "{prefix}");
    }
    assert!(play.recording.count(Operation::List, "roster/") >= 2);
    let dump = ready(Dump::take(play.inner.as_ref())).unwrap();
    assert!(dump.len() > 10);
}
