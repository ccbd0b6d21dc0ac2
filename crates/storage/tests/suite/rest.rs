//! Restic's REST protocol: the contract on rclone's server, through an rclone of our own, and on a server as strict
//! as rest-server.

mod bridge;
mod strict;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ownkey_storage::http::{
    Cleartext, Endpoint, HttpClient, HttpSettings, Patience, ReqwestTransport,
};
use ownkey_storage::{
    CreateIfAbsent, Credentials, Prefix, RestStorage, Site, Storage, StorageErrorKind,
};
use ownkey_testkit::block_on;
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::HttpServer;

use super::{name, names, put};

/// Every sentence but two: what rclone stores in a folder can be seen half done (C2, and so C16).
macro_rules! conformance_of_a_remote_folder {
    ($subject:expr) => {
        ownkey_testkit::conformance! { @each $subject;
            c01_create_never_overwrites
            c03_one_of_many_creators_wins
            c04_a_storage_opened_anew_has_what_was_created
            c05_a_read_sees_every_create_that_ended
            c06_get_returns_exactly_what_was_created
            c07_ranges_are_exact_or_refused
            c08_what_is_too_large_is_refused
            c09_pages_neither_repeat_nor_skip
            c09_list_is_complete_and_sorted_while_others_create
            c10_list_shows_objects_under_the_prefix_alone
            c11_delete_answers_for_every_name
            c12_delete_touches_nothing_else
            c13_versions_can_be_listed_and_read
            c14_retained_objects_stay
            c15_a_folder_is_not_an_object
            c17_errors_name_operation_place_and_object
        }
    };
}
use conformance_of_a_remote_folder;

mod rclone {
    super::conformance_of_a_remote_folder!(match super::subject() {
        Some(subject) => subject,
        None => return,
    });
}

/// A repository of its own on a server.
pub(crate) fn open(server: &HttpServer, repository: u64, creation: CreateIfAbsent) -> RestStorage {
    let address = format!("{}{repository}", server.url());
    let endpoint = Endpoint::new(&address, Cleartext::OnLoopback).expect("an endpoint");
    let credentials = Credentials::basic(server.user(), server.password()).expect("credentials");
    let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
    let http = HttpClient::new(Arc::new(transport), 8, Patience::default());
    let site = Site::new("rest", &endpoint, Some(credentials));
    RestStorage::new(site, creation, http)
}

fn subject() -> Option<Subject> {
    static SERVER: OnceLock<Option<HttpServer>> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = SERVER.get_or_init(HttpServer::rest).as_ref()?;
    let repository = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(Subject::reopening(
        move || Arc::new(open(server, repository, CreateIfAbsent::Checked)),
        (),
    ))
}

#[test]
fn an_append_only_server_keeps_what_it_has_and_says_so() {
    block_on(async {
        let Some(server) = HttpServer::rest_append_only() else {
            return;
        };
        let storage = open(&server, 0, CreateIfAbsent::Checked);
        put(&storage, "ownkey").await;
        put(&storage, "log/device/0000").await;
        let taken = storage
            .create(&name("ownkey"), Bytes::from_static(b"other"))
            .await;
        assert_eq!(
            taken.expect_err("taken").kind(),
            StorageErrorKind::AlreadyExists
        );

        let outcomes = storage
            .delete(&[name("ownkey"), name("log/device/0000")])
            .await;
        for (_, outcome) in &outcomes {
            let ownkey_storage::DeleteOutcome::Failed(error) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        assert_eq!(names(&storage).await, ["log/device/0000", "ownkey"]);
        assert_eq!(storage.get(&name("ownkey")).await.expect("kept"), "ownkey");
    });
}

#[test]
fn a_server_that_stores_without_looking_is_refused_by_its_answer_alone() {
    block_on(async {
        let Some(server) = HttpServer::rest_append_only() else {
            return;
        };
        let endpoint = Endpoint::new(&server.url(), Cleartext::OnLoopback).expect("an endpoint");
        let credentials = Credentials::basic(server.user(), server.password());
        let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
        let http = HttpClient::new(Arc::new(transport), 8, Patience::default());
        let site = Site::new("rest", &endpoint, Some(credentials.expect("credentials")));
        let storage = RestStorage::new(site, CreateIfAbsent::Atomic, http);
        put(&storage, "ownkey").await;
        let taken = storage
            .create(&name("ownkey"), Bytes::from_static(b"other"))
            .await;
        assert_eq!(
            taken.expect_err("taken").kind(),
            StorageErrorKind::AlreadyExists
        );
        assert_eq!(storage.get(&name("ownkey")).await.expect("kept"), "ownkey");
        assert!(storage.list(&Prefix::all(), None, 1).await.is_ok());
    });
}
