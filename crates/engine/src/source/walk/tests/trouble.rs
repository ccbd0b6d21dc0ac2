//! Depth, folders that move, and folders that refuse.

use std::fs as std_fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::super::super::MetadataReader;
use super::super::super::unprivileged::without_privileges;
use super::{Event, lines, tree, walk};

/// Makes `depth` folders `d` within each other, each with a file `z`.
fn deep(temp: &Path, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = openat(CWD, temp, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = openat(&dir, "d", flags, Mode::empty()).unwrap();
        openat(&dir, "z", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    }
}

fn handles_below(temp: &Path) -> usize {
    std_fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std_fs::read_link(entry.ok()?.path()).ok())
        .filter(|path| path.starts_with(temp))
        .count()
}

#[test]
fn five_thousand_nested_folders_are_walked_with_few_open_handles() {
    // In memory where there is such a place: making and removing them waits for a disk.
    let temp = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    deep(temp.path(), 5_000);
    let mut events = walk(temp.path(), &[""]);
    events.options.deepest = 10_000;
    let (mut files, mut entered) = (0, 0);
    for event in events {
        match event {
            Event::Entry(_) => files += 1,
            Event::Enter { .. } => entered += 1,
            Event::Problem(problem) => panic!("{}", problem.message),
            _ => {}
        }
        if entered == 5_000 && files == 0 {
            let handles = handles_below(temp.path());
            assert!(handles > 0 && handles < 200, "{handles}");
        }
    }
    assert_eq!(files, 5_000);
    assert!(entered > 5_000);
    let dir = crate::target::TargetDir::open_root(temp.path()).unwrap();
    let removed = crate::target::remove_extra(&dir, temp.path(), |_| false);
    assert_eq!((removed.files, removed.directories), (5_000, 5_000));
    assert_eq!(removed.problems, []);
}

#[test]
fn folders_nested_deeper_than_the_format_are_a_problem_and_appear_empty() {
    let temp = tree(&["a/b/c/d/file", "a/x"]);
    let above = temp.path().components().count() - 1;
    let mut events = walk(temp.path(), &[""]);
    events.options.deepest = above + 3;
    let found = lines(temp.path(), events);
    let deepest = above + 3;
    let problem = format!(
        "problem a/b/c: it is nested deeper than {deepest} folders, so its contents were not read"
    );
    let mut wanted = vec![
        "in a",
        "in a/b",
        "in a/b/c",
        &problem,
        "out a/b/c",
        "out a/b",
        "- a/x",
        "out a",
    ];
    // The problem is told while the folder is entered.
    assert_eq!(found.len(), wanted.len());
    wanted.sort_unstable();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, wanted, "{found:?}");
}

#[test]
fn folders_moved_away_under_the_walk_cost_only_what_is_left_in_them() {
    let temp = tempfile::tempdir().unwrap();
    let above = temp.path().components().count() - 1;
    deep(temp.path(), 300);
    let at = |depth: usize| temp.path().join(vec!["d"; depth].join("/"));
    let mut events = walk(temp.path(), &[""]);
    let mut entered = 0;
    while entered < above + 300 {
        if let Some(Event::Enter { .. }) = events.next() {
            entered += 1;
        }
    }
    // The innermost 64 levels are held open, and the outermost 64 below the root.
    std_fs::rename(at(150), temp.path().join("moved-inner")).unwrap();
    std_fs::rename(at(100), temp.path().join("moved-outer")).unwrap();
    let rest: Vec<_> = events.collect();
    let problems: Vec<_> = rest
        .iter()
        .filter(|event| matches!(event, Event::Problem(_)))
        .collect();
    // From 100 to 149 the way back is cut; all others are still read to their end.
    assert_eq!(problems.len(), 50);
    let files = rest
        .iter()
        .filter(|event| matches!(event, Event::Entry(_)))
        .count();
    assert_eq!(files, 250);
    let left = rest
        .iter()
        .filter(|event| matches!(event, Event::Leave(_)))
        .count();
    assert_eq!(left, above + 300);
}

#[test]
fn a_folder_that_cannot_be_read_is_kept_with_a_problem_and_the_rest_goes_on() {
    let test = "a_folder_that_cannot_be_read_is_kept_with_a_problem_and_the_rest_goes_on";
    without_privileges(module_path!(), test, || {
        let temp = tree(&["d/a", "d/shut/x", "d/z"]);
        let shut = temp.path().join("d/shut");
        std_fs::set_permissions(&shut, PermissionsExt::from_mode(0o0)).unwrap();
        let found = lines(temp.path(), walk(temp.path(), &["d"]));
        std_fs::set_permissions(&shut, PermissionsExt::from_mode(0o700)).unwrap();
        let problem = "problem d/shut: cannot open the folder: Permission denied (os error 13)";
        assert_eq!(
            found,
            [
                "in d",
                "- d/a",
                "shut d/shut",
                problem,
                "out d/shut",
                "- d/z",
                "out d"
            ]
        );
    });
}

#[test]
fn a_folder_that_can_only_be_passed_does_not_stop_the_way() {
    let test = "a_folder_that_can_only_be_passed_does_not_stop_the_way";
    without_privileges(module_path!(), test, || {
        let temp = tree(&["pass/mine/file", "pass/other"]);
        let pass = temp.path().join("pass");
        std_fs::set_permissions(&pass, PermissionsExt::from_mode(0o311)).unwrap();
        let found = lines(temp.path(), walk(temp.path(), &["pass/mine"]));
        let metadata = walk(temp.path(), &["pass/mine"]).find_map(|event| match event {
            Event::Enter {
                entry,
                dir: Some(dir),
            } if entry.path == pass => Some(MetadataReader::new().of_dir(&dir, &entry.stat)),
            _ => None,
        });
        std_fs::set_permissions(&pass, PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(
            found,
            [
                "in pass",
                "in pass/mine",
                "- pass/mine/file",
                "out pass/mine",
                "out pass"
            ]
        );
        let gathered = metadata.unwrap();
        assert_eq!((gathered.metadata.mode, gathered.problems), (0o311, vec![]));
    });
}

#[test]
fn a_file_that_refuses_is_found_and_its_opening_says_why() {
    let test = "a_file_that_refuses_is_found_and_its_opening_says_why";
    without_privileges(module_path!(), test, || {
        let temp = tree(&["d/secret"]);
        let secret = temp.path().join("d/secret");
        std_fs::set_permissions(&secret, PermissionsExt::from_mode(0o0)).unwrap();
        let entry = walk(temp.path(), &["d"]).find_map(|event| match event {
            Event::Entry(entry) => Some(entry),
            _ => None,
        });
        let entry = entry.unwrap();
        let error = entry
            .parent
            .open_file(&entry.name, &entry.stat)
            .unwrap_err();
        assert_eq!(
            error.message(),
            "cannot open it: Permission denied (os error 13)"
        );
    });
}
