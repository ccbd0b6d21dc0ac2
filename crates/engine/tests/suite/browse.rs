//! Looking into snapshots: list, find, diff, dump and stats.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ownkey_engine::diff::{self, Change, Difference, Place};
use ownkey_engine::dump;
use ownkey_engine::find::{self, Patterns};
use ownkey_engine::format::node::NodeKind;
use ownkey_engine::list::{self, Descend};
use ownkey_engine::monitor::Silent;
use ownkey_engine::repository::{Repository, Snapshot};
use ownkey_engine::source;
use ownkey_engine::stats::{self, ObjectClass};
use ownkey_engine::tree::Browser;
use ownkey_testkit::{Lie, SeededRandom, tree};

use crate::case::{Case, problems, write};
use crate::world::Heard;

fn opened(case: &Case) -> (Repository, Browser) {
    let repository = case.repository();
    let browser = Browser::new(&repository).expect("an index");
    (repository, browser)
}

fn latest(repository: &Repository) -> Snapshot {
    repository.find_snapshot("latest").expect("a snapshot")
}

fn small(seed: u64) -> Case {
    Case::new(seed, |source| {
        for file in ["a/1.txt", "a/2.txt", "a/b/3.txt", "z/4.dat"] {
            write(&source.join(file), file.as_bytes());
        }
    })
}

fn below(case: &Case, path: &Path) -> String {
    path.strip_prefix(&case.source).map_or_else(
        |_| path.display().to_string(),
        |path| path.display().to_string(),
    )
}

#[test]
fn a_listing_has_everything_in_order_and_full_paths() {
    let case = small(40);
    let (repository, browser) = opened(&case);
    let mut listed = Vec::new();
    let report = list::each(
        &browser,
        &latest(&repository),
        Some(&case.source),
        &Silent,
        |path, _| {
            listed.push(below(&case, path));
            Ok(Descend::Into)
        },
    );
    assert_eq!(
        listed,
        [
            "",
            "a",
            "a/1.txt",
            "a/2.txt",
            "a/b",
            "a/b/3.txt",
            "z",
            "z/4.dat"
        ]
    );
    assert_eq!(report.unwrap().entries, 8);
}

#[test]
fn a_listing_goes_past_what_it_is_told_and_names_a_file_alone() {
    let case = small(41);
    let (repository, browser) = opened(&case);
    let mut listed = Vec::new();
    let flat = |path: &Path, _: &_| {
        listed.push(below(&case, path));
        Ok(if path == case.source {
            Descend::Into
        } else {
            Descend::Past
        })
    };
    list::each(
        &browser,
        &latest(&repository),
        Some(&case.source),
        &Silent,
        flat,
    )
    .unwrap();
    assert_eq!(listed, ["", "a", "z"]);
    let mut one = Vec::new();
    let file = case.source.join("a/1.txt");
    list::each(
        &browser,
        &latest(&repository),
        Some(&file),
        &Silent,
        |path, _| {
            one.push(path.to_owned());
            Ok(Descend::Into)
        },
    )
    .unwrap();
    assert_eq!(one, [file]);
    let missing = list::each(
        &browser,
        &latest(&repository),
        Some(Path::new("/no/such")),
        &Silent,
        |_, _| Ok(Descend::Into),
    );
    assert!(matches!(missing, Err(ownkey_engine::Error::NoPath(_))));
}

#[test]
fn a_tree_nested_a_thousand_levels_deep_is_listed_restored_and_checked() {
    let case = Case::new(42, |source| {
        // By steps, because one path would be too long for the kernel.
        let mut path = source.to_owned();
        for _ in 0..1_000 {
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("f"), b"deep").unwrap();
    });
    let (repository, browser) = opened(&case);
    let mut deepest = 0;
    list::each(
        &browser,
        &latest(&repository),
        Some(&case.source),
        &Silent,
        |path, _| {
            deepest = deepest.max(path.components().count());
            Ok(Descend::Into)
        },
    )
    .unwrap();
    assert_eq!(deepest, case.source.components().count() + 1_001);
    let target = case.world.folder.path().join("target");
    let (report, heard) = case.restore(&case.options(&target));
    assert_eq!((problems(&heard), report.directories), (Vec::new(), 1_000));
}

