//! `kill -9`, at every durable step and at random moments: nothing is lost, and nobody has to
//! clean up.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ownkey_testkit::{SeededRandom, tree};

use crate::access::approve;
use crate::home::{Home, assert_same_tree};

/// System calls that make something durable or give it its name.
const STEPS: [&str; 8] = [
    "fsync",
    "fdatasync",
    "linkat",
    "link",
    "renameat2",
    "rename",
    "unlinkat",
    "mkdirat",
];

/// A user with a snapshot of `old`, and a larger tree `new` not backed up yet.
fn with_something_to_lose(seed: u64, megabytes: usize) -> Home {
    let home = Home::with_repository();
    std::fs::create_dir_all(home.path("old")).expect("a folder");
    tree::generate(&home.path("old"), seed, &tree::Spec::plain());
    home.run(&["backup", &home.text("old")]).ok();
    let mut random = SeededRandom::new(seed);
    for number in 0..megabytes * 4 {
        let folder = home.path(&format!("new/{:02}", number % 16));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{number}")), random.bytes(250_000)).expect("a file");
    }
    home
}

/// After whatever happened: the repository opens, the old snapshot restores, the next run
/// completes, and its snapshot restores too.
#[track_caller]
fn nothing_is_lost(home: &Home) {
    let oldest = home.run(&["snapshots", "--json"]).ok().out;
    assert!(!oldest.is_empty());
    let restored = |paths: &str| {
        let _ = std::fs::remove_dir_all(home.path("back"));
        let from = format!("{}:{}", id_of(home, paths), home.text(paths));
        home.run(&["restore", &from, "--target", "back"]).ok();
        assert_same_tree(&home.path(paths), &home.path("back"));
    };
    restored("old");
    home.run(&["backup", &home.text("new")]).ok();
    restored("new");
}

/// The id of the newest snapshot of a folder.
fn id_of(home: &Home, folder: &str) -> String {
    let snapshots = home.run(&["snapshots", "--json"]).ok();
    let path = home.text(folder);
    let mut ids = snapshots
        .json()
        .into_iter()
        .flat_map(snapshots_in)
        .filter(|snapshot| {
            snapshot["paths"]
                .as_array()
                .is_some_and(|paths| paths.iter().any(|p| p == path.as_str()))
        });
    let newest = ids.by_ref().last().expect("a snapshot of the folder");
    newest["id"].as_str().expect("an id").to_owned()
}

/// A line is a snapshot, or a list of them.
fn snapshots_in(line: serde_json::Value) -> Vec<serde_json::Value> {
    match line {
        serde_json::Value::Array(all) => all,
        one => vec![one],
    }
}

/// Copies what a run may change, so that every attempt begins at the same place.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .expect("cp runs");
    assert!(copied.success());
}

/// The `k`th call of one kind in a thread kills the program; `false` if there was none.
fn killed_at(home: &Home, arguments: &[&str], step: &str, k: u32) -> bool {
    let program = home.command(arguments);
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={step}"),
        ])
        .args(["-e", &format!("inject={step}:signal=KILL:when={k}")])
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .current_dir(home.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    !strace.status().expect("strace runs").success()
}

fn strace_works() -> bool {
    let tried = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn killed_at_every_durable_step_of_a_backup_nothing_is_lost() {
    if !strace_works() {
        println!("skipped: strace cannot trace here");
        return;
    }
    let home = with_something_to_lose(11, 2);
    copy(&home.path("repo"), &home.path("repo.before"));
    copy(&home.path("state"), &home.path("state.before"));
    let mut kills = 0;
    for step in STEPS {
        for k in 1.. {
            copy(&home.path("repo.before"), &home.path("repo"));
            copy(&home.path("state.before"), &home.path("state"));
            if !killed_at(&home, &["backup", &home.text("new")], step, k) {
                break;
            }
            kills += 1;
            nothing_is_lost(&home);
        }
    }
    println!("{kills} kills");
    assert!(kills >= 10, "only {kills} durable steps were found");
}

#[test]
fn a_removal_killed_at_every_durable_step_is_ended_by_the_same_command() {
    if !strace_works() {
        println!("skipped: strace cannot trace here");
        return;
    }
    let home = Home::with_snapshot();
    approve(&home, "laptop", &[]);
    copy(&home.path("repo"), &home.path("repo.before"));
    copy(&home.path("state"), &home.path("state.before"));
    let remove = ["device", "remove", "laptop"];
    let (mut kills, mut held_up) = (0, 0);
    for step in STEPS {
        for k in 1.. {
            copy(&home.path("repo.before"), &home.path("repo"));
            copy(&home.path("state.before"), &home.path("state"));
            if !killed_at(&home, &remove, step, k) {
                break;
            }
            kills += 1;
            home.run(&["backup", &home.text("src")]).ok();
            held_up += u32::from(home.run(&["prune", "--dry-run"]).code != 0);
            let again = home.run(&remove).code;
            // 2: it is out already.
            assert!(again == 0 || again == 2, "{step} {k}: {again}");
            home.run(&["prune", "--dry-run"]).ok();
        }
    }
    println!("{kills} kills, {held_up} of them held a prune up");
    assert!(
        held_up > 0,
        "none of {kills} kills left a removal half done"
    );
}

/// Set `OWNKEY_KILL_MOMENTS` for a longer run.
#[test]
fn killed_at_random_moments_of_a_first_backup_nothing_is_lost() {
    let moments: u32 = std::env::var("OWNKEY_KILL_MOMENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12);
    let home = with_something_to_lose(12, 24);
    copy(&home.path("repo"), &home.path("repo.before"));
    copy(&home.path("state"), &home.path("state.before"));
    let begun = Instant::now();
    home.run(&["backup", &home.text("new")]).ok();
    let mut whole = begun.elapsed();
    let mut random = SeededRandom::new(13);
    let (mut kills, mut tries) = (0, 0);
    while kills < moments {
        tries += 1;
        assert!(tries < 4 * moments + 20, "{kills} kills in {tries} tries");
        copy(&home.path("repo.before"), &home.path("repo"));
        copy(&home.path("state.before"), &home.path("state"));
        let micros = u64::try_from(whole.as_micros()).expect("a short run");
        let moment = Duration::from_micros(random.below(micros));
        let mut backup = home.command(&["backup", &home.text("new")]);
        let begun = Instant::now();
        let killed = killed_after(&mut backup, moment);
        let lasted = begun.elapsed();
        kills += u32::from(killed);
        if !killed {
            // The machine was busier when the whole run was timed.
            whole = whole.min(lasted);
        }
        nothing_is_lost(&home);
    }
    println!("{kills} kills in {tries} tries, a whole run takes {whole:?}");
}

/// Lets the program run for a while; `false` if it was faster.
pub(crate) fn killed_after(command: &mut Command, moment: Duration) -> bool {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while begun.elapsed() < moment {
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            return !status.success();
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    child.kill().expect("a child can be killed");
    !child.wait().expect("it ends").success()
}
