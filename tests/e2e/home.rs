//! A user of the program: an own state, cache and repository in a folder that goes away.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A password that is not guessable, as every test but those about passwords uses.
pub(crate) const PASSWORD: &str = "velvet orbit cactus plume harbor nine";

pub(crate) struct Home {
    folder: TempDir,
}

/// How a run ended, with both of its outputs as text.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// A user without a repository.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A user with an empty repository.
    pub(crate) fn with_repository() -> Self {
        let home = Self::new();
        home.run(&[
            "init",
            "--kdf-memory",
            "64",
            "--recovery-key-file",
            &home.text("kit.txt"),
        ])
        .ok();
        home
    }

    /// A user with a snapshot of [`Home::source`].
    pub(crate) fn with_snapshot() -> Self {
        let home = Self::with_repository();
        home.make_source();
        home.run(&["backup", &home.text("src")]).ok();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a UTF-8 path").to_owned()
    }

    /// `src/notes.txt`, `src/deep/er/file` and `src/link`.
    pub(crate) fn make_source(&self) {
        let deep = self.path("src/deep/er");
        std::fs::create_dir_all(&deep).expect("folders");
        std::fs::write(self.path("src/notes.txt"), "to remember\n").expect("a file");
        std::fs::write(deep.join("file"), vec![7u8; 100_000]).expect("a file");
        std::os::unix::fs::symlink("notes.txt", self.path("src/link")).expect("a link");
    }

    /// The program with this user's settings and nothing else from the outside.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ownkey"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("OWNKEY_STATE_DIR", self.path("state"))
            .env("OWNKEY_CACHE_DIR", self.path("cache"))
            .env("OWNKEY_REPOSITORY", self.path("repo"))
            .env("OWNKEY_PASSWORD", PASSWORD)
            .stdin(Stdio::null());
        command
    }

    /// The same from a machine that has never seen the repository.
    pub(crate) fn elsewhere<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.command(arguments);
        command.env("OWNKEY_STATE_DIR", self.path("other state"));
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        run(&mut self.command(arguments))
    }
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Run {
    Run::of(&command.output().expect("the program starts"))
}

/// Runs to the end with something on standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A program that does not want the input closes it; that is its answer.
    let _ = child.stdin.take().expect("standard input").write_all(input);
    Run::of(&child.wait_with_output().expect("the program ends"))
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended(0)
    }

    /// Ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Says this on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.err.contains(words),
            "{words:?} is not in: {}",
            self.err
        );
        self
    }

    /// Every error in the one form, and no control character anywhere.
    #[track_caller]
    pub(crate) fn well_said(self) -> Self {
        for line in self.err.lines() {
            assert!(line.starts_with("ownkey: "), "{line:?}");
            assert!(
                !line.ends_with('.') && !line.contains("panicked"),
                "{line:?}"
            );
        }
        self.harmless()
    }

    #[track_caller]
    pub(crate) fn harmless(self) -> Self {
        let is_control = |c: char| c.is_control() && c != '\n';
        assert!(
            !self.out.contains(is_control) && !self.err.contains(is_control),
            "{self:?}"
        );
        self
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

/// Whether two trees hold the same names, links and bytes.
#[track_caller]
pub(crate) fn assert_same_tree(left: &Path, right: &Path) {
    let differences = ownkey_testkit::tree::compare(left, right);
    assert!(differences.is_empty(), "{differences:?}");
}