#[test]
fn find_matches_names_everywhere_and_paths_where_they_are() {
    let case = small(43);
    write(&case.source.join("a/5.txt"), b"new");
    case.world.backup(&mut case.repository(), &case.source);
    let (repository, browser) = opened(&case);
    let found = |pattern: &str, path: Option<&Path>| {
        let patterns = Patterns::new(&[pattern.to_owned()], source::Case::Distinct).unwrap();
        let mut found: Vec<(usize, String)> = Vec::new();
        let snapshots = repository.snapshots();
        find::run(
            &browser,
            &snapshots,
            (&patterns, path),
            &Silent,
            |snapshot, path, _| {
                let number = snapshots
                    .iter()
                    .position(|other| other.id == snapshot.id)
                    .unwrap();
                found.push((number, below(&case, path)));
                Ok(())
            },
        )
        .unwrap();
        found
    };
    let named = |list: &[(usize, &str)]| {
        list.iter()
            .map(|(n, path)| (*n, (*path).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found("5.txt", None), named(&[(1, "a/5.txt")]));
    assert_eq!(
        found("4.*", None),
        named(&[(0, "z/4.dat"), (1, "z/4.dat")]),
        "in a directory both share"
    );
    assert_eq!(
        found("*.txt", Some(&case.source.join("a/b"))),
        named(&[(0, "a/b/3.txt"), (1, "a/b/3.txt")])
    );
    let anchored = format!("{}/a/1.txt", case.source.display());
    assert_eq!(found(&anchored, None).len(), 2);
    assert_eq!(found("nothing", None), []);
}

#[test]
fn a_diff_says_what_was_added_removed_and_changed_and_how() {
    let case = Case::new(44, |source| {
        for file in ["same/f", "gone/f", "content", "mode", "kind"] {
            write(&source.join(file), file.as_bytes());
        }
        std::fs::hard_link(source.join("same/f"), source.join("same/g")).unwrap();
    });
    let source = &case.source;
    std::fs::remove_dir_all(source.join("gone")).unwrap();
    write(&source.join("new/f"), b"12345");
    write(&source.join("content"), b"another content");
    std::fs::set_permissions(source.join("mode"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(source.join("kind")).unwrap();
    std::fs::create_dir(source.join("kind")).unwrap();
    case.world.backup(&mut case.repository(), source);
    let (repository, browser) = opened(&case);
    let snapshots = repository.snapshots();
    let place = |number: usize| Place {
        snapshot: &snapshots[number],
        path: Some(source),
    };
    let mut changes = BTreeMap::new();
    let report = diff::run(&browser, (place(0), place(1)), &Silent, |path, change| {
        let what = match change {
            Change::Added(_) => "added",
            Change::Removed(_) => "removed",
            Change::Modified {
                what: Difference::Kind,
                ..
            } => "kind",
            Change::Modified {
                what: Difference::Content,
                ..
            } => "content",
            Change::Modified {
                what: Difference::Metadata,
                ..
            } => "metadata",
        };
        changes.insert(below(&case, path), what);
        Ok(())
    })
    .unwrap();
    let expected = [
        ("", "metadata"),
        ("content", "content"),
        ("gone", "removed"),
        ("gone/f", "removed"),
        ("kind", "kind"),
        ("mode", "metadata"),
        ("new", "added"),
        ("new/f", "added"),
    ];
    assert_eq!(
        changes,
        expected.map(|(path, what)| (path.to_owned(), what)).into()
    );
    assert_eq!(
        (
            report.added.files,
            report.added.directories,
            report.added.bytes
        ),
        (1, 2, 5 + 15)
    );
    assert_eq!(
        (
            report.removed.files,
            report.removed.directories,
            report.removed.bytes
        ),
        (2, 1, 6 + 4 + 7)
    );
    let none = diff::run(&browser, (place(1), place(1)), &Silent, |path, _| {
        panic!("{}", path.display())
    })
    .unwrap();
    assert_eq!(none, diff::DiffReport::default());
}

#[test]
fn a_dump_has_every_byte_and_zeros_for_holes() {
    let case = Case::new(45, |source| {
        let mut random = SeededRandom::new(45);
        write(&source.join("large"), &random.bytes(11 << 20));
        write(&source.join("empty"), b"");
        let sparse = std::fs::File::create(source.join("sparse")).unwrap();
        sparse.set_len(9 << 20).unwrap();
        sparse
            .write_all_at(&random.bytes(1 << 20), 1 << 20)
            .unwrap();
        sparse
            .write_all_at(&random.bytes(2 << 20), 5 << 20)
            .unwrap();
    });
    let (repository, browser) = opened(&case);
    for name in ["large", "empty", "sparse"] {
        let path = case.source.join(name);
        let mut bytes = Vec::new();
        let written =
            dump::file(&browser, &latest(&repository), &path, &Silent, &mut bytes).unwrap();
        assert_eq!(written, bytes.len() as u64);
        assert!(bytes == std::fs::read(&path).unwrap(), "{name}");
    }
    let folder = dump::file(
        &browser,
        &latest(&repository),
        &case.source,
        &Silent,
        &mut Vec::new(),
    );
    assert!(matches!(folder, Err(ownkey_engine::Error::NoPath(_))));
}

#[test]
fn an_archive_visits_everything_with_readers_and_leaves_out_what_is_lost() {
    let case = Case::tree(46, &tree::Spec::plain());
    let (repository, browser) = opened(&case);
    let visit_all = |browser: &Browser, heard: &Heard| {
        let mut visited: BTreeMap<PathBuf, Option<Vec<u8>>> = BTreeMap::new();
        let report = dump::archive(
            browser,
            &latest(&repository),
            Some(&case.source),
            heard,
            |path, node, reader| {
                let content = reader.map(|mut reader| {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes).unwrap();
                    assert_eq!(bytes.len() as u64, reader.size());
                    bytes
                });
                assert_eq!(
                    content.is_some(),
                    matches!(node.kind, NodeKind::File { .. })
                );
                visited.insert(path.to_owned(), content);
                Ok(())
            },
        );
        (visited, report.unwrap())
    };
    let (visited, report) = visit_all(&browser, &Heard::default());
    assert_eq!((report.entries, report.damaged), (visited.len() as u64, 0));
    for (path, content) in &visited {
        if let Some(content) = content {
            assert_eq!(
                *content,
                std::fs::read(case.source.join(path)).unwrap(),
                "{}",
                path.display()
            );
        }
    }
    // A machine that has not read its index segment yet knows no chunk without it: nothing can be
    // visited, and it is said.
    case.lying.tell(Lie::Hide(case.packs("index/")[0].clone()));
    std::fs::remove_dir_all(&case.world.environment.cache).unwrap();
    let browser = Browser::new(&repository).unwrap();
    let lost = dump::archive(
        &browser,
        &latest(&repository),
        None,
        &Heard::default(),
        |_, _, _| Ok(()),
    )
    .unwrap();
    assert_eq!((lost.entries, lost.damaged), (0, 1));
}

#[test]
fn stats_count_what_is_shared_once() {
    let case = Case::new(47, |source| {
        let bytes = SeededRandom::new(47).bytes(3 << 20);
        write(&source.join("one"), &bytes);
        write(&source.join("two"), &bytes);
        write(&source.join("text"), &b"compressible ".repeat(100_000));
    });
    case.world.backup(&mut case.repository(), &case.source);
    let (repository, browser) = opened(&case);
    let snapshots = repository.snapshots();
    let one = stats::of_snapshots(&browser, &snapshots[..1], &Silent).unwrap();
    let both = stats::of_snapshots(&browser, &snapshots, &Silent).unwrap();
    assert_eq!(
        (one.logical.files, one.logical.bytes),
        (3, (6 << 20) + 1_300_000)
    );
    assert_eq!(both.logical.bytes, 2 * one.logical.bytes);
    // Parents of the source may have changed between the two; its files have not.
    assert!(
        both.unique_bytes < one.unique_bytes + 10_000,
        "{one:?} {both:?}"
    );
    assert!(
        one.unique_bytes > (3 << 20) + 1_300_000 && one.unique_bytes < (3 << 20) + 1_400_000,
        "{one:?}"
    );
    assert!(
        one.stored_bytes > 3 << 20 && one.stored_bytes < (3 << 20) + 200_000,
        "{one:?}"
    );
    let stored = stats::stored(&repository).unwrap();
    let classes: BTreeSet<ObjectClass> = stored.keys().copied().collect();
    assert!(
        !classes.contains(&ObjectClass::Foreign) && classes.len() == 7,
        "{stored:?}"
    );
    assert!(
        stored[&ObjectClass::Data].bytes >= one.stored_bytes - 100_000,
        "{stored:?}"
    );
}
