//! Snapshots by a writer who holds valid keys and means harm to whoever restores them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ownkey_crypto::{ChunkType, PackKind};
use ownkey_engine::restore::{Outcome, RestoreOptions};

use super::cbor::Cbor;
use super::forger::{Planted, directory, file, link, node, stream};
use super::scene::{Scene, fast_folder, restore, write};

/// A target inside a folder that holds something precious beside it.
struct Target {
    around: tempfile::TempDir,
}

impl Target {
    fn new() -> Self {
        let around = tempfile::tempdir_in(fast_folder()).unwrap();
        write(&around.path().join("outside/precious"), b"precious");
        std::fs::create_dir(around.path().join("target")).unwrap();
        Self { around }
    }

    fn path(&self) -> std::path::PathBuf {
        self.around.path().join("target")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.around.path().join("outside")
    }

    /// Nothing beside the target is other than it was.
    fn assert_outside_unharmed(&self) {
        let listed = |path: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(listed(self.around.path()), ["outside", "target"]);
        assert_eq!(listed(&self.outside()), ["precious"]);
        assert_eq!(
            std::fs::read(self.outside().join("precious")).unwrap(),
            b"precious"
        );
        assert_eq!(
            std::fs::metadata(self.outside())
                .unwrap()
                .permissions()
                .mode()
                & 0o7777,
            0o755
        );
    }
}

/// Restores the newest snapshot; the outcome and what was told.
fn restore_into(scene: &Scene, target: &Target) -> (Outcome, Vec<String>) {
    let repository = scene.open().unwrap();
    let (report, told) =
        restore(&repository, &RestoreOptions::into_folder(&target.path())).unwrap();
    target.assert_outside_unharmed();
    (report.outcome(), told)
}

#[test]
fn names_that_could_leave_their_folder_are_refused_when_they_are_read() {
    let scene = Scene::new(500);
    let forger = scene.forger();
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"evil"]);
    let long = [b'a'; 256];
    for name in [
        &b".."[..],
        b".",
        b"",
        b"/",
        b"/etc",
        b"../outside/precious",
        b"a/b",
        b"a\0b",
        &long,
    ] {
        let target = Target::new();
        forger.snapshot_of_tree(&file(name, &chunks), vec![segment]);
        let (outcome, told) = restore_into(&scene, &target);
        assert_eq!(outcome, Outcome::Damaged, "{name:?}: {told:?}");
        assert_eq!(
            std::fs::read_dir(target.path()).unwrap().count(),
            0,
            "{name:?}"
        );
    }
}

#[test]
fn names_twice_or_out_of_order_are_refused_when_they_are_read() {
    let scene = Scene::new(501);
    let forger = scene.forger();
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"evil"]);
    let target = Target::new();
    let outside = target.outside();
    let outside = std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str());
    let (inner, inner_segment) = forger.plant(ChunkType::Tree, &[&file(b"precious", &chunks)]);
    for tree in [
        // The classic: a link and then a folder of the same name, to be followed.
        [link(b"x", outside), directory(b"x", stream(&inner))].concat(),
        [directory(b"x", stream(&inner)), link(b"x", outside)].concat(),
        [file(b"b", &chunks), file(b"a", &chunks)].concat(),
        [file(b"a", &chunks), file(b"a", &chunks)].concat(),
    ] {
        forger.snapshot_of_tree(&tree, vec![segment, inner_segment]);
        let (outcome, told) = restore_into(&scene, &target);
        assert_eq!(outcome, Outcome::Damaged, "{told:?}");
    }
}

