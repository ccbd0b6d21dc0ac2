//! The contract against servers that speak S3, each as its kind is opened; what is not installed is
//! skipped and says so.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use ownkey_storage::http::{
    Cleartext, Endpoint, HttpClient, HttpSettings, Patience, ReqwestTransport,
};
use ownkey_storage::s3::{LockMode, S3Credentials, S3Options, S3Place, S3Storage};
use ownkey_storage::{
    CreateIfAbsent, DeleteOutcome, Prefix, Retention, RetentionSupport, Storage, StorageErrorKind,
    VersionSupport,
};
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::{Bucket, READER, S3Server};

use super::{name, names, put};

/// Makes a subject of a server's fresh bucket, or leaves the test.
macro_rules! subject {
    ($server:expr, $bucket:expr, $create:expr) => {
        match $server {
            Some(server) => super::subject(server, $bucket, $create),
            None => return,
        }
    };
}

mod seaweedfs {
    use super::*;
    ownkey_testkit::conformance!(subject!(
        S3Server::seaweedfs(),
        Bucket::Plain,
        CreateIfAbsent::Atomic
    ));
}

mod seaweedfs_with_locks {
    use super::*;
    ownkey_testkit::conformance!(subject!(
        S3Server::seaweedfs(),
        Bucket::Locked,
        CreateIfAbsent::Atomic
    ));
}

mod moto {
    use super::*;
    ownkey_testkit::conformance!(subject!(
        S3Server::moto(),
        Bucket::Plain,
        CreateIfAbsent::Checked
    ));
}

/// Folders stand behind it. C15 is not kept: what stands above or beneath a stored name is refused as an
/// internal error, which cannot be told from one that passes.
mod rclone {
    use super::*;
    ownkey_testkit::conformance! { @each subject!(
        S3Server::rclone(),
        Bucket::Plain,
        CreateIfAbsent::Checked
    );
        c01_create_never_overwrites
        c02_nobody_sees_a_part_of_an_object
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
        c16_a_dropped_create_is_all_or_nothing
        c17_errors_name_operation_place_and_object
    }
}

/// Folders stand behind it too. C2 is not kept: it lists objects while they are written. Nor C7: it
/// answers some ranges with other bytes, which is noticed. Nor C9: it fails to list folders that
/// change, and forgets folders whose names begin alike, so that C12 cannot be seen.
mod s3rver {
    use super::*;
    ownkey_testkit::conformance! { @each subject!(
        S3Server::s3rver(),
        Bucket::Plain,
        CreateIfAbsent::Checked
    );
        c01_create_never_overwrites
        c04_a_storage_opened_anew_has_what_was_created
        c05_a_read_sees_every_create_that_ended
        c06_get_returns_exactly_what_was_created
        c08_what_is_too_large_is_refused
        c10_list_shows_objects_under_the_prefix_alone
        c11_delete_answers_for_every_name
        c13_versions_can_be_listed_and_read
        c14_retained_objects_stay
        c15_a_folder_is_not_an_object
        c17_errors_name_operation_place_and_object
    }
}

/// A fresh bucket under a prefix; opened anew it is another client with connections of its own.
fn subject(server: &'static S3Server, kind: Bucket, create: CreateIfAbsent) -> Subject {
    let bucket = server.fresh_bucket(kind);
    let options = options(kind, create);
    Subject::reopening(
        move || -> Arc<dyn Storage> { Arc::new(storage(server, &bucket, options.clone())) },
        (),
    )
}

/// The policy of docs/storage/s3.md: somebody who may read may also create, and nothing else.
#[test]
fn a_client_that_may_only_append_creates_reads_lists_and_deletes_nothing() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let bucket = server.fresh_bucket(Bucket::Plain);
    server.set_policy(
        &bucket,
        &format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{
                "Effect": "Allow",
                "Principal": {{"AWS": "arn:aws:iam::000000000000:user/{READER}"}},
                "Action": "s3:PutObject",
                "Resource": "arn:aws:s3:::{bucket}/*"
            }}]}}"#
        ),
    );
    let credentials = S3Credentials::Keys {
        access_key: READER.to_owned(),
        secret_key: format!("{READER}-secret"),
        session_token: None,
    };
    ownkey_testkit::block_on(async {
        let options = options(Bucket::Plain, CreateIfAbsent::Atomic);
        let storage = S3Storage::new(place(server, &bucket), credentials, options, client());
        put(&storage, "data/one").await;
        put(&storage, "data/two").await;
        let again = storage.create(&name("data/one"), Bytes::new()).await;
        let kind = again.expect_err("taken").kind();
        assert_eq!(kind, StorageErrorKind::AlreadyExists);
        for batch in [&["data/one"][..], &["data/one", "data/two"]] {
            let batch: Vec<_> = batch.iter().map(|text| name(text)).collect();
            for (name, outcome) in storage.delete(&batch).await {
                let DeleteOutcome::Failed(error) = outcome else {
                    panic!("{name} was deleted")
                };
                assert_eq!(error.kind(), StorageErrorKind::PermissionDenied, "{error}");
            }
        }
        assert_eq!(names(&storage).await, ["data/one", "data/two"]);
    });
}

