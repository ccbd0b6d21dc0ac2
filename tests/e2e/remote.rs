//! The real program and real servers: a whole life of a repository at each, and the mistakes that
//! people make on the way there.

use std::process::Command;

use ownkey_testkit::servers::{Bucket, HttpServer, LISTER, S3Server, SshServer};

use crate::home::{Home, Run, assert_same_tree, run};

/// A user of a repository somewhere else.
pub(crate) struct Away {
    pub(crate) home: Home,
    pub(crate) variables: Vec<(String, String)>,
}

impl Away {
    pub(crate) fn at(place: &str) -> Self {
        let mut away = Self {
            home: Home::new(),
            variables: Vec::new(),
        };
        away.tell("OWNKEY_REPOSITORY", place);
        // A test that waits for a server that is gone should not do so for a quarter of an hour.
        away.tell("OWNKEY_RETRY_FOR", "30s");
        away.home.make_source();
        away
    }

    pub(crate) fn tell(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.envs(self.variables.iter().cloned());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    pub(crate) fn init(&self) -> Run {
        let kit = self.home.text("kit.txt");
        self.run(&["init", "--kdf-memory", "64", "--recovery-key-file", &kit])
    }

    /// Everything a repository lives through.
    #[track_caller]
    pub(crate) fn lives(&self) {
        let made = self.init().ok();
        assert!(made.out.contains("was tried out"), "{}", made.out);
        let kit = std::fs::read_to_string(self.home.path("kit.txt")).expect("a kit");
        let (_, place) = &self.variables[0];
        assert!(kit.contains(place), "{place} is not in: {kit}");
        let first = self.run(&["backup", "--json", "src"]).ok().json();
        let summary = first.last().expect("a summary");
        assert!(summary["requests"]["put"].as_u64() > Some(0), "{summary}");
        let second = self.run(&["backup", "src"]).ok();
        assert!(second.out.contains(" requests ("), "{}", second.out);
        assert_eq!(self.run(&["snapshots", "--json"]).ok().json().len(), 2);
        let back = self.home.text("back");
        self.run(&["restore", "latest", "--target", &back, "--verify"])
            .ok();
        let restored = format!("{back}{}", self.home.text("src"));
        assert_same_tree(&self.home.path("src"), restored.as_ref());
        self.run(&["check", "--read-data"]).ok();
        let elsewhere = run(self
            .command(&["ls", "latest"])
            .env("OWNKEY_STATE_DIR", self.home.path("another machine")))
        .ok();
        assert!(elsewhere.out.contains("notes.txt"), "{}", elsewhere.out);
        let month = self.run(&["stats", "--requests"]).ok();
        assert!(month.out.contains("backup"), "{}", month.out);
    }
}

/// A user of a fresh bucket.
pub(crate) fn at_bucket(server: &S3Server, kind: Bucket) -> Away {
    let bucket = server.fresh_bucket(kind);
    at_s3(server, &format!("{bucket}/mine"))
}

fn at_s3(server: &S3Server, path: &str) -> Away {
    let mut away = Away::at(&format!("s3:{}/{path}", server.endpoint()));
    away.tell("AWS_ACCESS_KEY_ID", server.access_key());
    away.tell("AWS_SECRET_ACCESS_KEY", server.secret());
    away
}

#[test]
fn a_repository_lives_in_a_bucket() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    at_bucket(server, Bucket::Plain).lives();
}

#[test]
fn a_wrong_secret_says_so_and_what_to_look_at() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let mut away = at_bucket(server, Bucket::Plain);
    away.tell("AWS_SECRET_ACCESS_KEY", "hunter2hunter2hunter2");
    let refused = away.run(&["snapshots"]).ended(1).well_said();
    assert!(!refused.err.contains("hunter2"), "{}", refused.err);
    refused.says("AWS_SECRET_ACCESS_KEY");
}

#[test]
fn no_keys_at_all_say_where_they_were_looked_for() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let mut away = at_bucket(server, Bucket::Plain);
    away.variables.retain(|(name, _)| !name.starts_with("AWS_"));
    away.tell("HOME", &away.home.text("nobody"));
    away.run(&["snapshots"])
        .ended(1)
        .well_said()
        .says("AWS_ACCESS_KEY_ID");
}

#[test]
fn a_missing_bucket_says_how_to_make_it() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let away = at_s3(server, "no-such-bucket/mine");
    let missing = away.init().ended(10).well_said();
    missing.says("no-such-bucket").says("make the bucket");
    assert!(!away.home.path("kit.txt").exists(), "nothing was made");
}

#[test]
fn a_service_that_is_not_there_is_waited_for_and_then_given_up() {
    let mut away = Away::at("s3:http://127.0.0.1:9/mine");
    away.tell("AWS_ACCESS_KEY_ID", "a");
    away.tell("AWS_SECRET_ACCESS_KEY", "b");
    away.run(&["snapshots", "--retry-for", "4s"])
        .ended(15)
        .well_said()
        .says("the storage does not answer");
}

#[test]
fn places_without_encryption_are_refused_unless_somebody_insists() {
    let mut away = Away::at("s3:http://192.0.2.1/mine");
    away.tell("AWS_ACCESS_KEY_ID", "a");
    away.tell("AWS_SECRET_ACCESS_KEY", "b");
    away.run(&["snapshots"])
        .ended(2)
        .well_said()
        .says("--insecure-http");
}

#[test]
fn a_repository_lives_on_another_machine_behind_ssh() {
    let Some(server) = SshServer::openssh() else {
        return;
    };
    let place = format!(
        "sftp://{}:{}{}",
        server.host(),
        server.port(),
        server.path("mine")
    );
    let mut away = Away::at(&place);
    let ssh: Vec<String> = server
        .ssh()
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    away.tell("OWNKEY_SFTP_COMMAND", &ssh.join(" "));
    away.lives();
}

