//! Restoring: everything comes back, nothing else is touched, and what is damaged is said.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use ownkey_engine::restore::{self, Extras, Filter, Mode, Outcome, RestoreOptions, Verify};
use ownkey_engine::target::Overwrite;
use ownkey_engine::tree::Browser;
use ownkey_storage::Storage;
use ownkey_testkit::{Lie, tree};

use crate::case::{Case, assert_same, names, problems, write};
use crate::world::Heard;

#[test]
fn a_tree_of_everything_comes_back_the_same() {
    for seed in [1, 2] {
        let case = Case::tree(seed, &tree::Spec::everything());
        let target = case.world.folder.path().join("target");
        let options = RestoreOptions {
            verify: Verify::ReadBack,
            ..case.options(&target)
        };
        let (report, heard) = case.restore(&options);
        assert_eq!(problems(&heard), Vec::<String>::new());
        assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
        // Sockets are recorded and not made.
        let differences = tree::compare(&case.source, &target);
        let unexpected: Vec<_> = differences
            .iter()
            .filter(|difference| !is_socket(&case.source.join(&difference.path)))
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        assert_eq!(differences.len() as u64, report.shortfalls.sockets);
        tree::unlock(&case.source);
        tree::unlock(&target);
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn without_a_part_absolute_paths_are_made_again_below_the_target() {
    let case = Case::new(3, |source| write(&source.join("a/b"), b"content"));
    let target = case.world.path("target");
    let (report, _) = case.restore(&RestoreOptions::into_folder(&target));
    assert_eq!(report.outcome(), Outcome::Complete);
    let inside = target.join(case.source.strip_prefix("/").unwrap());
    assert_same(&case.source, &inside);
}

#[test]
fn a_part_that_is_a_file_goes_into_the_target() {
    let case = Case::new(4, |source| write(&source.join("a/b"), b"content"));
    let target = case.world.path("target");
    let options = RestoreOptions {
        subpath: Some(case.source.join("a/b")),
        ..case.options(&target)
    };
    case.restore(&options);
    assert_eq!(std::fs::read(target.join("b")).unwrap(), b"content");
}

#[test]
fn a_large_file_of_many_chunks_and_a_sparse_one_come_back() {
    let case = Case::new(5, |source| {
        let mut random = ownkey_testkit::SeededRandom::new(5);
        write(&source.join("large"), &random.bytes(23 << 20));
        let sparse = std::fs::File::create(source.join("sparse")).unwrap();
        sparse.set_len(1 << 32).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, &random.bytes(3 << 20), 1 << 31).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (1 << 32) - 3).unwrap();
    });
    let target = case.world.path("target");
    let options = RestoreOptions {
        verify: Verify::ReadBack,
        ..case.options(&target)
    };
    let (report, heard) = case.restore(&options);
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(report.files, 2);
    assert_same(&case.source, &target);
    assert!(std::fs::metadata(target.join("sparse")).unwrap().blocks() * 512 < 8 << 20);
}

#[test]
fn a_second_restore_of_what_is_there_writes_nothing() {
    let case = Case::tree(6, &tree::Spec::plain());
    let target = case.world.path("target");
    case.restore(&case.options(&target));
    let before = names(&target);
    let options = RestoreOptions {
        overwrite: Overwrite::IfChanged,
        ..case.options(&target)
    };
    let (report, _) = case.restore(&options);
    assert_eq!((report.files, report.bytes), (0, 0), "{report:?}");
    assert!(report.unchanged > 0);
    assert_eq!(names(&target), before);
    // The target itself was there before: it keeps its own metadata.
    let differences = tree::compare(&case.source, &target);
    assert!(
        differences
            .iter()
            .all(|difference| difference.path == Path::new(".")),
        "{differences:#?}"
    );
}

