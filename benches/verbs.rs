//! How long the verbs take, through the real program, beside `cp -a` of the same tree.
//!
//! `cargo bench --bench verbs` — machines are noisy, so read the ratio to `cp`, not the seconds.
//! Every figure is the median of three; peers are compared by other means, on the same data.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ownkey_testkit::SeededRandom;

const ROUNDS: usize = 3;

/// A tree to measure with.
struct Shape {
    name: &'static str,
    files: usize,
    bytes: usize,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "20,000 files of 4 KiB",
        files: 20_000,
        bytes: 4 << 10,
    },
    Shape {
        name: "4 files of 64 MiB",
        files: 4,
        bytes: 64 << 20,
    },
];

fn main() {
    for shape in SHAPES {
        let folder = tempfile::tempdir().expect("a folder");
        generate(&shape, &folder.path().join("src"));
        println!("\n{}", shape.name);
        let copy = median(
            (0..ROUNDS)
                .map(|round| copy(folder.path(), round))
                .collect(),
        );
        report("cp -a", copy, copy);
        let mut rounds: Vec<Vec<(&str, Duration)>> = Vec::new();
        for round in 0..ROUNDS {
            rounds.push(verbs(
                &folder.path().join(format!("round-{round}")),
                folder.path(),
            ));
        }
        for verb in 0..rounds.first().map_or(0, Vec::len) {
            let name = rounds[0][verb].0;
            let times = rounds.iter().map(|round| round[verb].1).collect();
            report(name, median(times), copy);
        }
    }
}

/// Half of what each file holds repeats, so that it can be compressed.
fn generate(shape: &Shape, into: &Path) {
    let mut random = SeededRandom::new(1);
    for number in 0..shape.files {
        let folder = into.join(format!("{:03}", number % 200));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut content = random.bytes(shape.bytes / 2);
        content.resize(shape.bytes, b'.');
        std::fs::write(folder.join(format!("{number}")), content).expect("a file");
    }
}

fn copy(folder: &Path, round: usize) -> Duration {
    let mut cp = Command::new("cp");
    cp.arg("-a")
        .arg(folder.join("src"))
        .arg(folder.join(format!("copy-{round}")));
    timed(&mut cp)
}

fn verbs(home: &Path, folder: &Path) -> Vec<(&'static str, Duration)> {
    std::fs::create_dir(home).expect("a folder");
    let ownkey = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ownkey"));
        command
            .args(arguments)
            .current_dir(folder)
            .env("OWNKEY_STATE_DIR", home.join("state"))
            .env("OWNKEY_CACHE_DIR", home.join("cache"))
            .env("OWNKEY_REPOSITORY", home.join("repo"))
            .env("OWNKEY_PASSWORD", "velvet orbit cactus plume harbor nine");
        timed(&mut command)
    };
    let text = |path: &str| home.join(path).to_str().expect("a UTF-8 path").to_owned();
    let part = format!("latest:{}", folder.join("src").display());
    ownkey(&[
        "init",
        "--kdf-memory",
        "64",
        "--recovery-key-file",
        &text("kit"),
    ]);
    vec![
        ("first backup", ownkey(&["backup", "src"])),
        ("backup without changes", ownkey(&["backup", "src"])),
        (
            "restore",
            ownkey(&["restore", &part, "--target", &text("back")]),
        ),
        ("list", ownkey(&["ls", "latest"])),
        ("check", ownkey(&["check"])),
        ("check, all data", ownkey(&["check", "--read-data"])),
    ]
}

fn timed(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it starts");
    assert!(status.success(), "{command:?}");
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn report(what: &str, took: Duration, beside: Duration) {
    let ratio = took.as_secs_f64() / beside.as_secs_f64();
    println!("{what:>24}  {:8.3} s  {ratio:6.2} × cp", took.as_secs_f64());
}
