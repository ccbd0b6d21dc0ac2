//! What happens at a terminal: questions, hidden answers, Ctrl-C.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::home::{Home, run};

/// Long enough for a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program at a terminal that `script` (util-linux) makes for it.
pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    shown: String,
    answered: usize,
}

impl Terminal {
    /// `None` where there is no `script`.
    pub(crate) fn start(plain: &Command) -> Option<Self> {
        let mut words = vec![plain.get_program().to_owned()];
        words.extend(plain.get_args().map(ToOwned::to_owned));
        let line: Vec<String> = words
            .iter()
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &line.join(" "), "/dev/null"]);
        command.env_clear();
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = started else {
            eprintln!("skipped: there is no script to make a terminal with");
            return None;
        };
        let (send, screen) = channel();
        let mut output = child.stdout.take().expect("the screen");
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if send.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keyboard = child.stdin.take().expect("the keyboard");
        Some(Self {
            child,
            keyboard,
            screen,
            shown: String::new(),
            answered: 0,
        })
    }

    /// Waits until `words` are shown after the last answer; gives all that was shown since then.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let new = &self.shown[self.answered..];
            if new.contains(words) {
                return new.to_owned();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{words:?} is not shown: {}",
                self.shown
            );
            if let Ok(more) = self.screen.recv_timeout(Duration::from_millis(200)) {
                self.shown.push_str(&String::from_utf8_lossy(&more));
            }
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.answered = self.shown.len();
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the keyboard works");
    }

    /// Answers every question for a part of the recovery key wrongly, until the program gives up.
    pub(crate) fn confirm_nothing(&mut self) {
        for _ in 0..6 {
            self.wait_for("of the recovery key: ");
            self.type_in("????\n");
        }
    }

    /// The code it ended with, and all that was ever shown.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        while let Ok(more) = self.screen.recv_timeout(Duration::from_secs(2)) {
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
        (status.code(), self.shown)
    }
}

/// What the kit on the screen says the recovery key is.
fn recovery_key(shown: &str) -> String {
    let line = shown
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("recovery key:"));
    line.expect("the kit").trim().to_owned()
}

#[test]
fn init_offers_a_phrase_and_has_the_recovery_key_typed_back() {
    let home = Home::new();
    let mut command = home.command(&["init", "--kdf-memory", "64"]);
    command.env_remove("OWNKEY_PASSWORD");
    let Some(mut terminal) = Terminal::start(&command) else {
        return;
    };
    terminal.wait_for("new password: ");
    terminal.type_in("\n");
    let shown = terminal.wait_for("once more: ");
    let is_phrase = |line: &&str| line.split_whitespace().count() == 6 && line.starts_with("    ");
    let phrase = shown
        .lines()
        .find(is_phrase)
        .expect("six words")
        .trim()
        .to_owned();
    terminal.type_in(&format!("{phrase}\n"));
    let mut kit = terminal.wait_for("of the recovery key: ");
    let key = recovery_key(&kit);
    terminal.type_in("WRNG\n");
    for _ in 0..2 {
        kit = terminal.wait_for("of the recovery key: ");
        let (before, _) = kit.rsplit_once(" of the recovery key").expect("a question");
        let number: usize = before
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number");
        let group = key
            .split('-')
            .nth(number - 1)
            .expect("a group")
            .to_lowercase();
        terminal.type_in(&format!("{group}\n"));
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(
        shown.matches(&phrase).count(),
        1,
        "what is typed is not shown: {shown}"
    );
    run(home
        .elsewhere(&["snapshots"])
        .env("OWNKEY_PASSWORD", &phrase))
    .ok();
}

#[test]
fn a_kit_that_nobody_wrote_down_is_not_confirmed() {
    let home = Home::new();
    let command = home.command(&["init", "--kdf-memory", "64"]);
    let Some(mut terminal) = Terminal::start(&command) else {
        return;
    };
    terminal.confirm_nothing();
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("was not confirmed"), "{shown}");
}

#[test]
fn the_recovery_key_can_be_typed_where_a_password_is_asked_for() {
    let home = Home::with_snapshot();
    let key = recovery_key(&std::fs::read_to_string(home.path("kit.txt")).expect("a kit"));
    let mut command = home.elsewhere(&["snapshots"]);
    command.env_remove("OWNKEY_PASSWORD");
    let Some(mut terminal) = Terminal::start(&command) else {
        return;
    };
    terminal.wait_for("password or recovery key: ");
    terminal.type_in("not the one\n");
    terminal.wait_for("password or recovery key: ");
    terminal.type_in(&format!("{}\n", key.to_lowercase().replace('-', " ")));
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
}

#[test]
fn ctrl_c_at_a_question_is_code_130() {
    let home = Home::with_repository();
    let mut command = home.elsewhere(&["snapshots"]);
    command.env_remove("OWNKEY_PASSWORD");
    let Some(mut terminal) = Terminal::start(&command) else {
        return;
    };
    terminal.wait_for("password or recovery key: ");
    terminal.type_in("\x03");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(130), "{shown}");
}

#[test]
fn an_interrupted_stream_is_code_130_and_leaves_no_snapshot() {
    let home = Home::with_repository();
    let mut child = home
        .command(&["backup", "--stdin-filename", "slow"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("standard input");
    input.write_all(b"some of it").expect("it reads");
    std::thread::sleep(Duration::from_secs(2));
    let pid = child.id().to_string();
    let sent = Command::new("/bin/sh")
        .args(["-c", &format!("kill -INT {pid}")])
        .status();
    assert!(sent.expect("a signal").success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    drop(input);
    assert!(home.run(&["snapshots", "--json"]).ok().json().is_empty());
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let home = Home::new();
    for (value, coloured) in [("", true), ("1", false)] {
        let mut command = home.command(&["snapshots"]);
        command.env("TERM", "xterm").env("NO_COLOR", value);
        let Some(terminal) = Terminal::start(&command) else {
            return;
        };
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(10), "{shown}");
        assert_eq!(shown.contains('\x1b'), coloured, "{shown:?}");
    }
    let piped = run(home.command(&["snapshots"]).env("TERM", "xterm")).ended(10);
    assert!(!piped.err.contains('\x1b'));
}