#[test]
fn names_of_one_file_become_one_again_also_where_copies_look_right() {
    let case = Case::new(18, |source| {
        write(&source.join("a"), b"content");
        std::fs::hard_link(source.join("a"), source.join("b")).unwrap();
        std::fs::create_dir(source.join("c")).unwrap();
        std::fs::hard_link(source.join("a"), source.join("c/d")).unwrap();
    });
    let target = case.world.path("target");
    case.restore(&case.options(&target));
    let modified = std::fs::metadata(target.join("a"))
        .unwrap()
        .modified()
        .unwrap();
    for name in ["a", "b"] {
        std::fs::remove_file(target.join(name)).unwrap();
        write(&target.join(name), b"content");
        let file = std::fs::File::options()
            .write(true)
            .open(target.join(name))
            .unwrap();
        file.set_modified(modified).unwrap();
    }
    let overwrite = Overwrite::IfChanged;
    let (report, heard) = case.restore(&RestoreOptions {
        overwrite,
        ..case.options(&target)
    });
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!((report.unchanged, report.files), (1, 2), "{report:?}");
    let inodes = ["a", "b", "c/d"].map(|name| std::fs::metadata(target.join(name)).unwrap().ino());
    assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
}

#[test]
fn a_restore_after_an_interrupted_one_believes_no_size_and_time() {
    let case = Case::new(7, |source| write(&source.join("f"), b"the real content"));
    let target = case.world.path("target");
    case.restore(&case.options(&target));
    // As after a power cut: the size and the time are there and the bytes are not.
    let file = target.join("f");
    let mtime = std::fs::metadata(&file).unwrap().modified().unwrap();
    std::fs::write(&file, [0; 16]).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(mtime)
        .unwrap();
    std::fs::write(target.join(".ownkey-restore.marker"), b"").unwrap();
    let options = RestoreOptions {
        overwrite: Overwrite::IfChanged,
        ..case.options(&target)
    };
    case.restore(&options);
    assert_eq!(std::fs::read(&file).unwrap(), b"the real content");
    assert!(!target.join(".ownkey-restore.marker").exists());
}