#[test]
fn a_folder_in_one_snapshot_where_another_had_a_link_is_not_followed() {
    let scene = Scene::new(502);
    let forger = scene.forger();
    let target = Target::new();
    let outside = target.outside();
    let outside = std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str());
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"evil"]);
    let (inner, inner_segment) = forger.plant(ChunkType::Tree, &[&file(b"precious", &chunks)]);
    forger.snapshot_of_tree(&link(b"evil", outside), vec![]);
    restore_into(&scene, &target);
    assert!(
        std::fs::symlink_metadata(target.path().join("evil"))
            .unwrap()
            .is_symlink()
    );
    forger.snapshot_of_tree(
        &directory(b"evil", stream(&inner)),
        vec![segment, inner_segment],
    );
    restore_into(&scene, &target);
    assert_eq!(
        std::fs::read(target.path().join("evil/precious")).unwrap(),
        b"evil"
    );
    // And a file where the link is: the link goes, what it points to stays.
    let (before, _) = forger.plant(ChunkType::Content, &[b"unused"]);
    assert_eq!(before.len(), 1);
    forger.snapshot_of_tree(&link(b"evil2", &[outside, b"/precious"].concat()), vec![]);
    restore_into(&scene, &target);
    forger.snapshot_of_tree(&file(b"evil2", &chunks), vec![segment]);
    restore_into(&scene, &target);
    assert_eq!(std::fs::read(target.path().join("evil2")).unwrap(), b"evil");
}

#[test]
fn a_hard_link_group_that_mixes_kinds_links_to_nothing_outside() {
    let scene = Scene::new(503);
    let forger = scene.forger();
    let target = Target::new();
    let outside = target.outside().join("precious");
    let outside = std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str()).to_vec();
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"evil"]);
    let length = Cbor::Unsigned(4);
    let group = || (10, Cbor::Unsigned(1));
    let tree = [
        node(b"a", 2, 0o777, vec![group(), (11, Cbor::Bytes(outside))]),
        node(
            b"b",
            0,
            0o644,
            vec![(7, length), group(), (16, stream(&chunks))],
        ),
    ]
    .concat();
    forger.snapshot_of_tree(&tree, vec![segment]);
    restore_into(&scene, &target);
    let b = target.path().join("b");
    if let Ok(made) = std::fs::symlink_metadata(&b) {
        // A link under a file's name points outside at most; it is never written through.
        assert!(made.is_symlink() || std::fs::read(&b).unwrap() == b"evil");
    }
}

/// A file node with this size and this stream, which are not checked here.
fn file_node(
    size: u64,
    (length, depth, ids): (u64, u64, Vec<u8>),
    extents: Option<&[(u64, u64)]>,
) -> Vec<u8> {
    let stream = Cbor::Array(vec![
        Cbor::Unsigned(length),
        Cbor::Unsigned(depth),
        Cbor::Bytes(ids),
    ]);
    let pairs = |pairs: &[(u64, u64)]| {
        pairs
            .iter()
            .flat_map(|(offset, length)| [offset.to_le_bytes(), length.to_le_bytes()].concat())
            .collect()
    };
    let mut fields = vec![(7, Cbor::Unsigned(size)), (16, stream)];
    fields.extend(extents.map(|extents| (15, Cbor::Bytes(pairs(extents)))));
    node(b"f", 0, 0o644, fields)
}

/// Files whose size, content and extents do not fit together.
fn broken_files() -> Vec<(&'static str, Vec<u8>)> {
    let one = || vec![7; 32];
    vec![
        (
            "a file without content",
            node(b"f", 0, 0o644, vec![(7, Cbor::Unsigned(3))]),
        ),
        (
            "a size that is not the content's",
            file_node(4, (3, 0, one()), None),
        ),
        ("half an id", file_node(3, (3, 0, vec![7; 31]), None)),
        ("bytes without chunks", file_node(3, (3, 0, vec![]), None)),
        ("chunks without bytes", file_node(0, (0, 0, one()), None)),
        ("a list too deep", file_node(3, (3, 5, one()), None)),
        (
            "too many ids",
            file_node(3, (3, 0, vec![7; 1025 * 32]), None),
        ),
        (
            "extents behind the end",
            file_node(9, (3, 0, one()), Some(&[(8, 3)])),
        ),
        (
            "extents that wrap",
            file_node(9, (3, 0, one()), Some(&[(u64::MAX, 3)])),
        ),
        (
            "extents that touch",
            file_node(9, (3, 0, one()), Some(&[(0, 1), (1, 2)])),
        ),
    ]
}

