//! The contract against servers that speak S3, each as its kind is opened; what is not installed is
//! skipped and says so.

use std::sync::Arc;
use std::time::SystemTime;

use ownkey_storage::http::{
    Cleartext, Endpoint, HttpClient, HttpSettings, Patience, ReqwestTransport,
};
use ownkey_storage::s3::{S3Credentials, S3Options, S3Place, S3Storage};
use ownkey_storage::{CreateIfAbsent, RetentionSupport, Storage, VersionSupport};
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::{Bucket, S3Server};

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
