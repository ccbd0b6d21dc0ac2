//! A storage that changes packs: every change is a named error, and no wrong byte comes out.

use crate::support::{World, identity, stored};
use ownkey_crypto::*;

const TEXTS: [&str; 3] = [
    "the first frame",
    "the second frame",
    "and a third one, longer",
];

#[test]
fn a_pack_opens_to_what_was_sealed_for_readers_and_from_write_only_devices() {
    let world = World::new();
    for writer in [world.reader.writer(), world.write_only()] {
        for padding in [PackPadding::Padme, PackPadding::SmallSession] {
            let frames = TEXTS.iter().map(|text| world.frame(text)).collect();
            let pack = seal_pack(
                &writer,
                PackInput {
                    parity: None,
                    kind: PackKind::Data,
                    padding,
                    frames,
                },
                &world.hedge,
            )
            .unwrap();
            assert_eq!(pack.hash, object_hash(pack.sealed.as_bytes()));
            let opened = world.open_pack(pack.sealed.as_bytes()).unwrap();
            assert_eq!(opened, TEXTS.map(|text| text.as_bytes().to_vec()));
        }
    }
}

#[test]
fn a_pack_has_a_padded_length_and_its_directory_is_the_one_that_was_returned() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    let bytes = pack.sealed.as_bytes();
    assert_eq!(padme(bytes.len() as u64), bytes.len() as u64);
    let opener = PackOpener::new(&world.reader, PackKind::Data, bytes).unwrap();
    assert_eq!(opener.open_whole(bytes).unwrap(), pack.directory);
    let encoded = pack.directory.encode();
    assert_eq!(encoded.len(), usize::try_from(pack.directory_len).unwrap());
    assert_eq!(Directory::decode(&encoded), Ok(pack.directory));

    let frames = TEXTS.iter().map(|text| world.frame(text)).collect();
    let small = seal_pack(
        &world.reader.writer(),
        PackInput {
            parity: None,
            kind: PackKind::Meta,
            padding: PackPadding::SmallSession,
            frames,
        },
        &world.hedge,
    );
    let length = small.unwrap().sealed.len();
    assert!(length == 256 << 10 || length == 512 << 10, "{length}");
}

#[test]
fn the_order_of_frames_in_the_file_is_shuffled() {
    let world = World::new();
    let texts: Vec<String> = (0..8).map(|i| format!("frame {i}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let orders: std::collections::BTreeSet<Vec<u32>> = (0..20)
        .map(|_| {
            world
                .pack(&texts)
                .directory
                .frames()
                .iter()
                .map(|frame| frame.offset)
                .collect()
        })
        .collect();
    assert!(orders.len() > 15, "{} different orders of 20", orders.len());
}

#[test]
fn a_range_reader_needs_the_header_once_and_then_only_the_frame() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    let bytes = pack.sealed.as_bytes();
    let opener = PackOpener::new(
        &world.reader,
        PackKind::Data,
        &bytes[..bytes.len().min(MAX_HEADER_LEN)],
    )
    .unwrap();
    let opened = opener
        .open_frame(1, stored(bytes, &pack.directory.frames()[1]))
        .unwrap();
    assert_eq!(opened.as_bytes(), TEXTS[1].as_bytes());
}

#[test]
fn every_flipped_bit_at_every_offset_is_detected() {
    let world = World::new();
    let good = world.pack(&TEXTS).sealed.into_bytes();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(world.open_pack(&bad).is_err(), "offset {at}");
    }
}

#[test]
fn a_pack_cut_short_at_any_length_is_an_error() {
    let world = World::new();
    let good = world.pack(&TEXTS).sealed.into_bytes();
    for length in 0..good.len() {
        let error = world.open_pack(&good[..length]).unwrap_err();
        let expected = if length < HEADER_LEN + 48 {
            OpenError::TooShort
        } else {
            OpenError::NotAuthentic
        };
        assert_eq!(error, expected, "length {length}");
    }
}

#[test]
fn bytes_after_the_end_are_an_error_and_change_the_name() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    for extra in [&b"x"[..], &[0; 16], &[0; 4096]] {
        let longer = [pack.sealed.as_bytes(), extra].concat();
        assert_eq!(
            world.open_pack(&longer).unwrap_err(),
            OpenError::NotAuthentic
        );
        assert_ne!(object_hash(&longer), pack.hash);
    }
}

