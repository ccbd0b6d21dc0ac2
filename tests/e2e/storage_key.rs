//! A kit that carries the storage's key: with it and nothing else, everything comes back from a bucket.

use std::process::Command;
use std::sync::Arc;

use ownkey_testkit::{FaultyService, Keeping, Listening, Service};

use crate::home::{Home, assert_same_tree, run};
use crate::terminal::Terminal;

const ID: &str = "AKIAEXAMPLE";
const SECRET: &str = "se5ame/OPEN+me";

/// A user of a bucket, with a snapshot in it.
struct Far {
    home: Home,
    place: String,
    _service: Listening,
}

impl Far {
    fn new() -> Self {
        let bucket = Arc::new(Service::new("bucket", Keeping::Newest));
        let service = Listening::start(Arc::new(FaultyService::new(bucket)));
        let home = Home::new();
        home.make_source();
        let far = Self {
            place: format!("s3:http://{}/bucket/mine", service.address()),
            home,
            _service: service,
        };
        let kit = far.home.text("kit.txt");
        let small = ["init", "--kdf-memory", "64", "--recovery-key-file", &kit];
        run(&mut far.with_keys(&small)).ok();
        run(&mut far.with_keys(&["backup", &far.home.text("src")])).ok();
        far
    }

    fn with_keys(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command
            .env("OWNKEY_REPOSITORY", &self.place)
            .env("AWS_ACCESS_KEY_ID", ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET);
        command
    }

    /// An empty machine, which knows nobody's keys.
    fn empty(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.elsewhere(arguments);
        command
            .env("OWNKEY_CACHE_DIR", self.home.path("other cache"))
            .env("HOME", self.home.path("nobody"))
            .env_remove("OWNKEY_PASSWORD")
            .env_remove("OWNKEY_REPOSITORY");
        command
    }

    /// Prints the kit again, with the storage's key.
    fn print_kit(&self) {
        let (text, page) = (self.home.text("full.txt"), self.home.text("full.html"));
        let arguments = [
            "recovery",
            "kit",
            "--with-storage-key",
            "--recovery-key-file",
            &text,
            "--kit-page",
            &page,
            "--json",
        ];
        let mut print = self.with_keys(&arguments);
        let printed = run(print.env("OWNKEY_RECOVERY_KEY_FILE", self.home.path("kit.txt"))).ok();
        assert!(!printed.out.contains(SECRET) && !printed.err.contains(SECRET));
    }

    #[track_caller]
    fn assert_came_back(&self, target: &str) {
        let restored = self
            .home
            .path(&format!("{target}{}", self.home.text("src")));
        assert_same_tree(&self.home.path("src"), &restored);
    }
}

#[test]
fn a_kit_with_the_storages_key_is_all_that_is_needed_as_text_and_as_page() {
    let far = Far::new();
    far.print_kit();
    let recover = |kit: &str, target: &str| {
        let arguments = [
            "recover",
            "--kit",
            kit,
            "--target",
            target,
            "--yes",
            "--no-device",
            "--json",
        ];
        run(&mut far.empty(&arguments))
    };
    let without = recover("kit.txt", "none").ended(1);
    assert!(without.out.contains("AWS_ACCESS_KEY_ID"), "{without:?}");
    for kit in ["full.txt", "full.html"] {
        let back = recover(kit, kit.strip_prefix("full.").expect("a kind")).ok();
        assert!(!back.out.contains(SECRET) && !back.err.contains(SECRET));
    }
    far.assert_came_back("txt");
    far.assert_came_back("html");
}

#[test]
fn a_kit_carries_no_key_unless_it_is_asked_to() {
    let far = Far::new();
    let again = ["recovery", "kit", "--recovery-key-file", "again.txt"];
    run(far
        .with_keys(&again)
        .env("OWNKEY_RECOVERY_KEY_FILE", far.home.path("kit.txt")))
    .ok();
    for kit in ["kit.txt", "again.txt"] {
        let text = std::fs::read_to_string(far.home.path(kit)).expect("a kit");
        assert!(
            !text.contains(SECRET) && !text.contains("storage"),
            "{text}"
        );
    }
}

#[test]
fn keys_that_expire_and_places_without_keys_are_told() {
    let far = Far::new();
    let print = [
        "recovery",
        "kit",
        "--with-storage-key",
        "--recovery-key-file",
        "k.txt",
    ];
    run(far.with_keys(&print).env("AWS_SESSION_TOKEN", "t"))
        .ended(2)
        .says("these keys expire")
        .well_said();
    let home = Home::with_repository();
    home.run(&print).ended(2).says("no s3: place").well_said();
    assert!(!far.home.path("k.txt").exists() && !home.path("k.txt").exists());
}

#[test]
fn somebody_with_the_plain_kit_is_asked_for_the_storages_key() {
    let far = Far::new();
    let (kit, back) = (far.home.text("kit.txt"), far.home.text("back"));
    let recover = ["recover", "--kit", &kit, "--target", &back, "--no-device"];
    let Some(mut terminal) = Terminal::start(&far.empty(&recover)) else {
        return;
    };
    for (question, answer) in [
        ("storage key id", ID),
        ("storage secret", SECRET),
        ("lost or stolen", "n"),
    ] {
        terminal.wait_for(question);
        terminal.type_in(&format!("{answer}\n"));
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(SECRET), "the secret half is not shown");
    far.assert_came_back("back");
}
