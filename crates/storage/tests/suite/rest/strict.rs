//! A server that takes what rest-server takes and nothing else, and what a hostile one may answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ownkey_storage::http::{Cleartext, Endpoint};
use ownkey_storage::{
    CreateIfAbsent, Prefix, RestStorage, Site, Storage, StorageErrorKind, list_all,
};
use ownkey_testkit::block_on;
use ownkey_testkit::conformance::Subject;

use super::super::scripted::{Asked, Reply, Scripted};
use super::super::{name, names, put};

mod contract {
    ownkey_testkit::conformance!(super::subject());
}

const V2: &str = "application/vnd.x.restic.rest.v2";

fn storage(service: &Arc<Scripted>) -> RestStorage {
    let endpoint = Endpoint::new("https://h/me/", Cleartext::OnLoopback).expect("an endpoint");
    let site = Site::new("rest", &endpoint, None);
    RestStorage::new(site, CreateIfAbsent::Checked, service.client())
}

fn subject() -> Subject {
    let service = rest_server();
    Subject::reopening(move || Arc::new(storage(&service)), ())
}

/// `rest-server --no-verify-upload`, as its handlers read.
fn rest_server() -> Arc<Scripted> {
    let files: Mutex<BTreeMap<String, Bytes>> = Mutex::default();
    Scripted::new(move |asked: &Asked| {
        let mut files = files.lock().expect("no test panics in there");
        let Some((kind, file)) = parts(&asked.path) else {
            return Reply::status(404);
        };
        let path = format!("{kind}/{file}");
        match (asked.method.as_str(), file, files.get(&path)) {
            ("GET", "", _) if asked.header("accept") == V2 => list(&files, kind),
            ("HEAD", _, Some(body)) => {
                Reply::status(200).with("content-length", body.len().to_string())
            }
            ("GET", _, Some(body)) => part(body, asked.header("range")),
            ("POST", _, Some(_)) => Reply::status(403),
            ("POST", _, None) => {
                files.insert(path, asked.body.clone());
                Reply::status(200)
            }
            ("DELETE", _, Some(_)) => {
                files.remove(&path);
                Reply::status(200)
            }
            (_, _, None) => Reply::status(404),
            _ => Reply::status(405),
        }
    })
}

/// The type and the file of a path, if the server has such.
fn parts(path: &str) -> Option<(&str, &str)> {
    let (kind, file) = path.strip_prefix("/me/")?.split_once('/')?;
    let is_kind = ["data", "index", "keys", "locks", "snapshots"].contains(&kind);
    let is_hash = |file: &str| {
        file.len() == 64
            && file
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (is_kind && (file.is_empty() || is_hash(file))).then_some((kind, file))
}

fn list(files: &BTreeMap<String, Bytes>, kind: &str) -> Reply {
    let of_kind = files.iter().filter_map(|(path, body)| {
        let file = path.strip_prefix(kind)?.strip_prefix('/')?;
        Some(format!("{{\"name\":\"{file}\",\"size\":{}}}", body.len()))
    });
    let all: Vec<String> = of_kind.collect();
    match all.is_empty() {
        // As Go writes a list that was never made.
        true => Reply::body(200, "null"),
        false => Reply::body(200, format!("[{}]", all.join(","))),
    }
}

fn part(body: &Bytes, range: &str) -> Reply {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Reply::body(200, body.clone());
    };
    let (first, last): (usize, usize) = (first.parse().expect("it"), last.parse().expect("it"));
    if first >= body.len() {
        return Reply::status(416);
    }
    let last = last.min(body.len() - 1);
    let said = format!("bytes {first}-{last}/{}", body.len());
    Reply::body(206, body.slice(first..=last)).with("content-range", said)
}

#[test]
fn listing_the_roster_reads_no_label_twice_and_none_of_others() {
    block_on(async {
        let service = rest_server();
        let storage = storage(&service);
        for text in [
            "roster/0-a",
            "roster/1-b",
            "log/device/0",
            "log/device/1",
            "ownkey",
        ] {
            put(&storage, text).await;
        }
        let roster = Prefix::new("roster/").expect("a prefix");
        let before = service.lines().len();
        for requests in [3, 1] {
            let before = service.lines().len();
            let listed = list_all(&storage, &roster).await.expect("a listing");
            assert_eq!(listed.len(), 2);
            assert_eq!(service.lines().len() - before, requests);
        }
        assert!(service.lines()[before].ends_with("/keys/"));
    });
}

#[test]
fn a_server_that_wants_hashes_of_contents_is_told_how_to_want_less() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.method.as_str() {
            "POST" => Reply::status(400),
            _ => Reply::status(404),
        });
        let created = storage(&service)
            .create(&name("ownkey"), Bytes::from_static(b"x"))
            .await;
        let error = created.expect_err("refused");
        assert_eq!(error.kind(), StorageErrorKind::Unsupported);
        assert!(error.to_string().contains("--no-verify-upload"), "{error}");
    });
}

#[test]
fn files_that_lie_about_themselves_are_no_objects() {
    block_on(async {
        // Every file is the one of `log/b`, and some are not even called like files.
        let exchanged = Scripted::new(|asked: &Asked| {
            if !asked.path.ends_with('/') {
                return Reply::body(200, "\u{5}log/bx");
            }
            let files = [
                "0".repeat(64),
                "../../x".to_owned(),
                "\\u001b[31m".to_owned(),
            ];
            let files = files.map(|file| format!("{{\"name\":\"{file}\",\"size\":7}}"));
            Reply::body(200, format!("[{}]", files.join(",")))
        });
        let lied_to = storage(&exchanged);
        // Only those whose names need no label; the fourth listing is that of labelled files.
        let zeros = "0".repeat(64);
        let direct = [
            format!("data/00/{zeros}"),
            format!("index/{zeros}"),
            format!("meta/00/{zeros}"),
        ];
        assert_eq!(names(&lied_to).await, direct);
        let error = lied_to
            .get(&name("log/a"))
            .await
            .expect_err("another's file");
        assert_eq!(error.kind(), StorageErrorKind::BrokenContract);
    });
}

#[test]
fn what_is_no_listing_is_an_error_and_never_an_empty_storage() {
    block_on(async {
        for body in [
            "",
            "<html>",
            "{}",
            "[\"v1\"]",
            "[{\"name\":\"x\",\"size\":-1}]",
        ] {
            let service = Scripted::new(move |_| Reply::body(200, body));
            let listed = storage(&service).list(&Prefix::all(), None, 10).await;
            let error = listed.expect_err(body);
            assert_eq!(error.kind(), StorageErrorKind::BrokenContract, "{body}");
        }
    });
}
