//! Random mutations by a writer who holds valid keys: what it says is spoiled before it is sealed and signed.
//!
//! Whatever it does, what others backed up is restored as it was, or opening ends with an error that names the
//! writer's object.

use std::collections::BTreeMap;
use std::sync::Arc;

use ownkey_crypto::{ChunkType, Codec, FrameInput, ObjectHash, PackKind};
use ownkey_engine::Error;
use ownkey_engine::format::segment;
use ownkey_engine::repository::Repository;
use ownkey_engine::restore::{self, Outcome, RestoreOptions};
use ownkey_engine::tree::Browser;
use ownkey_testkit::{Dump, SeededRandom};

use super::cbor::Cbor;
use super::forger::{Forger, Planted, Said, directory, file, hashes, link, node, record, stream};
use super::scene::{Scene, assert_nothing_wrong, fast_folder, write};
use crate::mutations::{named, spoil};
use crate::world::Heard;

/// A repository whose second identity's next entry is the one that carries a fold.
struct Field {
    scene: Scene,
    base: Dump,
    honest: ObjectHash,
}

impl Field {
    fn new(seed: u64) -> Self {
        let scene = Scene::new(seed);
        let second = scene.second_forger();
        for _ in 0..64 {
            second.heartbeat();
        }
        let honest = scene.open().unwrap().find_snapshot("latest").unwrap().id;
        let base = scene.dump();
        Self {
            scene,
            base,
            honest,
        }
    }

    /// Opens, and restores both the newest snapshot and the honest one.
    fn judge(&self) -> &'static str {
        let repository = match self.scene.open() {
            Ok(repository) => repository,
            Err(error) => {
                return named(&error).unwrap_or_else(|| panic!("not a named error: {error:?}"));
            }
        };
        if repository.find_snapshot(&self.honest.to_string()).is_ok() {
            self.assert_honest(&repository);
        }
        self.restore_newest(&repository)
    }

    /// What the owner backed up comes back whole.
    fn assert_honest(&self, repository: &Repository) {
        let snapshot = repository.find_snapshot(&self.honest.to_string()).unwrap();
        let browser = Browser::new(repository).unwrap();
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        let source = &self.scene.source;
        let options = RestoreOptions {
            subpath: Some(source.clone()),
            ..RestoreOptions::into_folder(target.path())
        };
        let report =
            restore::run(repository, &browser, &snapshot, &options, &Heard::default()).unwrap();
        assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
        assert_eq!(report.files, 3);
        assert_nothing_wrong(source, target.path());
    }

    /// Whatever the forged snapshot says, nothing beside the target is touched.
    fn restore_newest(&self, repository: &Repository) -> &'static str {
        let Ok(snapshot) = repository.find_snapshot("latest") else {
            return "no snapshot is shown";
        };
        let around = tempfile::tempdir_in(fast_folder()).unwrap();
        let target = around.path().join("target");
        write(&around.path().join("precious"), b"precious");
        let browser = Browser::new(repository).unwrap();
        let ended = restore::run(
            repository,
            &browser,
            &snapshot,
            &RestoreOptions::into_folder(&target),
            &Heard::default(),
        );
        assert_eq!(
            std::fs::read(around.path().join("precious")).unwrap(),
            b"precious"
        );
        assert!(std::fs::read_dir(around.path()).unwrap().count() <= 2);
        match ended {
            Ok(report) if report.outcome() == Outcome::Damaged => "restored but for what was named",
            Ok(_) => "restored",
            Err(Error::WorkerLost) => panic!("a worker was lost"),
            // A size that no disk holds, or a name that the file system does not take.
            Err(Error::Local { .. }) => "the target refused it",
            Err(error) => named(&error).unwrap_or_else(|| panic!("not a named error: {error:?}")),
        }
    }
}

/// A directory with one of everything.
fn some_tree(chunks: &[Planted], inner: &[Planted]) -> Vec<u8> {
    let extents = [1u64.to_le_bytes(), 5u64.to_le_bytes()].concat();
    let sparse = vec![
        (7, Cbor::Unsigned(100)),
        (15, Cbor::Bytes(extents)),
        (16, stream(chunks)),
    ];
    [
        directory(b"a", stream(inner)),
        file(b"b", chunks),
        link(b"c", b"../precious"),
        node(b"d", 3, 0o600, vec![]),
        node(b"e", 0, 0o644, sparse),
    ]
    .concat()
}

fn spoiled(random: &mut SeededRandom, honest: Vec<u8>) -> Vec<u8> {
    let other = random.bytes(honest.len());
    let honest = honest.into();
    spoil(random, &honest, &other.into())
}

/// Content that says to be compressed, or to be another chunk than it is.
fn spoiled_frame(forger: &Forger, random: &mut SeededRandom) -> FrameInput {
    let mut frame = forger.frame(ChunkType::Content, &[b"hello"]);
    match random.below(3) {
        0 => frame.chunks[0].0 = forger.names().chunk_id(ChunkType::Content, b"other"),
        1 => frame.stored = random.bytes(5),
        _ => {
            frame.codec = Codec::Zstd;
            frame.stored = spoiled(random, zstd::bulk::compress(b"hello", 3).unwrap());
            if frame.stored.is_empty() {
                frame.stored.push(0);
            }
        }
    }
    frame
}

