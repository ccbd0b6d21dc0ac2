//! Packs and segments that the storage changes, cuts, swaps or replaces.

use bytes::Bytes;
use ownkey_engine::Class;
use ownkey_engine::check;
use ownkey_engine::tree::Browser;
use ownkey_storage::ObjectName;
use ownkey_testkit::{Lie, SeededRandom};

use super::scene::{Attempt, Scene};

/// Tells a lie, restores, and expects that something could not be read and was named.
fn assert_told(scene: &Scene, lie: &Lie, about: &ObjectName) {
    scene.lying.repent();
    scene.lying.tell(lie.clone());
    let told = scene.attempt().damaged();
    assert!(
        told.iter().any(|line| line.contains(about.as_str())),
        "{lie:?}: {told:?}"
    );
}

/// Tells a lie about what a restore may not have to read, and expects that a check finds it without any key.
fn assert_found(scene: &Scene, lie: &Lie, about: &ObjectName) {
    scene.lying.repent();
    scene.lying.tell(lie.clone());
    match scene.attempt() {
        Attempt::Refused(error) => assert_eq!(error.class(), Class::Damage, "{lie:?}"),
        // `attempt` has compared every byte.
        Attempt::Restored(..) => {}
    }
    let world = &scene.world;
    let report = check::objects(&world.environment, &scene.storage, &world.monitor).unwrap();
    assert_eq!(report.damaged, std::slice::from_ref(about), "{lie:?}");
}

/// A data pack and a directory pack.
fn packs(scene: &Scene) -> [(ObjectName, u64); 2] {
    let dump = scene.dump();
    ["data/", "meta/"].map(|under| {
        let name = scene.only_name(under);
        let size = dump.get(&name).unwrap().len() as u64;
        (name, size)
    })
}

#[test]
fn a_flipped_bit_in_header_frames_padding_directory_or_trailer_is_told() {
    let scene = Scene::new(100);
    for (pack, size) in packs(&scene) {
        let header = (0..112).step_by(3).map(|byte| 8 * byte + byte % 8);
        let trailer = (size - 48..size).step_by(5).map(|byte| 8 * byte);
        let mut random = SeededRandom::new(100);
        let inside: Vec<u64> = (0..40).map(|_| random.below(8 * size)).collect();
        for bit in header {
            assert_told(&scene, &Lie::FlipBit(pack.clone(), bit), &pack);
        }
        for bit in trailer.chain(inside) {
            assert_found(&scene, &Lie::FlipBit(pack.clone(), bit), &pack);
        }
    }
}

#[test]
fn a_pack_cut_short_empty_or_longer_is_told() {
    let scene = Scene::new(101);
    for (pack, size) in packs(&scene) {
        for length in [0, 1, 43, 44, 111, 112, size / 8] {
            assert_told(&scene, &Lie::Truncate(pack.clone(), length), &pack);
        }
        for length in [size / 2, size - 49, size - 48, size - 1] {
            assert_found(&scene, &Lie::Truncate(pack.clone(), length), &pack);
        }
        for more in [1, 16, 4096] {
            assert_found(
                &scene,
                &Lie::Extend(pack.clone(), vec![0; more].into()),
                &pack,
            );
        }
        assert_told(&scene, &Lie::Hide(pack.clone()), &pack);
    }
}

#[test]
fn a_far_larger_object_in_place_of_a_pack_is_told() {
    let scene = Scene::new(102);
    for (pack, _) in packs(&scene) {
        let huge = Bytes::from(vec![7; 80 << 20]);
        assert_told(&scene, &Lie::Plant(pack.clone(), huge), &pack);
    }
}

