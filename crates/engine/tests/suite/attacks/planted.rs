//! Packs and segments by a writer who holds valid keys: sealed as they should be, and wrong inside.

use ownkey_crypto::{ChunkType, Codec, FrameInput, PackKind};
use ownkey_engine::format::segment;

use super::forger::{Forger, Planted, file, stream};
use super::scene::{Scene, assert_nothing_wrong, fast_folder, restore, write};
use ownkey_engine::restore::{Outcome, RestoreOptions};

/// Restores the newest snapshot, which a forger made, wholly. Returns what was told.
fn restore_forged(scene: &Scene, expected: &[(&str, &[u8])]) -> (Outcome, Vec<String>) {
    let wanted = tempfile::tempdir().unwrap();
    for (path, bytes) in expected {
        write(&wanted.path().join(path), bytes);
    }
    let target = tempfile::tempdir_in(fast_folder()).unwrap();
    let repository = scene.open().unwrap();
    let (report, told) = restore(&repository, &RestoreOptions::into_folder(target.path())).unwrap();
    assert_nothing_wrong(wanted.path(), target.path());
    (report.outcome(), told)
}

/// A snapshot of one file `f` whose only chunk lies in a frame of the forger's choice.
fn snapshot_of_frame(forger: &Forger, frame: FrameInput) {
    let (id, length) = frame.chunks[0];
    let (pack, _) = forger.pack(PackKind::Data, vec![frame]);
    let segment = forger.segment(&[pack]);
    forger.snapshot_of_tree(&file(b"f", &[Planted { id, length }]), vec![segment]);
}

#[test]
fn an_honest_snapshot_by_the_second_encoder_restores() {
    let scene = Scene::new(120);
    let forger = scene.forger();
    let (chunks, segment) = forger.plant(ChunkType::Content, &[b"first part, ", b"second part"]);
    forger.snapshot_of_tree(&file(b"f", &chunks), vec![segment]);
    let (outcome, told) = restore_forged(&scene, &[("f", b"first part, second part")]);
    assert_ne!(outcome, Outcome::Damaged, "{told:?}");
    assert!(
        told.iter()
            .all(|line| !line.contains("/f:") || line.contains("owner")),
        "{told:?}"
    );
}

#[test]
fn a_chunk_that_does_not_hash_to_its_id_is_not_restored() {
    let scene = Scene::new(121);
    let forger = scene.forger();
    let mut frame = forger.frame(ChunkType::Content, &[b"what is there"]);
    frame.chunks[0].0 = forger.names().chunk_id(ChunkType::Content, b"what it says");
    snapshot_of_frame(&forger, frame);
    let (outcome, told) = restore_forged(&scene, &[]);
    assert_eq!(outcome, Outcome::Damaged);
    assert!(told[0].contains("/f: pack data/"), "{told:?}");
}

/// A frame of 100 equal bytes that says to be compressed and holds `stored`.
fn compressed(forger: &Forger, byte: u8, stored: Vec<u8>) -> FrameInput {
    FrameInput {
        codec: Codec::Zstd,
        stored,
        ..forger.frame(ChunkType::Content, &[&[byte; 100]])
    }
}

/// By RFC 8878: one segment of 100 bytes, in one block of equal bytes, naming a dictionary or none.
fn frame_by_hand(byte: u8, dictionary: Option<u8>) -> Vec<u8> {
    let mut frame = vec![
        0x28,
        0xb5,
        0x2f,
        0xfd,
        0x20 | u8::from(dictionary.is_some()),
    ];
    frame.extend(dictionary);
    frame.extend([100, 0x23, 0x03, 0x00, byte]);
    frame
}

#[test]
fn compressed_frames_are_bounded_exact_and_without_dictionary_or_tail() {
    let scene = Scene::new(122);
    let forger = scene.forger();
    let packed = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
    for (byte, stored) in [(1, packed(&[1; 100])), (2, frame_by_hand(2, None))] {
        snapshot_of_frame(&forger, compressed(&forger, byte, stored));
        let (outcome, told) = restore_forged(&scene, &[("f", &[byte; 100])]);
        assert_ne!(outcome, Outcome::Damaged, "{told:?}");
    }
    // Each would be its own 100 bytes, so that no other pack can stand in.
    type Spoil<'a> = &'a dyn Fn(u8) -> Vec<u8>;
    let cases: [(&str, Spoil<'_>); 9] = [
        ("bomb", &|byte| packed(&vec![byte; 256 << 20])),
        ("longer", &|byte| packed(&[byte; 101])),
        ("shorter", &|byte| packed(&[byte; 99])),
        ("tail", &|byte| {
            [packed(&[byte; 100]), b"tail".to_vec()].concat()
        }),
        ("two frames", &|byte| {
            [packed(&[byte; 50]), packed(&[byte; 50])].concat()
        }),
        ("an empty frame behind", &|byte| {
            [packed(&[byte; 100]), packed(&[])].concat()
        }),
        ("a skippable frame behind", &|byte| {
            [
                &packed(&[byte; 100])[..],
                &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0],
            ]
            .concat()
        }),
        ("a dictionary", &|byte| frame_by_hand(byte, Some(7))),
        ("noise", &|byte| {
            vec![0x28, 0xb5, 0x2f, 0xfd, byte, 2, 3, 4, 5, 6, 7, 8]
        }),
    ];
    for (byte, (what, spoil)) in (10..).zip(cases) {
        snapshot_of_frame(&forger, compressed(&forger, byte, spoil(byte)));
        let (outcome, told) = restore_forged(&scene, &[]);
        assert_eq!(outcome, Outcome::Damaged, "{what}: {told:?}");
    }
}

