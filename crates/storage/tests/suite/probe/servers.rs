//! What real servers are found to do.

use std::sync::Arc;

use ownkey_storage::probe::Report;
use ownkey_storage::{CreateIfAbsent, ObjectName, RetentionSupport, Storage, VersionSupport};
use ownkey_testkit::block_on;
use ownkey_testkit::servers::{Bucket, S3Server};

use super::{facts, probed};
use crate::{names, s3};

/// Probes a fresh bucket of a server that is installed.
fn server_probed(server: Option<&'static S3Server>, kind: Bucket) -> Option<Report> {
    let server = server?;
    let bucket = server.fresh_bucket(kind);
    Some(block_on(async {
        let open = |mode| -> Arc<dyn Storage> {
            Arc::new(s3::storage(server, &bucket, s3::options(kind, mode)))
        };
        let report = probed(open).await;
        let left = names(&*open(CreateIfAbsent::Checked)).await;
        let said: Vec<String> = report
            .left_behind
            .iter()
            .map(ObjectName::to_string)
            .collect();
        assert_eq!(left, said, "what is left is said");
        report
    }))
}

#[test]
fn seaweedfs_creates_exclusively_and_keeps_versions_and_locks() {
    let Some(report) = server_probed(S3Server::seaweedfs(), Bucket::Locked) else {
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
    let Some(report) = server_probed(S3Server::moto(), Bucket::Plain) else {
        return;
    };
    assert_eq!(facts(&report).create_if_absent, CreateIfAbsent::Atomic);
}

#[test]
fn rclone_and_s3rver_overwrite_and_must_be_looked_at_first() {
    for server in [S3Server::rclone(), S3Server::s3rver()] {
        let Some(report) = server_probed(server, Bucket::Plain) else {
            continue;
        };
        let facts = facts(&report);
        assert_eq!(facts.create_if_absent, CreateIfAbsent::Checked);
        assert!(facts.fresh_reads && facts.deletes, "{report:#?}");
    }
}