/// Nodes that lack something or have too much.
fn broken_nodes() -> Vec<(&'static str, Vec<u8>)> {
    let empty = || {
        (
            16,
            Cbor::Array(vec![
                Cbor::Unsigned(0),
                Cbor::Unsigned(0),
                Cbor::Bytes(vec![]),
            ]),
        )
    };
    let group = |group| (10, Cbor::Unsigned(group));
    vec![
        ("a file without size", node(b"f", 0, 0o644, vec![empty()])),
        ("a link without target", node(b"l", 2, 0o777, vec![])),
        ("a device without number", node(b"d", 6, 0o600, vec![])),
        ("an unknown kind", node(b"x", 9, 0o600, vec![])),
        (
            "a mode of more than twelve bits",
            node(b"f", 3, 0o10_000, vec![]),
        ),
        (
            "a hard link to a folder",
            node(b"d", 1, 0o755, vec![group(1), empty()]),
        ),
        ("hard-link group 0", node(b"p", 3, 0o600, vec![group(0)])),
        (
            "a field nobody knows",
            node(b"p", 3, 0o600, vec![(17, Cbor::Unsigned(0))]),
        ),
        (
            "a link target on a pipe",
            node(b"p", 3, 0o600, vec![(11, Cbor::bytes(b"x"))]),
        ),
        (
            "a node longer than any",
            [&u32::MAX.to_le_bytes()[..], b"x"].concat(),
        ),
        (
            "a node cut short",
            node(b"p", 3, 0o600, vec![])[..9].to_vec(),
        ),
    ]
}

#[test]
fn nodes_that_are_not_canonical_or_lack_what_their_kind_needs_are_refused() {
    let scene = Scene::new(504);
    let forger = scene.forger();
    for (what, tree) in broken_files().into_iter().chain(broken_nodes()) {
        let target = Target::new();
        forger.snapshot_of_tree(&tree, vec![]);
        let (outcome, told) = restore_into(&scene, &target);
        assert_eq!(outcome, Outcome::Damaged, "{what}: {told:?}");
        assert_eq!(
            std::fs::read_dir(target.path()).unwrap().count(),
            0,
            "{what}"
        );
    }
}

#[test]
fn a_list_of_chunks_that_lists_itself_without_end_is_bounded() {
    let scene = Scene::new(505);
    let forger = scene.forger();
    // Each level names the level below 8,192 times: 2^52 ids, if they were believed.
    let (content, content_segment) = forger.plant(ChunkType::Content, &[b"x"]);
    let mut ids = content[0].id.as_bytes().repeat(8192);
    let mut segments = vec![content_segment];
    for _ in 0..3 {
        let (list, segment) = forger.plant(ChunkType::List, &[&ids]);
        segments.push(segment);
        ids = list[0].id.as_bytes().repeat(8192);
    }
    let top = ids[..1024 * 32].to_vec();
    let claimed = 1u64 << 49;
    let stream = Cbor::Array(vec![
        Cbor::Unsigned(claimed),
        Cbor::Unsigned(3),
        Cbor::Bytes(top),
    ]);
    let tree = node(
        b"f",
        0,
        0o644,
        vec![(7, Cbor::Unsigned(claimed)), (16, stream)],
    );
    forger.snapshot_of_tree(&tree, segments);
    let target = Target::new();
    let (outcome, told) = restore_into(&scene, &target);
    assert_eq!(outcome, Outcome::Damaged, "{told:?}");
}

#[test]
fn a_million_levels_would_end_at_the_depth_limit_without_overflow() {
    let scene = Scene::new(506);
    let forger = scene.forger();
    let levels = 4_200;
    let mut trees: Vec<Vec<u8>> = Vec::with_capacity(levels);
    let mut inner = Cbor::Array(vec![
        Cbor::Unsigned(0),
        Cbor::Unsigned(0),
        Cbor::Bytes(vec![]),
    ]);
    for _ in 0..levels {
        let tree = directory(b"d", inner);
        let chunk = Planted {
            id: forger.names().chunk_id(ChunkType::Tree, &tree),
            length: tree.len() as u32,
        };
        inner = stream(&[chunk]);
        trees.push(tree);
    }
    let chunks: Vec<&[u8]> = trees.iter().map(Vec::as_slice).collect();
    let (pack, _) = forger.pack(PackKind::Meta, vec![forger.frame(ChunkType::Tree, &chunks)]);
    let segment = forger.segment(&[pack]);
    forger.snapshot(inner, &[segment]);
    let target = Target::new();
    let (outcome, told) = restore_into(&scene, &target);
    assert_eq!(outcome, Outcome::Damaged);
    assert!(
        told.iter().any(|line| line.contains("nested more than")),
        "{:?}",
        told.last()
    );
}

