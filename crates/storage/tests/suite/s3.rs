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

mod moto {
    use super::*;
    ownkey_testkit::conformance!(subject!(
        S3Server::moto(),
        Bucket::Plain,
        CreateIfAbsent::Checked
    ));
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