#[test]
fn swapped_repeated_and_renumbered_frames_are_not_authentic() {
    let world = World::new();
    let pack = world.pack(&["equal length 1", "equal length 2"]);
    let bytes = pack.sealed.as_bytes();
    let [one, two] = pack.directory.frames() else {
        panic!("two frames")
    };
    let opener = PackOpener::new(&world.reader, PackKind::Data, bytes).unwrap();
    for (number, frame) in [(0, two), (1, one), (2, one), (u32::MAX, two)] {
        assert_eq!(
            opener.open_frame(number, stored(bytes, frame)).err(),
            Some(OpenError::NotAuthentic)
        );
    }

    let range = |frame: &FrameEntry| frame.range().start as usize..frame.range().end as usize;
    let mut swapped = bytes.to_vec();
    swapped[range(one)].copy_from_slice(&bytes[range(two)]);
    swapped[range(two)].copy_from_slice(&bytes[range(one)]);
    assert_eq!(
        world.open_pack(&swapped).unwrap_err(),
        OpenError::NotAuthentic
    );
    let mut repeated = bytes.to_vec();
    repeated[range(two)].copy_from_slice(&bytes[range(one)]);
    assert_eq!(
        world.open_pack(&repeated).unwrap_err(),
        OpenError::NotAuthentic
    );
    let dropped = [&bytes[..range(one).start], &bytes[range(one).end..]].concat();
    assert_eq!(
        world.open_pack(&dropped).unwrap_err(),
        OpenError::NotAuthentic
    );
}

#[test]
fn a_frame_of_another_pack_of_the_same_repository_is_not_authentic() {
    let world = World::new();
    let (one, two) = (world.pack(&["same bytes"]), world.pack(&["same bytes"]));
    let opener = PackOpener::new(&world.reader, PackKind::Data, one.sealed.as_bytes()).unwrap();
    let foreign = stored(two.sealed.as_bytes(), &two.directory.frames()[0]);
    assert_eq!(
        opener.open_frame(0, foreign).err(),
        Some(OpenError::NotAuthentic)
    );
}

#[test]
fn directory_and_trailer_do_not_pass_for_frames_nor_frames_for_them() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    let bytes = pack.sealed.as_bytes();
    let opener = PackOpener::new(&world.reader, PackKind::Data, bytes).unwrap();
    let length = bytes.len() as u64;
    let place = opener.trailer_range(length).unwrap();
    let sealed_trailer = &bytes[place.start as usize..place.end as usize];
    let trailer = opener.open_trailer(sealed_trailer, length).unwrap();
    let directory = trailer.directory_range();
    let sealed_directory = &bytes[directory.start as usize..directory.end as usize];
    assert!(opener.open_directory(sealed_directory, &trailer).is_ok());
    for sealed in [sealed_trailer, sealed_directory] {
        assert_eq!(
            opener.open_frame(0, sealed).err(),
            Some(OpenError::NotAuthentic)
        );
    }
    assert_eq!(
        opener.open_trailer(sealed_directory, length).err(),
        Some(OpenError::TooShort)
    );
    // A true trailer under a claimed other length.
    assert_eq!(
        opener.open_trailer(sealed_trailer, length + 1).err(),
        Some(OpenError::NotAuthentic)
    );
}

#[test]
fn each_field_of_a_changed_header_has_its_own_error() {
    let world = World::new();
    let good = world.pack(&TEXTS).sealed.into_bytes();
    let change = |at: usize, to: u8| {
        let mut bad = good.clone();
        assert_ne!(bad[at], to);
        bad[at] = to;
        PackOpener::new(&world.reader, PackKind::Data, &bad)
            .err()
            .unwrap()
    };
    assert_eq!(change(0, b'o'), OpenError::NotOwnkey);
    assert_eq!(change(4, 2), OpenError::Unsupported(Unsupported::Version));
    assert_eq!(change(5, 12), OpenError::Unsupported(Unsupported::Class));
    assert_eq!(change(5, 0), OpenError::Unsupported(Unsupported::Class));
    assert_eq!(change(5, 6), OpenError::WrongClass);
    assert_eq!(change(6, 2), OpenError::Unsupported(Unsupported::Wrap));
    assert_eq!(change(7, 1), OpenError::Unsupported(Unsupported::Reserved));
    assert_eq!(change(8, 2), OpenError::WrongEpoch);
    assert_eq!(change(8, 0), OpenError::Malformed);
    assert_eq!(change(12, !good[12]), OpenError::WrongRepository);
    assert_eq!(change(44, !good[44]), OpenError::WrongKey);
    assert_eq!(change(76, !good[76]), OpenError::WrongKey);
    assert_eq!(change(108, 1), OpenError::WrongKey);
    // Claiming to be wrapped turns the first frames into an encapsulation.
    assert!(matches!(
        change(6, 1),
        OpenError::TooShort | OpenError::WrongKey | OpenError::NotAuthentic
    ));
}

#[test]
fn a_pack_opens_under_one_key_only_by_its_commitment() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    for other in 10..30 {
        let keys = ReaderKeys::new(&crate::support::read_key(other), &world.repo, world.epoch);
        let refused = PackOpener::new(&keys, PackKind::Data, pack.sealed.as_bytes()).err();
        assert_eq!(refused, Some(OpenError::WrongKey));
    }
}