/// One forgery.
fn forge(field: &Field, forger: &Forger, random: &mut SeededRandom) -> &'static str {
    let (seq, previous) = forger
        .tip(&forger.me())
        .map(|tip| (tip.seq + 1, tip.hash))
        .unwrap();
    match random.below(8) {
        0 => {
            let kind = random.below(9);
            let body = forger.entry_body(
                (seq, previous),
                Said::of(kind, Cbor::Map(vec![(0, hashes(&[previous]))])),
            );
            forger.entry_bytes(seq, &spoiled(random, body));
            "an entry"
        }
        1 => {
            let device = (0, Cbor::bytes(field.scene.forger().me().as_bytes()));
            let body = Cbor::Map(vec![device, (1, Cbor::text("label"))]);
            let (n, previous) = forger.roster_tip();
            let entry = Cbor::Map(vec![
                (0, Cbor::Unsigned(u64::from(n + 1))),
                (1, Cbor::bytes(previous.as_bytes())),
                (2, Cbor::bytes(forger.me().as_bytes())),
                (3, Cbor::time(1)),
                (4, Cbor::Unsigned(10)),
                (5, Cbor::Unsigned(1)),
                (6, Cbor::Bytes(body.encode())),
            ]);
            forger.roster_bytes(n + 1, &spoiled(random, entry.encode()));
            "a roster entry"
        }
        2 => {
            let (pack, _) = forger.pack(
                PackKind::Data,
                vec![forger.frame(ChunkType::Content, &[b"planted"])],
            );
            let segment = forger.segment_bytes(&spoiled(random, segment::encode(&[pack])));
            forger.repack(&[segment]);
            "a segment"
        }
        3 => {
            let fold = [1, 2, 3, 4, 7, 8]
                .map(|key| (key, Cbor::Array(vec![])))
                .into();
            let fold = spoiled(random, Cbor::Map(fold).encode());
            forger.say(Said {
                fold: Some(fold),
                ..Said::of(7, Cbor::Map(vec![]))
            });
            "a fold"
        }
        4 => {
            let root = Cbor::Array(vec![
                Cbor::Unsigned(0),
                Cbor::Unsigned(0),
                Cbor::Bytes(vec![]),
            ]);
            let record = spoiled(random, record(root).encode());
            forger.say(Said {
                record: Some(record),
                ..Said::of(0, Cbor::Map(vec![(0, hashes(&[]))]))
            });
            "a record"
        }
        5 => {
            let frame = spoiled_frame(forger, random);
            let (id, length) = frame.chunks[0];
            let (pack, _) = forger.pack(PackKind::Data, vec![frame]);
            let segment = forger.segment(&[pack]);
            forger.snapshot_of_tree(&file(b"f", &[Planted { id, length }]), vec![segment]);
            "a frame"
        }
        _ => {
            let (chunks, one) = forger.plant(ChunkType::Content, &[b"hello"]);
            let (inner, two) = forger.plant(ChunkType::Tree, &[&file(b"f", &chunks)]);
            let tree = spoiled(random, some_tree(&chunks, &inner));
            forger.snapshot_of_tree(if tree.is_empty() { b"\0" } else { &tree }, vec![one, two]);
            "a directory"
        }
    }
}

fn run(seed: u64, count: u64) {
    let field = Field::new(seed);
    let mut random = SeededRandom::new(seed);
    let public = field.scene.forger().identity.public().clone();
    let second = field.scene.second_forger();
    let mut outcomes: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    for _ in 0..count {
        field.scene.serve(&field.base);
        let forger = second.at(&public, &field.scene.storage);
        let what = forge(&field, &forger, &mut random);
        *outcomes.entry((what, field.judge())).or_default() += 1;
        // What this machine learned of a forgery is of this history alone.
        forget(&field.scene);
    }
    println!("{count} forgeries of seed {seed}: {outcomes:#?}");
    assert!(outcomes.len() > 10, "{outcomes:?}");
}

/// Takes away what this machine remembers of logs, as if each history were its first.
fn forget(scene: &Scene) {
    for (path, _) in super::scene::state(&scene.world) {
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("tips-")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn no_forgery_harms_what_others_backed_up_first_half() {
    run(1100, 750);
}

#[test]
fn no_forgery_harms_what_others_backed_up_second_half() {
    run(1101, 750);
}

#[test]
fn a_forged_pruner_has_its_word_and_no_other() {
    // Condemning and forgetting is what a pruner may do; nothing is gone by it.
    let field = Field::new(1102);
    let forger = field.scene.second_forger();
    let packs =
        field
            .base
            .names_under("data/")
            .map(|name| ownkey_engine::format::entry::PackName {
                kind: PackKind::Data,
                hash: ObjectHash::parse(&name.as_str()[8..]).unwrap(),
            });
    forger.condemn(&packs.collect::<Vec<_>>(), &[]);
    field.judge();
    let kept = Arc::clone(&field.scene.storage);
    assert!(
        super::forger::names_under(&kept, "data/").len() == field.base.names_under("data/").count()
    );
}
