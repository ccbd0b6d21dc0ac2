//! What real servers are found to do.

use std::sync::Arc;

use ownkey_storage::probe::Report;
use ownkey_storage::{
    CreateIfAbsent, ObjectName, RetentionSupport, Retry, RetryPolicy, SftpOptions, SftpStorage,
    Storage, VersionSupport,
};
use ownkey_testkit::block_on;
use ownkey_testkit::servers::{Bucket, HttpServer, S3Server, SshServer};

use super::{facts, probed, refusal};
use crate::{names, rest, s3, sftp, webdav};

/// Probes a fresh bucket of a server that is installed.
fn bucket_probed(server: Option<&'static S3Server>, kind: Bucket) -> Option<Report> {
    let server = server?;
    let bucket = server.fresh_bucket(kind);
    let open = |mode| -> Arc<dyn Storage> {
        // One of these answers a batch of deletions with a failure now and then.
        let service = Arc::new(s3::storage(server, &bucket, s3::options(kind, mode)));
        Arc::new(Retry::new(
            service,
            RetryPolicy::default(),
            Arc::new(|_| {}),
        ))
    };
    Some(block_on(probed_and_left(open)))
}

/// What is left behind is said.
async fn probed_and_left<F>(open: F) -> Report
where
    F: Fn(CreateIfAbsent) -> Arc<dyn Storage> + Send + Sync,
{
    let report = probed(&open).await;
    let left = names(&*open(CreateIfAbsent::Checked)).await;
    let said: Vec<String> = report
        .left_behind
        .iter()
        .map(ObjectName::to_string)
        .collect();
    assert_eq!(left, said);
    println!("{}: {report:#?}", open(CreateIfAbsent::Checked).location());
    report
}

#[test]
fn seaweedfs_creates_exclusively_and_keeps_versions_and_locks() {
    let Some(report) = bucket_probed(S3Server::seaweedfs(), Bucket::Locked) else {
        return;
    };
    let facts = facts(&report);
    assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
    assert!(facts.fresh_reads && facts.deletes);
    assert_eq!(facts.versions, VersionSupport::Kept);
    assert_eq!(facts.retention, RetentionSupport::Kept);
}

#[test]
fn moto_creates_exclusively() {
    let Some(report) = bucket_probed(S3Server::moto(), Bucket::Plain) else {
        return;
    };
    assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Atomic);
}

#[test]
fn rclone_overwrites_and_must_be_looked_at_first() {
    let Some(report) = bucket_probed(S3Server::rclone(), Bucket::Plain) else {
        return;
    };
    let facts = facts(&report);
    assert_eq!(facts.create_if_absent, CreateIfAbsent::Checked);
    assert!(facts.fresh_reads && facts.deletes);
}

#[test]
fn s3rver_gives_other_parts_than_those_asked_for_and_is_refused() {
    let Some(report) = bucket_probed(S3Server::s3rver(), Bucket::Plain) else {
        return;
    };
    let refusal = refusal(&report);
    assert!(refusal.contains("other bytes"), "{refusal}");
}

/// Probes a folder of a server over SFTP.
fn folder_probed(server: Option<SshServer>) -> Option<Report> {
    let server = server?;
    let (place, options) = sftp::way_to(&server, "repository");
    Some(block_on(async {
        let made = SftpStorage::create_root(place.clone(), options.clone()).await;
        made.unwrap_or_else(|error| panic!("{error}"));
        let open = |mode| -> Arc<dyn Storage> {
            let options = SftpOptions {
                create_if_absent: mode,
                ..options.clone()
            };
            Arc::new(SftpStorage::new(place.clone(), options))
        };
        probed_and_left(open).await
    }))
}

#[test]
fn openssh_creates_exclusively() {
    let Some(report) = folder_probed(SshServer::openssh()) else {
        return;
    };
    let facts = facts(&report);
    assert_eq!(facts.create_if_absent, CreateIfAbsent::Atomic);
    assert!(facts.fresh_reads && facts.deletes);
}

#[test]
fn a_server_without_hard_links_must_be_looked_at_first() {
    let Some(report) = folder_probed(SshServer::rclone()) else {
        return;
    };
    assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Checked);
}

#[test]
fn webdav_on_rclone_can_be_used() {
    let Some(place) = webdav::rclone() else {
        return;
    };
    let open = |mode| -> Arc<dyn Storage> { Arc::new(place.open(mode)) };
    let report = block_on(probed_and_left(open));
    let facts = facts(&report);
    assert!(facts.fresh_reads && facts.deletes);
}

#[test]
fn a_server_of_restics_protocol_can_be_used() {
    let Some(server) = HttpServer::rest() else {
        return;
    };
    let open = |mode| -> Arc<dyn Storage> { Arc::new(rest::open(&server, 7, mode)) };
    let facts = facts(&block_on(probed_and_left(open)));
    assert!(facts.fresh_reads && facts.deletes);
}

#[test]
fn an_append_only_server_is_recognised() {
    let Some(server) = HttpServer::rest_append_only() else {
        return;
    };
    let open = |mode| -> Arc<dyn Storage> { Arc::new(rest::open(&server, 7, mode)) };
    let facts = facts(&block_on(probed_and_left(open)));
    assert!(facts.fresh_reads && !facts.deletes);
}
