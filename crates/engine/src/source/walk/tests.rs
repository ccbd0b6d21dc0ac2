//! What a walk sees.

use std::fs as std_fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::excludes::Case;
use super::*;

mod trouble;

/// A folder with files and folders: a path ending in `/` is a folder.
fn tree(paths: &[&str]) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    for path in paths {
        let full = temp.path().join(path);
        if path.ends_with('/') {
            std_fs::create_dir_all(full).unwrap();
        } else {
            std_fs::create_dir_all(full.parent().unwrap()).unwrap();
            std_fs::write(full, b"x").unwrap();
        }
    }
    temp
}

fn walk_with<F>(temp: &Path, paths: &[&str], rules: F) -> Walk
where
    F: FnOnce(&mut super::super::ExcludesBuilder),
{
    let mut builder = Excludes::builder();
    rules(&mut builder);
    let selection = Selection::new(paths.iter().map(|path| {
        if path.starts_with('/') {
            (*path).to_owned()
        } else {
            format!("{}/{path}", temp.display())
        }
    }));
    Walk::new(
        &selection.unwrap(),
        Arc::new(builder.build().unwrap()),
        WalkOptions::default(),
    )
}

fn walk(temp: &Path, paths: &[&str]) -> Walk {
    walk_with(temp, paths, |_| {})
}

/// One line an event, paths below `temp`; what lies above it is left out.
fn lines<I: IntoIterator<Item = Event>>(temp: &Path, events: I) -> Vec<String> {
    let short = |path: &Path| {
        path.strip_prefix(temp)
            .ok()
            .map(|p| p.display().to_string())
    };
    let mut lines = Vec::new();
    for event in events {
        let line = match &event {
            Event::Enter { entry, dir } => short(&entry.path)
                .map(|path| format!("{} {path}", if dir.is_some() { "in" } else { "shut" })),
            Event::Entry(entry) => short(&entry.path).map(|path| format!("- {path}")),
            Event::Leave(path) => short(path).map(|path| format!("out {path}")),
            Event::Excluded { path, rule, scope } => {
                short(path).map(|path| format!("{scope:?} {path}: {rule}"))
            }
            Event::Problem(problem) => {
                short(&problem.path).map(|path| format!("problem {path}: {}", problem.message))
            }
            Event::Note(note) => Some(format!("note {}", note.replace(temp.to_str().unwrap(), ""))),
        };
        lines.extend(line);
    }
    lines.retain(|line| line != "in " && line != "out ");
    lines
}

