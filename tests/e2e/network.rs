//! The real program over a real connection that breaks, stalls and comes back, in real time.
//!
//! That every fault at every request ends well is shown in `crates/engine/tests/suite/network`, where
//! time costs nothing. Here are those of them that need sockets, and what the user reads.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ownkey_testkit::faults::{Asking, Fault, Moment, Plan};
use ownkey_testkit::proxy::{Line, Proxy, Signal, Way};
use ownkey_testkit::{FaultyService, Keeping, Listening, SeededRandom, Service};

use crate::home::{Home, Run, assert_same_tree, run};

/// A user whose repository is a bucket behind a line that can fail.
struct Far {
    home: Home,
    service: Listening,
    line: Option<Proxy>,
    at: SocketAddr,
}

impl Far {
    /// With an empty repository and something to back up; the line is as good as the service.
    fn new() -> Self {
        let bucket = Arc::new(Service::new("bucket", Keeping::Newest));
        let service = Listening::start(Arc::new(FaultyService::new(bucket)));
        let home = Home::new();
        home.make_source();
        let mut random = SeededRandom::new(5);
        std::fs::write(home.path("src/film"), random.bytes(3 << 20)).expect("a file");
        let line = Proxy::start(service.address(), Way::Straight);
        let far = Self {
            home,
            service,
            at: line.address(),
            line: Some(line),
        };
        let kit = far.home.text("kit.txt");
        let small = ["init", "--kdf-memory", "64", "--recovery-key-file", &kit];
        far.run(&small).ok();
        far
    }

    fn line(&self) -> &Proxy {
        self.line.as_ref().expect("a line that is there")
    }

    /// Nobody listens there any more.
    fn lose_line(&mut self) {
        self.line = None;
    }

    /// Somebody listens there again.
    fn restore_line(&mut self) {
        let to = self.service.address();
        self.line = Some(Proxy::listening(self.at, to, Way::Straight));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        let place = format!("s3:http://{}/bucket/mine", self.at);
        command
            .env("OWNKEY_REPOSITORY", place)
            .env("AWS_ACCESS_KEY_ID", "access")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    fn backup(&self) -> Run {
        self.run(&["backup", &self.home.text("src")])
    }

    /// Everything is there, and whole.
    #[track_caller]
    fn assert_whole(&self) {
        self.run(&["check", "--read-data"]).ok();
        let back = tempfile::tempdir().expect("a folder");
        let target = back.path().to_str().expect("a UTF-8 path");
        let source = format!("latest:{}", self.home.text("src"));
        self.run(&["restore", &source, "--target", target]).ok();
        assert_same_tree(&self.home.path("src"), back.path());
    }

    fn arm(&self, asking: Asking, at: u64, times: u64, fault: Fault) {
        self.service.service().arm(Plan {
            asking,
            at,
            times,
            fault,
        });
    }

    #[track_caller]
    fn assert_struck(&self) {
        assert!(self.service.service().struck() > 0, "the fault never came");
        self.service.service().disarm();
    }
}

/// Long enough to be worth saying.
const OVERLOADED: Fault = Fault::overloaded(Some(3));

#[test]
fn uploads_that_break_in_their_middle_or_lose_their_answers_are_sent_again() {
    for fault in [
        Fault::Cut(100_000),
        Fault::Reset(Moment::Before),
        Fault::Reset(Moment::After),
    ] {
        for at in [0, 2] {
            let far = Far::new();
            far.arm(Asking::Put, at, 2, fault);
            far.backup().ok().well_said();
            far.assert_struck();
            far.assert_whole();
        }
    }
}

#[test]
fn a_storm_of_503_is_weathered_and_said() {
    let far = Far::new();
    far.arm(Asking::Put, 1, 2, OVERLOADED);
    let said = far.backup().ok().well_said();
    said.says("the storage does not answer")
        .says("the storage answers again");
    far.assert_struck();
    far.assert_whole();
}

#[test]
fn a_storage_that_stays_away_ends_the_run_with_code_15_and_the_next_run_goes_on() {
    let far = Far::new();
    far.arm(Asking::Put, 1, u64::MAX, OVERLOADED);
    let source = far.home.text("src");
    far.run(&["backup", &source, "--retry-for", "2s"])
        .ended(15)
        .well_said();
    far.assert_struck();
    far.backup().ok();
    far.assert_whole();
}

#[test]
fn downloads_that_break_are_fetched_again_and_no_wrong_byte_is_written() {
    let far = Far::new();
    far.backup().ok();
    for asking in [Asking::Get, Asking::Range] {
        far.arm(asking, 0, 3, Fault::Cut(50));
        far.assert_whole();
        far.service.service().disarm();
    }
}

/// A backup that has begun.
fn begun(far: &Far) -> Child {
    far.command(&["backup", &far.home.text("src")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[test]
fn a_signal_that_is_lost_in_the_middle_of_a_backup_and_comes_back_costs_nothing() {
    let far = Far::new();
    // Slow enough that the signal is lost while the film is on its way.
    far.line().set(Line {
        rate: Some(2 << 20),
        ..Line::default()
    });
    let before = far.line().counts().up;
    let mut running = begun(&far);
    while far.line().counts().up < before + (1 << 20) {
        std::thread::sleep(Duration::from_millis(10));
        assert!(running.try_wait().expect("its state").is_none());
    }
    far.line().signal(Signal::Lost);
    std::thread::sleep(Duration::from_secs(2));
    let ended = running.try_wait().expect("its state");
    assert!(ended.is_none(), "it did not wait");
    far.line().set(Line::default());
    assert!(running.wait().expect("its end").success());
    far.assert_whole();
}

#[test]
fn a_line_that_goes_away_is_waited_for_and_said_and_the_backup_goes_on_when_it_is_back() {
    let mut far = Far::new();
    far.line().set(Line {
        cut_after: Some(1 << 20),
        ..Line::default()
    });
    let mut running = begun(&far);
    let mut said = BufReader::new(running.stderr.take().expect("standard error"));
    let mut first = String::new();
    said.read_line(&mut first).expect("a line");
    assert!(first.contains("the storage does not answer"), "{first:?}");
    assert!(first.contains("trying again in"), "{first:?}");
    far.lose_line();
    std::thread::sleep(Duration::from_secs(2));
    assert!(running.try_wait().expect("its state").is_none());
    far.restore_line();
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("the rest");
    assert!(running.wait().expect("its end").success(), "{rest}");
    assert!(rest.contains("the storage answers again"), "{rest}");
    far.assert_whole();
}