#[test]
fn a_data_pack_is_no_meta_pack() {
    let world = World::new();
    let pack = world.pack(&TEXTS);
    let refused = PackOpener::new(&world.reader, PackKind::Meta, pack.sealed.as_bytes()).err();
    assert_eq!(refused, Some(OpenError::WrongClass));
}

#[test]
fn an_object_of_absurd_length_is_refused_by_its_length() {
    let world = World::new();
    let huge = vec![0; (64 << 20) + 1];
    assert_eq!(
        PackOpener::new(&world.reader, PackKind::Data, &huge).err(),
        Some(OpenError::TooLong)
    );
    assert_eq!(peek_epoch(&huge).err(), Some(OpenError::TooLong));
    let pack = world.pack(&TEXTS);
    let opener = PackOpener::new(&world.reader, PackKind::Data, pack.sealed.as_bytes()).unwrap();
    assert_eq!(
        opener.trailer_range(5 << 30).err(),
        Some(OpenError::TooLong)
    );
    assert_eq!(opener.trailer_range(0).err(), Some(OpenError::TooShort));
}

#[test]
fn a_chunk_that_is_not_what_its_id_says_is_refused() {
    let world = World::new();
    let mut lie = world.frame("what was promised");
    lie.stored = b"something else...".to_vec();
    let pack = seal_pack(
        &world.reader.writer(),
        PackInput {
            parity: None,
            kind: PackKind::Data,
            padding: PackPadding::Padme,
            frames: vec![lie],
        },
        &world.hedge,
    );
    assert_eq!(
        world
            .open_pack(pack.unwrap().sealed.as_bytes())
            .unwrap_err(),
        OpenError::NotAuthentic
    );
}

#[test]
fn the_type_of_a_chunk_is_part_of_its_id() {
    let world = World::new();
    let ids = [ChunkType::Content, ChunkType::Tree, ChunkType::List]
        .map(|kind| world.names.chunk_id(kind, b"x"));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    let refused = world.names.verify_chunk(ChunkType::Tree, &ids[0], b"x");
    assert_eq!(refused, Err(OpenError::NotAuthentic));
}

#[test]
fn two_repositories_with_the_same_keys_share_no_ids_and_no_boundaries() {
    let one = World::new();
    let two = World::of(RepoId::of_genesis(b"another genesis"), Epoch::FIRST);
    let id = |world: &World| world.names.chunk_id(ChunkType::Content, b"same file");
    assert_ne!(id(&one), id(&two));
    assert_ne!(
        one.names.device_id(identity(1).public()),
        two.names.device_id(identity(1).public())
    );
    let mut data = vec![0; 1 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut data);
    let cut = |world: &World| world.names.chunker(Profile::Tree).cut(&data, End::Known);
    assert_ne!(cut(&one), cut(&two));
}

#[test]
fn frames_whose_lengths_disagree_are_not_sealed() {
    let world = World::new();
    let spoil: [fn(&mut FrameInput); 5] = [
        |frame| frame.plain_len += 1,
        |frame| frame.chunks[0].1 += 1,
        |frame| frame.chunks.clear(),
        |frame| frame.stored.push(0),
        |frame| {
            let length = (4 << 20) + (1 << 10) + 1;
            (frame.plain_len, frame.chunks[0].1) = (length, length);
            frame.stored = vec![0; length as usize];
        },
    ];
    for spoil in spoil {
        let mut frame = world.frame("a frame");
        spoil(&mut frame);
        let refused = seal_pack(
            &world.reader.writer(),
            PackInput {
                parity: None,
                kind: PackKind::Data,
                padding: PackPadding::Padme,
                frames: vec![frame],
            },
            &world.hedge,
        );
        assert_eq!(refused.err(), Some(SealError::BadFrame));
    }
    let none = seal_pack(
        &world.reader.writer(),
        PackInput {
            parity: None,
            kind: PackKind::Data,
            padding: PackPadding::Padme,
            frames: Vec::<FrameInput>::new(),
        },
        &world.hedge,
    );
    assert_eq!(none.err(), Some(SealError::BadFrame));
}

#[test]
fn more_than_an_object_may_hold_is_not_sealed() {
    let world = World::new();
    let frames = (0..17)
        .map(|_| {
            let mut frame = world.frame("");
            let length = 4 << 20;
            (frame.plain_len, frame.chunks[0].1) = (length, length);
            frame.stored = vec![0; length as usize];
            frame
        })
        .collect();
    let refused = seal_pack(
        &world.reader.writer(),
        PackInput {
            parity: None,
            kind: PackKind::Data,
            padding: PackPadding::Padme,
            frames,
        },
        &world.hedge,
    );
    assert_eq!(refused.err(), Some(SealError::TooLong));
}