#[test]
fn a_segment_that_breaks_the_format_costs_its_own_chunks_and_no_others() {
    let scene = Scene::new(123);
    let forger = scene.forger();
    let (pack, _) = forger.pack(
        PackKind::Data,
        vec![forger.frame(ChunkType::Content, &[b"planted"])],
    );
    let good = segment::encode(&[pack]);
    let edited = |at: usize, bytes: &[u8]| {
        let mut segment = good.clone();
        segment[at..at + bytes.len()].copy_from_slice(bytes);
        segment
    };
    // Offsets: u32 packs, then kind, hash, length, directory length, and the directory.
    let directory = 4 + 4 + 32 + 4 + 4;
    for broken in [
        vec![],
        vec![0xff; 4],
        edited(0, &u32::MAX.to_le_bytes()),
        edited(4, &[9]),
        edited(directory - 4, &u32::MAX.to_le_bytes()),
        // 2^31 frames; a frame of 4 GiB; chunks without end; an offset behind the end.
        edited(directory, &(1u32 << 31).to_le_bytes()),
        edited(directory + 12, &u32::MAX.to_le_bytes()),
        edited(directory + 20, &u32::MAX.to_le_bytes()),
        edited(directory + 4, &u32::MAX.to_le_bytes()),
        [&good[..], b"more"].concat(),
        good[..good.len() - 1].to_vec(),
    ] {
        let segment = forger.segment_bytes(&broken);
        let named = super::forger::hashes(&[segment]);
        forger.say(super::forger::Said::of(
            4,
            super::cbor::Cbor::Map(vec![(0, named)]),
        ));
        // As when it was opened before, so that what follows changes no state.
        scene.open().unwrap();
        scene.attempt().complete();
    }
}

#[test]
fn a_segment_that_misplaces_known_chunks_costs_no_snapshot_a_byte() {
    let scene = Scene::new(124);
    let honest = scene.dump();
    let forger = scene.forger();
    // Another frame of another pack, said to hold what the honest pack holds.
    let (mut pack, _) = forger.pack(
        PackKind::Data,
        vec![forger.frame(ChunkType::Content, &[&[1; 23]])],
    );
    let elsewhere = honest.names_under("data/").next().unwrap().as_str();
    pack.name.hash = ownkey_crypto::ObjectHash::parse(&elsewhere[8..]).unwrap();
    let segment = forger.segment(&[pack]);
    let named = super::forger::hashes(&[segment]);
    forger.say(super::forger::Said::of(
        4,
        super::cbor::Cbor::Map(vec![(0, named)]),
    ));
    scene.open().unwrap();
    scene.attempt().complete();
}

#[test]
fn contents_of_another_type_number_order_or_length_are_not_restored() {
    let scene = Scene::new(125);
    let forger = scene.forger();
    let (content, contents) = forger.plant(ChunkType::Content, &[b"one", b"two"]);
    let (tree, trees) = forger.plant(ChunkType::Tree, &[&file(b"inner", &[])]);
    let with_length = |length: u64| {
        let ids: Vec<u8> = content
            .iter()
            .flat_map(|chunk| *chunk.id.as_bytes())
            .collect();
        let stream = super::cbor::Cbor::Array(vec![
            super::cbor::Cbor::Unsigned(length),
            super::cbor::Cbor::Unsigned(0),
            super::cbor::Cbor::Bytes(ids),
        ]);
        let size = (7, super::cbor::Cbor::Unsigned(length));
        super::forger::node(b"f", 0, 0o644, vec![size, (16, stream)])
    };
    for (what, node) in [
        ("a directory as content", file(b"f", &tree)),
        (
            "content as a directory",
            super::forger::directory(b"f", stream(&content)),
        ),
        ("a chunk dropped", with_length(9)),
        ("a chunk too many", with_length(3)),
        ("a chunk cut", with_length(5)),
    ] {
        forger.snapshot_of_tree(&node, vec![contents, trees]);
        // An empty directory of that name may be there: nothing could be put into it.
        let repository = scene.open().unwrap();
        let target = tempfile::tempdir_in(fast_folder()).unwrap();
        let (report, told) =
            restore(&repository, &RestoreOptions::into_folder(target.path())).unwrap();
        assert_eq!(report.outcome(), Outcome::Damaged, "{what}: {told:?}");
        let made = target.path().join("f");
        assert!(
            !made.exists() || std::fs::read_dir(&made).unwrap().next().is_none(),
            "{what}"
        );
    }
}