#[test]
fn what_exists_is_kept_or_replaced_as_the_policy_says() {
    let case = Case::new(8, |source| write(&source.join("f"), b"from the snapshot"));
    for (overwrite, newer, expected) in [
        (Overwrite::Always, true, &b"from the snapshot"[..]),
        (Overwrite::IfChanged, true, b"from the snapshot"),
        (Overwrite::IfNewer, true, b"mine"),
        (Overwrite::IfNewer, false, b"from the snapshot"),
        (Overwrite::Never, false, b"mine"),
    ] {
        let target = tempfile::tempdir().unwrap();
        let file = target.path().join("f");
        std::fs::write(&file, b"mine").unwrap();
        if !newer {
            let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            std::fs::File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
        let (report, _) = case.restore(&RestoreOptions {
            overwrite,
            ..case.options(target.path())
        });
        assert_eq!(
            std::fs::read(&file).unwrap(),
            expected,
            "{overwrite:?} {newer}"
        );
        assert_eq!(report.skipped + report.files, 1, "{overwrite:?}");
    }
}

#[test]
fn only_what_is_included_and_not_excluded_comes_back() {
    let case = Case::new(9, |source| {
        for file in ["docs/a.txt", "docs/b.tmp", "docs/deep/c.txt", "other/d.txt"] {
            write(&source.join(file), file.as_bytes());
        }
    });
    let target = case.world.path("target");
    let filter = Filter::new(&["docs".to_owned()], &["*.tmp".to_owned()]).unwrap();
    case.restore(&RestoreOptions {
        filter,
        ..case.options(&target)
    });
    assert_eq!(names(&target), ["docs".to_owned()].into());
    assert_eq!(
        names(&target.join("docs")),
        ["a.txt".to_owned(), "deep".to_owned()].into()
    );
    assert_eq!(
        std::fs::read(target.join("docs/deep/c.txt")).unwrap(),
        b"docs/deep/c.txt"
    );
}

#[test]
fn extras_are_removed_only_on_demand_and_never_outside_the_filter() {
    let case = Case::new(10, |source| write(&source.join("docs/a"), b"a"));
    let target = case.world.path("target");
    write(&target.join("docs/extra/deep"), b"x");
    write(&target.join("mine"), b"x");
    case.restore(&case.options(&target));
    assert!(target.join("docs/extra/deep").exists());

    let filter = Filter::new(&["docs".to_owned()], &[]).unwrap();
    let options = RestoreOptions {
        filter,
        extras: Extras::Delete,
        ..case.options(&target)
    };
    let dry = RestoreOptions {
        mode: Mode::DryRun,
        ..options.clone()
    };
    assert_eq!(case.restore(&dry).0.removed, 1);
    assert!(target.join("docs/extra/deep").exists());
    let (report, _) = case.restore(&options);
    assert_eq!(report.removed, 2);
    assert_eq!(names(&target.join("docs")), ["a".to_owned()].into());
    assert!(target.join("mine").exists(), "the filter does not take it");

    case.restore(&RestoreOptions {
        extras: Extras::Delete,
        ..case.options(&target)
    });
    assert!(!target.join("mine").exists());
}

#[test]
fn a_dry_run_touches_nothing_and_counts_the_same() {
    let case = Case::tree(11, &tree::Spec::plain());
    let target = case.world.folder.path().join("target");
    let (dry, _) = case.restore(&RestoreOptions {
        mode: Mode::DryRun,
        ..case.options(&target)
    });
    assert!(!target.exists());
    let (wet, _) = case.restore(&case.options(&target));
    assert_eq!(
        (dry.files, dry.directories, dry.others),
        (wet.files, wet.directories, wet.others)
    );
}

#[test]
fn a_link_planted_in_the_target_leads_nowhere() {
    let case = Case::new(12, |source| {
        write(&source.join("dir/passwd"), b"from the snapshot");
    });
    let outside = case.world.path("outside");
    write(&outside.join("passwd"), b"precious");
    let target = case.world.path("target");
    symlink(&outside, target.join("dir")).unwrap();
    case.restore(&case.options(&target));
    assert_eq!(std::fs::read(outside.join("passwd")).unwrap(), b"precious");
    assert_eq!(names(&outside), ["passwd".to_owned()].into());
    assert!(
        std::fs::symlink_metadata(target.join("dir"))
            .unwrap()
            .is_dir()
    );
}

#[test]
fn a_file_of_a_damaged_pack_is_named_and_the_rest_comes_back() {
    let case = Case::new(13, |source| {
        let mut random = ownkey_testkit::SeededRandom::new(13);
        for number in 0..4 {
            write(
                &source.join(format!("large-{number}")),
                &random.bytes(9 << 20),
            );
        }
        write(&source.join("small"), b"small");
    });
    let packs = case.packs("data/");
    assert!(packs.len() > 1, "{packs:?}");
    for pack in &packs {
        case.lying.repent();
        case.lying.tell(Lie::FlipBit(pack.clone(), 8 * 400_000));
        let target = tempfile::tempdir().unwrap();
        let (report, heard) = case.restore(&case.options(target.path()));
        assert_eq!(report.outcome(), Outcome::Damaged);
        let told = problems(&heard);
        assert_eq!(told.len() as u64, report.damaged);
        for line in &told {
            assert!(line.contains(pack.as_str()), "{line} names {pack}");
        }
        // What is there is right, and only what was named is missing.
        let mut missing = 0;
        for name in names(&case.source) {
            match std::fs::read(target.path().join(&name)) {
                Ok(bytes) => assert_eq!(
                    bytes,
                    std::fs::read(case.source.join(&name)).unwrap(),
                    "{name}"
                ),
                Err(_) => {
                    missing += 1;
                    assert!(
                        told.iter().any(|line| line.contains(&name)),
                        "{name} in {told:?}"
                    );
                }
            }
        }
        assert_eq!(missing, report.damaged);
        assert_eq!(
            names(target.path()).len() + told.len(),
            5,
            "no partial file is left"
        );
    }
}

#[test]
fn lost_swapped_and_cut_packs_give_no_wrong_byte() {
    let case = Case::new(14, |source| {
        let mut random = ownkey_testkit::SeededRandom::new(14);
        for number in 0..6 {
            write(&source.join(format!("f{number}")), &random.bytes(9 << 20));
        }
    });
    let packs = case.packs("data/");
    let (one, other) = (packs[0].clone(), packs[packs.len() - 1].clone());
    assert_ne!(one, other);
    for lie in [
        Lie::Hide(one.clone()),
        Lie::Swap(one.clone(), other.clone()),
        Lie::ServeAs(one.clone(), other),
        Lie::Truncate(one.clone(), 1000),
        Lie::Truncate(one.clone(), 0),
        Lie::ShiftRanges(one.clone(), 7),
        Lie::FlipBit(one, 8 * 4),
    ] {
        case.lying.repent();
        case.lying.tell(lie.clone());
        let target = tempfile::tempdir().unwrap();
        let (report, heard) = case.restore(&case.options(target.path()));
        let there = names(target.path());
        for name in &there {
            let restored = std::fs::read(target.path().join(name)).unwrap();
            assert!(
                restored == std::fs::read(case.source.join(name)).unwrap(),
                "{lie:?}: {name}"
            );
        }
        assert_eq!(there.len() + problems(&heard).len(), 6, "{lie:?}");
        assert_eq!(
            report.outcome() == Outcome::Damaged,
            there.len() < 6,
            "{lie:?}"
        );
        // A whole pack is not read in ranges.
        assert!(
            there.len() < 6 || matches!(lie, Lie::ShiftRanges(..)),
            "{lie:?}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_read_removes_nothing_in_the_target() {
    let case = Case::new(15, |source| write(&source.join("dir/f"), b"f"));
    let target = case.world.path("target");
    write(&target.join("mine"), b"x");
    for pack in case.packs("meta/") {
        case.lying.tell(Lie::Hide(pack));
    }
    let repository = case.repository();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let browser = Browser::new(&repository).unwrap();
    let options = RestoreOptions {
        extras: Extras::Delete,
        ..RestoreOptions::into_folder(&target)
    };
    let report = restore::run(
        &repository,
        &browser,
        &snapshot,
        &options,
        &Heard::default(),
    )
    .unwrap();
    assert_eq!(report.outcome(), Outcome::Damaged);
    assert!(target.join("mine").exists());
}

#[test]
fn folders_that_nobody_may_enter_come_back_with_their_contents() {
    let case = Case::new(16, |source| {
        write(&source.join("closed/f"), b"f");
        std::fs::hard_link(source.join("closed/f"), source.join("z")).unwrap();
        std::fs::set_permissions(
            source.join("closed"),
            std::fs::Permissions::from_mode(0o000),
        )
        .unwrap();
    });
    let target = case.world.path("target");
    let (report, heard) = case.restore(&case.options(&target));
    assert_eq!(problems(&heard), Vec::<String>::new());
    assert_eq!(report.outcome(), Outcome::Complete);
    assert_same(&case.source, &target);
}

#[test]
fn a_storage_that_is_gone_ends_the_restore_with_its_error() {
    let case = Case::tree(17, &tree::Spec::plain());
    let faulty = Arc::new(ownkey_testkit::Faulty::new(case.storage.clone()));
    let storage: Arc<dyn Storage> = faulty.clone();
    let repository = case.world.open(&storage).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let browser = Browser::new(&repository).unwrap();
    let kind = ownkey_storage::StorageErrorKind::Unavailable;
    faulty.arm(ownkey_testkit::Fault {
        aftermath: ownkey_testkit::Aftermath::Down,
        ..ownkey_testkit::Fault::once(ownkey_testkit::Step::Read, 1, kind)
    });
    let target = case.world.path("target");
    let ended = restore::run(
        &repository,
        &browser,
        &snapshot,
        &case.options(&target),
        &Heard::default(),
    );
    assert_eq!(
        ended.unwrap_err().class(),
        ownkey_engine::Class::Unreachable
    );
}