#[test]
fn a_bucket_tells_whether_it_keeps_versions_and_locks() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let traits = |kind| {
        let bucket = server.fresh_bucket(kind);
        ownkey_testkit::block_on(async {
            let options = options(Bucket::Plain, CreateIfAbsent::Atomic);
            let told = storage(server, &bucket, options).discover().await;
            let told = told.expect("an answer");
            (told.versions, told.retention)
        })
    };
    let (none, kept) = (VersionSupport::None, VersionSupport::Kept);
    assert_eq!(
        traits(Bucket::Plain),
        (Some(none), Some(RetentionSupport::None))
    );
    assert_eq!(
        traits(Bucket::Versioned),
        (Some(kept), Some(RetentionSupport::None))
    );
    assert_eq!(
        traits(Bucket::Locked),
        (Some(kept), Some(RetentionSupport::Kept))
    );
}

#[test]
fn new_objects_are_locked_for_the_period_asked_for() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let bucket = server.fresh_bucket(Bucket::Locked);
    let day = Duration::from_secs(24 * 3600);
    let mut options = options(Bucket::Locked, CreateIfAbsent::Atomic);
    options.lock.mode = LockMode::Governance;
    options.lock.period = Some(day);
    ownkey_testkit::block_on(async {
        let before = SystemTime::now();
        let storage = storage(server, &bucket, options);
        put(&storage, "data/one").await;
        let retention = storage.retention(&name("data/one")).await;
        let Retention::Until(until) = retention.expect("a retention") else {
            panic!("not locked")
        };
        assert!(until >= before + day, "never shorter than asked for");
        assert!(until <= SystemTime::now() + day + Duration::from_secs(1));
        let outcomes = storage.delete(&[name("data/one")]).await;
        assert!(outcomes[0].1.is_deferred(), "{outcomes:?}");
    });
}

#[test]
fn wrong_keys_and_missing_buckets_are_named_as_what_they_are() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let bucket = server.fresh_bucket(Bucket::Plain);
    let failed = |bucket: &str, secret: &str| {
        let credentials = S3Credentials::Keys {
            access_key: server.access_key().to_owned(),
            secret_key: secret.to_owned(),
            session_token: None,
        };
        let options = options(Bucket::Plain, CreateIfAbsent::Atomic);
        let storage = S3Storage::new(place(server, bucket), credentials, options, client());
        ownkey_testkit::block_on(async { storage.list(&Prefix::all(), None, 1).await })
            .expect_err("no listing")
    };
    let error = failed(&bucket, "sesame-sesame");
    assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
    let message = error.to_string();
    assert!(message.contains("SignatureDoesNotMatch"), "{message}");
    assert!(!message.contains("sesame"), "{message}");
    let error = failed("no-such-bucket", server.secret());
    assert_eq!(error.kind(), StorageErrorKind::NoSuchRepositoryFolder);
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
}

pub(crate) fn options(kind: Bucket, create: CreateIfAbsent) -> S3Options {
    let mut options = S3Options::unprobed(Arc::new(SystemTime::now));
    options.capabilities.create_if_absent = create;
    if kind != Bucket::Plain {
        options.capabilities.versions = VersionSupport::Kept;
    }
    if kind == Bucket::Locked {
        options.capabilities.retention = RetentionSupport::Kept;
    }
    options
}

pub(crate) fn storage(server: &S3Server, bucket: &str, options: S3Options) -> S3Storage {
    let credentials = S3Credentials::Keys {
        access_key: server.access_key().to_owned(),
        secret_key: server.secret().to_owned(),
        session_token: None,
    };
    S3Storage::new(place(server, bucket), credentials, options, client())
}

fn place(server: &S3Server, bucket: &str) -> S3Place {
    let endpoint = Endpoint::new(&server.endpoint(), Cleartext::OnLoopback).expect("an endpoint");
    S3Place::new(endpoint, bucket, "some/prefix").expect("a place")
}

fn client() -> HttpClient {
    let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
    HttpClient::new(Arc::new(transport), 32, Patience::default())
}