#[test]
fn entries_come_sorted_by_bytes_with_each_folder_between_enter_and_leave() {
    let temp = tree(&["a/b", "a/B", "a.c", "a/sub/", "a/sub2/x"]);
    let found = lines(temp.path(), walk(temp.path(), &[""]));
    let wanted = [
        "in a",
        "- a/B",
        "- a/b",
        "in a/sub",
        "out a/sub",
        "in a/sub2",
        "- a/sub2/x",
        "out a/sub2",
        "out a",
        "- a.c",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn an_entry_is_enough_to_open_and_read_the_file() {
    let temp = tree(&["dir/file"]);
    let entry = walk(temp.path(), &["dir"]).find_map(|event| match event {
        Event::Entry(entry) => Some(entry),
        _ => None,
    });
    let entry = entry.unwrap();
    let file = entry.parent.open_file(&entry.name, &entry.stat).unwrap();
    assert_eq!(file.read_at(0, &mut [0; 9]).unwrap(), 1);
}

#[test]
fn on_the_way_to_a_path_only_what_leads_there_is_seen() {
    let temp = tree(&["a/b/c/file", "a/b/other", "a/x", "z"]);
    let found = lines(temp.path(), walk(temp.path(), &["a/b/c", "z"]));
    assert_eq!(
        found,
        [
            "in a",
            "in a/b",
            "in a/b/c",
            "- a/b/c/file",
            "out a/b/c",
            "out a/b",
            "out a",
            "- z"
        ]
    );
}

#[test]
fn paths_inside_other_paths_and_doubles_are_seen_once() {
    let temp = tree(&["a/b/c", "a/d"]);
    let found = lines(temp.path(), walk(temp.path(), &["a/b", "a", "a/b/c", "a/"]));
    assert_eq!(
        found,
        ["in a", "in a/b", "- a/b/c", "out a/b", "- a/d", "out a"]
    );
}

#[test]
fn a_path_that_does_not_exist_or_is_no_folder_is_a_problem_and_the_rest_goes_on() {
    let temp = tree(&["a/file", "b"]);
    let found = lines(
        temp.path(),
        walk(
            temp.path(),
            &["a/gone", "a/file/x", "b/", "nowhere/x", "a/file2"],
        ),
    );
    let wanted = [
        "in a",
        "problem a/file: it is not a folder",
        "problem a/file2: it no longer exists",
        "problem a/gone: it no longer exists",
        "out a",
        "problem b: it is not a folder",
        "problem nowhere: it no longer exists",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn links_are_followed_only_where_the_user_wrote_them() {
    let temp = tree(&["real/sub/file", "loop/"]);
    symlink("real", temp.path().join("link")).unwrap();
    symlink("..", temp.path().join("loop/up")).unwrap();
    symlink("nowhere", temp.path().join("broken")).unwrap();
    let found = |paths: &[&str]| lines(temp.path(), walk(temp.path(), paths));

    let note = "note /link is a link and is kept as one; add a / to back up what it points to";
    assert_eq!(found(&["link"]), [note, "- link"]);
    let through = [
        "in link",
        "in link/sub",
        "- link/sub/file",
        "out link/sub",
        "out link",
    ];
    assert_eq!(found(&["link/"]), through);
    assert_eq!(found(&["link/sub"]), through);
    assert_eq!(found(&["loop"]), ["in loop", "- loop/up", "out loop"]);
    assert_eq!(found(&["broken/"]), ["problem broken: it no longer exists"]);
}

#[test]
fn what_vanishes_under_the_walk_is_passed_over_in_silence() {
    let temp = tree(&["d/a", "d/b", "d/sub/x"]);
    let mut events = walk(temp.path(), &["d"]);
    let mut seen: Vec<Event> = Vec::new();
    while !matches!(seen.last(), Some(Event::Entry(_))) {
        seen.push(events.next().unwrap());
    }
    std_fs::remove_file(temp.path().join("d/b")).unwrap();
    std_fs::remove_dir_all(temp.path().join("d/sub")).unwrap();
    seen.extend(events);
    assert_eq!(lines(temp.path(), seen), ["in d", "- d/a", "out d"]);
}

#[test]
fn rules_are_asked_before_a_folder_is_entered() {
    let temp = tree(&[
        "d/keep",
        "d/skip/x",
        "d/cache/CACHEDIR.TAG",
        "d/cache/y",
        "d/state/key",
        "d/z.o",
    ]);
    let tag = temp.path().join("d/cache/CACHEDIR.TAG");
    std_fs::write(tag, "Signature: 8a477f597d28d172789f06886806bc55").unwrap();
    let state = temp.path().join("d/state");
    let found = lines(
        temp.path(),
        walk_with(temp.path(), &["d"], |rules| {
            rules
                .pattern("skip/", Case::Distinct)
                .unwrap()
                .pattern("*.o", Case::Distinct)
                .unwrap();
            rules.caches().unwrap().own(&state);
        }),
    );
    let own = format!("Whole d/state: part of ownkey itself ({})", state.display());
    let wanted = [
        "in d",
        "in d/cache",
        "Contents d/cache: the tag file \"CACHEDIR.TAG\" in the folder",
        "- d/cache/CACHEDIR.TAG",
        "out d/cache",
        "- d/keep",
        "Whole d/skip: the pattern \"skip/\"",
        &own,
        "Whole d/z.o: the pattern \"*.o\"",
        "out d",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_path_asked_for_below_an_excluded_folder_is_still_reached() {
    let temp = tree(&["d/skip/x/file", "d/skip/y", "d/a"]);
    let found = lines(
        temp.path(),
        walk_with(temp.path(), &["d", "d/skip/x"], |rules| {
            rules.pattern("skip", Case::Distinct).unwrap();
        }),
    );
    let wanted = [
        "in d",
        "- d/a",
        "Whole d/skip: the pattern \"skip\"",
        "in d/skip",
        "in d/skip/x",
        "- d/skip/x/file",
        "out d/skip/x",
        "out d/skip",
        "out d",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_path_that_is_itself_excluded_is_left_out_and_the_user_is_told() {
    let temp = tree(&["d/file"]);
    let found = lines(
        temp.path(),
        walk_with(temp.path(), &["d"], |rules| {
            rules.pattern("d", Case::Distinct).unwrap();
        }),
    );
    let note = "note /d was asked for and is left out: the pattern \"d\"";
    assert_eq!(found, [note, "Whole d: the pattern \"d\""]);
}

#[test]
fn nothing_that_is_asked_for_leads_into_ownkeys_own_folders() {
    let temp = tree(&["state/keys/seed", "d/"]);
    let state = temp.path().join("state");
    symlink(state.join("keys"), temp.path().join("d/link")).unwrap();
    symlink(&state, temp.path().join("alias")).unwrap();
    let asked = [
        "state",
        "state/",
        "state/keys",
        "state/keys/seed",
        "d/link/",
        "d/link/seed",
        "alias/",
        "alias/keys",
    ];
    for path in asked {
        let events: Vec<_> = walk_with(temp.path(), &[path], |rules| {
            rules.pattern("!**", Case::Distinct).unwrap().own(&state);
        })
        .collect();
        let entered = |event: &Event| matches!(event, Event::Entry(_));
        assert!(
            !events.iter().any(entered),
            "{path}: {:?}",
            lines(temp.path(), events)
        );
        let told = |event: &Event| {
            matches!(
                event,
                Event::Excluded {
                    rule: Rule::Own(_),
                    ..
                }
            )
        };
        assert!(events.iter().any(told), "{path}");
    }
}

#[test]
fn another_file_system_is_entered_only_if_it_is_asked_for() {
    let device = |path: &str| FileId::of_path(Path::new(path)).map(|id| id.dev);
    if device("/dev/pts").is_none() || device("/dev/pts") == device("/dev") {
        println!("skipped: no file system is mounted at /dev/pts");
        return;
    }
    let found = |paths: &[&str], mounts| {
        let options = WalkOptions {
            mounts,
            ..WalkOptions::default()
        };
        let excludes = Arc::new(Excludes::builder().build().unwrap());
        let walk = Walk::new(&Selection::new(paths).unwrap(), excludes, options);
        lines(Path::new("/dev"), walk)
    };
    let skipped = found(&["/dev"], Mounts::Skip);
    assert!(skipped.contains(&"Contents pts: on another file system".to_owned()));
    assert!(skipped.contains(&"in pts".to_owned()) && skipped.contains(&"out pts".to_owned()));
    assert!(!skipped.iter().any(|line| line.starts_with("- pts/")));
    let inside = "- pts/ptmx".to_owned();
    assert!(found(&["/dev"], Mounts::Enter).contains(&inside));
    assert!(found(&["/dev", "/dev/pts"], Mounts::Skip).contains(&inside));
}