#[test]
fn setuid_and_devices_come_only_as_the_options_say_and_special_files_do_no_harm() {
    let scene = Scene::new(507);
    let forger = scene.forger();
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"#!/bin/sh"]);
    let length = (7, Cbor::Unsigned(9));
    let tree = node(b"su", 0, 0o6755, vec![length, (16, stream(&chunks))]);
    forger.snapshot_of_tree(&tree, vec![segment]);
    let target = Target::new();
    let repository = scene.open().unwrap();
    let options = RestoreOptions {
        set_ids: ownkey_engine::target::SetIds::Drop,
        ..RestoreOptions::into_folder(&target.path())
    };
    restore(&repository, &options).unwrap();
    let mode = std::fs::metadata(target.path().join("su"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7000, 0);
    target.assert_outside_unharmed();
}

#[test]
fn names_that_differ_only_in_case_come_back_as_two_files() {
    let scene = Scene::new(508);
    let forger = scene.forger();
    let (upper, one) = forger.plant(ChunkType::Content, &[b"upper"]);
    let (lower, two) = forger.plant(ChunkType::Content, &[b"lower"]);
    forger.snapshot_of_tree(
        &[file(b"FILE", &upper), file(b"file", &lower)].concat(),
        vec![one, two],
    );
    let target = Target::new();
    restore_into(&scene, &target);
    assert_eq!(std::fs::read(target.path().join("FILE")).unwrap(), b"upper");
    assert_eq!(std::fs::read(target.path().join("file")).unwrap(), b"lower");
}

#[test]
fn a_subtree_of_an_old_snapshot_cannot_be_put_into_a_new_one_by_the_storage() {
    let scene = Scene::new(509);
    write(
        &scene.source.join("docs/letter"),
        b"the newer content of a letter",
    );
    scene.backup();
    let dump = scene.dump();
    let packs: Vec<_> = dump
        .names_under("meta/")
        .chain(dump.names_under("data/"))
        .cloned()
        .collect();
    assert!(packs.len() >= 4, "{packs:?}");
    for one in &packs {
        for other in &packs {
            scene.lying.repent();
            scene
                .lying
                .tell(ownkey_testkit::Lie::ServeAs(one.clone(), other.clone()));
            // Whatever is shown: the newest content, or none (which `attempt` verifies).
            scene.attempt();
        }
    }
}

#[test]
fn a_record_that_breaks_the_format_is_named() {
    let scene = Scene::new(510);
    let start = scene.dump();
    let public = scene.forger().identity.public().clone();
    let root = || {
        Cbor::Array(vec![
            Cbor::Unsigned(0),
            Cbor::Unsigned(0),
            Cbor::Bytes(vec![]),
        ])
    };
    let good = super::forger::record(root()).encode();
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a tail", [&good[..], &[0]].concat()),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("no map", Cbor::Unsigned(1).encode()),
        (
            "a field nobody knows",
            Cbor::Map(vec![(0, root()), (99, Cbor::Unsigned(0))]).encode(),
        ),
        (
            "an indefinite length",
            [&[0xbf][..], &good[1..], &[0xff]].concat(),
        ),
    ] {
        scene.serve(&start);
        let forger = scene.forger().at(&public, &scene.storage);
        let backup = super::forger::Said {
            record: Some(bytes),
            ..super::forger::Said::of(0, Cbor::Map(vec![(0, Cbor::Array(vec![]))]))
        };
        let at = forger.say(backup);
        let error = scene.attempt().refused(ownkey_engine::Class::Damage);
        let expected = ownkey_engine::format::layout::log_entry(&forger.me(), at.seq);
        assert!(
            matches!(&error, ownkey_engine::Error::Format { name, .. } if *name == expected),
            "{what}: {error:?}"
        );
    }
}