#[test]
fn a_pack_of_the_same_repository_under_another_name_is_told() {
    let scene = Scene::new(103);
    super::scene::write(
        &scene.source.join("later"),
        b"something that was not there before",
    );
    scene.backup();
    let dump = scene.dump();
    let data: Vec<ObjectName> = dump.names_under("data/").cloned().collect();
    let meta: Vec<ObjectName> = dump.names_under("meta/").cloned().collect();
    for names in [&data, &meta] {
        let [one, other] = &names[..] else {
            panic!("{names:?}")
        };
        assert_told(&scene, &Lie::ServeAs(one.clone(), other.clone()), one);
        assert_told(&scene, &Lie::ServeAs(other.clone(), one.clone()), other);
        scene.lying.repent();
        scene.lying.tell(Lie::Swap(one.clone(), other.clone()));
        let told = scene.attempt().damaged().join(" ");
        assert!(
            told.contains(one.as_str()) || told.contains(other.as_str()),
            "{told}"
        );
    }
    // A directory in place of contents, and the reverse.
    assert_told(
        &scene,
        &Lie::ServeAs(data[0].clone(), meta[0].clone()),
        &data[0],
    );
    assert_told(
        &scene,
        &Lie::ServeAs(meta[1].clone(), data[1].clone()),
        &meta[1],
    );
}

#[test]
fn a_pack_of_another_repository_or_an_old_one_is_told() {
    let scene = Scene::new(104);
    let other = Scene::new(105).dump();
    for (pack, _) in packs(&scene) {
        let folder = &pack.as_str()[..5];
        let foreign = other.names_under(folder).next().unwrap();
        assert_told(
            &scene,
            &Lie::Plant(pack.clone(), other.get(foreign).unwrap().clone()),
            &pack,
        );
    }
}

#[test]
fn every_field_of_a_packs_header_is_checked_before_anything_is_decrypted() {
    let scene = Scene::new(106);
    let fields: [(usize, &[u8]); 8] = [
        (0, b"KNWO"),
        (4, &[2]),
        (5, &[6]),
        (6, &[1]),
        (7, &[1]),
        (8, &[2, 0, 0, 0]),
        (12, &[0; 32]),
        (76, &[0; 32]),
    ];
    let (pack, _) = packs(&scene)[0].clone();
    let honest = scene.dump().get(&pack).unwrap().to_vec();
    for (at, bytes) in fields {
        let mut changed = honest.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        assert_told(&scene, &Lie::Plant(pack.clone(), changed.into()), &pack);
    }
}

/// Reads every directory of the newest snapshot by ranges.
fn read_by_ranges(scene: &Scene) -> ownkey_engine::Result<u64> {
    let repository = scene.open()?;
    let snapshot = repository.find_snapshot("latest")?;
    let browser = Browser::new(&repository)?;
    let heard = crate::world::Heard::default();
    let each = |_: &std::path::Path, _: &ownkey_engine::format::node::Node| {
        Ok(ownkey_engine::list::Descend::Into)
    };
    let report = ownkey_engine::list::each(&browser, &snapshot, None, &heard, each)?;
    assert_eq!(report.broken as usize, heard.problems.lock().unwrap().len());
    Ok(report.broken)
}

#[test]
fn ranges_that_begin_late_or_end_early_are_told() {
    let scene = Scene::new(107);
    let (pack, size) = packs(&scene)[1].clone();
    assert_eq!(read_by_ranges(&scene).unwrap(), 0);
    for by in [1, 16, 4096, size] {
        for lie in [
            Lie::ShiftRanges(pack.clone(), by),
            Lie::ShortenRanges(pack.clone(), by),
        ] {
            scene.lying.repent();
            scene.lying.tell(lie.clone());
            assert!(read_by_ranges(&scene).unwrap() > 0, "{lie:?}");
        }
    }
}

#[test]
fn a_missing_or_changed_segment_is_damage_and_costs_one_backup_nothing_but_space() {
    let scene = Scene::new(108);
    let segment = scene.only_name("index/");
    let size = scene.dump().get(&segment).unwrap().len() as u64;
    for lie in [
        Lie::Hide(segment.clone()),
        Lie::FlipBit(segment.clone(), 8 * 200),
        Lie::FlipBit(segment.clone(), 8 * 7),
        Lie::Truncate(segment.clone(), size - 1),
        Lie::Truncate(segment.clone(), 0),
        Lie::Extend(segment, Bytes::from_static(b"x")),
    ] {
        scene.lying.repent();
        scene.lying.tell(lie);
        match scene.attempt() {
            Attempt::Restored(report, told) => {
                assert!(report.damaged > 0 && !told.is_empty(), "{report:?}");
            }
            Attempt::Refused(error) => assert_eq!(error.class(), Class::Damage, "{error:?}"),
        }
    }
    // The next backup stores again what the lost segment knew of, and is whole.
    scene.backup();
    scene.attempt().complete();
}
