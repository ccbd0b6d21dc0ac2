//! Repair: what is damaged is made good from what is left, and nothing is ever worse than before.

use ownkey_engine::Class;
use ownkey_engine::check::{self, ReadData};
use ownkey_engine::repair::{self, Named};
use ownkey_engine::restore::Outcome;
use ownkey_storage::ObjectName;
use ownkey_testkit::Lie;

use crate::case::{Case, assert_same, problems, write, write_large};
use crate::world::Heard;

fn large(seed: u64) -> Case {
    Case::new(seed, |source| {
        write_large(source, seed, 3);
        write(&source.join("small/f"), b"small");
    })
}

fn restored_wholly(case: &Case, name: &str) {
    let target = case.world.folder.path().join(name);
    let (restored, heard) = case.restore(&case.options(&target));
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(restored.outcome(), Outcome::Complete);
    assert_same(&case.source, &target);
}

/// Nothing that this machine has of the index is used again.
fn forget_index(case: &Case) {
    let cache = case.world.folder.path().join("cache");
    std::fs::remove_dir_all(&cache).unwrap();
}

#[test]
fn a_lost_index_is_made_again_from_the_packs() {
    for lie in [
        Lie::Hide,
        (|name| Lie::FlipBit(name, 999)) as fn(ObjectName) -> Lie,
    ] {
        let case = large(50);
        for segment in case.packs("index/") {
            case.lying.tell(lie(segment));
        }
        forget_index(&case);
        let lost = check::run(&case.repository(), ReadData::No, &Heard::default()).unwrap();
        assert!(lost.concerned_count > 0, "{lost:?}");

        let packs = (case.packs("data/").len() + case.packs("meta/").len()) as u64;
        let report = repair::index(&mut case.repository(), &Heard::default()).unwrap();
        assert_eq!(
            (report.unindexed, report.indexed),
            (packs, packs),
            "{report:?}"
        );
        assert_eq!((report.broken_segments, report.damaged), (1, 0));
        assert_eq!(report.named, Named::Told);
        restored_wholly(&case, "after");
        // Another machine, which has nothing but the storage, sees the same.
        forget_index(&case);
        restored_wholly(&case, "elsewhere");
        let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
        assert_eq!(checked.findings, []);
        // Twice is as good as once.
        let again = repair::index(&mut case.repository(), &Heard::default()).unwrap();
        assert_eq!((again.unindexed, again.broken_segments), (0, 0));
    }
}

#[test]
fn a_new_snapshot_relies_on_packs_that_were_indexed_again() {
    let case = large(51);
    for segment in case.packs("index/") {
        case.lying.tell(Lie::Hide(segment));
    }
    forget_index(&case);
    repair::index(&mut case.repository(), &Heard::default()).unwrap();
    let data = case.packs("data/").len();
    write(&case.source.join("more"), b"more");
    let report = case.world.backup(&mut case.repository(), &case.source);
    assert!(report.counts.new_bytes < 1 << 20, "{report:?}");
    assert!(case.packs("data/").len() <= data + 1);
}

#[test]
fn a_damaged_pack_without_index_gives_what_is_good_in_it() {
    let case = large(52);
    for segment in case.packs("index/") {
        case.lying.tell(Lie::Hide(segment));
    }
    let pack = case.packs("data/")[0].clone();
    case.lying.tell(Lie::FlipBit(pack, 8 * 300_000));
    forget_index(&case);
    let report = repair::index(&mut case.repository(), &Heard::default()).unwrap();
    assert_eq!(report.damaged, 1);
    assert_eq!(
        report.salvaged.lost, 1,
        "one chunk has the wrong bit: {report:?}"
    );
    assert!(report.salvaged.again > 3, "{report:?}");
    let checked = check::run(&case.repository(), ReadData::All, &Heard::default()).unwrap();
    assert_eq!(checked.concerned_count, 1, "{checked:?}");
    assert_eq!(checked.worst(), Some(Class::Damage));
}