#[test]
fn a_repository_lives_on_a_webdav_server() {
    let Some(server) = HttpServer::webdav() else {
        return;
    };
    let place = format!("webdav+{}mine", server.url());
    let mut away = Away::at(&place);
    away.tell("OWNKEY_WEBDAV_USER", server.user());
    away.tell("OWNKEY_WEBDAV_PASSWORD", "wrong");
    away.run(&["snapshots"])
        .ended(1)
        .well_said()
        .says("OWNKEY_WEBDAV_PASSWORD");
    away.tell("OWNKEY_WEBDAV_PASSWORD", server.password());
    away.lives();
}

#[test]
fn a_repository_lives_on_a_server_of_restics_protocol() {
    let Some(server) = HttpServer::rest() else {
        return;
    };
    let mut away = Away::at(&format!("rest:{}mine", server.url()));
    away.tell("OWNKEY_REST_USER", server.user());
    away.tell("OWNKEY_REST_PASSWORD", server.password());
    away.lives();
}

#[test]
fn what_a_storage_allows_is_told_and_remembered() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let away = at_bucket(server, Bucket::Plain);
    let as_json = away.run(&["storage", "probe", "--json"]).ok().json();
    assert_eq!(as_json[0]["usable"], true, "{as_json:?}");
    let rows = as_json[0]["rows"].as_array().expect("rows");
    assert!(
        rows.iter().any(|row| row["what"] == "exclusive creation"),
        "{rows:?}"
    );
    assert!(away.home.path("state/storages").is_dir());
}

#[test]
fn what_was_deleted_from_a_bucket_with_versions_is_read_as_of_before() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let away = at_bucket(server, Bucket::Versioned);
    away.init().ok();
    away.run(&["backup", "src"]).ok();
    let shown = away.run(&["snapshots", "--as-of", "0"]).ok();
    assert!(shown.err.contains("as it was at"), "{}", shown.err);
    away.run(&["ls", "latest", "--as-of", "2001-01-01"])
        .ended(10)
        .well_said();
    away.run(&["backup", "src", "--as-of", "1d"]).ended(2);
}

#[test]
fn a_backup_can_be_locked_and_says_until_when() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let mut away = at_bucket(server, Bucket::Locked);
    away.tell("OWNKEY_OBJECT_LOCK", "2d:governance");
    away.init().ok();
    let done = away.run(&["backup", "src"]).ok();
    assert!(done.out.contains("locked until"), "{}", done.out);
    let plain = at_bucket(server, Bucket::Plain);
    let kit = plain.home.text("kit.txt");
    plain
        .run(&[
            "init",
            "--object-lock",
            "2d",
            "--recovery-key-file",
            &kit,
            "--kdf-memory",
            "64",
        ])
        .ended(2)
        .well_said()
        .says("Object Lock");
}

/// The policy of docs/storage/s3.md for a machine that may only write.
fn write_only_policy(bucket: &str) -> String {
    let page = include_str!("../../docs/storage/s3.md");
    let (_, after) = page
        .split_once("## A machine that may only write")
        .expect("the chapter");
    let policy = after.split("```json").nth(1).expect("a policy");
    let policy = policy.split("```").next().expect("its end");
    policy
        .replace("BUCKET", bucket)
        .replace("PREFIX", "mine")
        .replace("NAME", LISTER)
}

#[test]
fn a_machine_that_may_only_write_works_with_credentials_that_read_no_data() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let bucket = server.fresh_bucket(Bucket::Plain);
    let owner = at_s3(server, &format!("{bucket}/mine"));
    owner.init().ok();
    owner.run(&["backup", "src"]).ok();
    server.set_policy(&bucket, &write_only_policy(&bucket));

    let state = owner.home.path("state of the server");
    let machine = |arguments: &[&str]| {
        let mut command = owner.command(arguments);
        command
            .env("OWNKEY_STATE_DIR", &state)
            .env("OWNKEY_CACHE_DIR", owner.home.path("cache of the server"))
            .env("AWS_ACCESS_KEY_ID", LISTER)
            .env("AWS_SECRET_ACCESS_KEY", format!("{LISTER}-secret"))
            .env_remove("OWNKEY_PASSWORD");
        run(&mut command)
    };
    let request = [
        "device",
        "request",
        "--name",
        "server",
        "--no-wait",
        "--json",
    ];
    let asked = machine(&request).ok().json();
    let is_it = |line: &&serde_json::Value| line["message_type"] == "device_request";
    let asked = asked.iter().find(is_it).expect("a request");
    let text = |key: &str| asked[key].as_str().expect("a text").to_owned();
    let (code, words) = (text("code"), text("words"));
    let approve = [
        "device",
        "approve",
        &code,
        "--write-only",
        "--words",
        &words,
    ];
    owner.run(&approve).ok();
    machine(&["backup", "src"]).ok();
    std::fs::write(owner.home.path("src/more"), "more").expect("a file");
    machine(&["backup", "src"]).ok();
    machine(&["restore", "latest", "--target", "x"]).ended(1);

    // The credentials alone read no data either, whoever uses them.
    let mut thief = owner.command(&["restore", "latest", "--target", "x"]);
    thief
        .env("AWS_ACCESS_KEY_ID", LISTER)
        .env("AWS_SECRET_ACCESS_KEY", format!("{LISTER}-secret"))
        .env("OWNKEY_CACHE_DIR", owner.home.path("no cache"));
    assert_ne!(run(&mut thief).code, 0);

    owner.run(&["restore", "latest", "--target", "back"]).ok();
    let restored = owner.home.path(&format!("back{}", owner.home.text("src")));
    assert_same_tree(&owner.home.path("src"), &restored);
}
