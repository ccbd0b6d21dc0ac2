//! Servers start, serve, and leave nothing behind.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use ownkey_testkit::servers::{Bucket, HttpServer, S3Server, SshServer, request};

#[test]
fn every_s3_server_answers_and_makes_buckets() {
    let all = [
        S3Server::seaweedfs(),
        S3Server::moto(),
        S3Server::rclone(),
        S3Server::s3rver(),
    ];
    for server in all.into_iter().flatten() {
        let bucket = server.fresh_bucket(Bucket::Plain);
        assert_ne!(bucket, server.fresh_bucket(Bucket::Plain));
        let found = request(server.port(), "GET", &format!("/{bucket}"), &[], b"");
        // Those that check signatures refuse; none says that there is no such bucket.
        let status = found.expect("an answer").status;
        assert!(
            [200, 400, 403].contains(&status),
            "{}: {status}",
            server.log()
        );
    }
}

#[test]
fn seaweedfs_keeps_versions_and_locks_where_a_bucket_asks_for_them() {
    let Some(server) = S3Server::seaweedfs() else {
        return;
    };
    let ask = |bucket: &str, what: &str| {
        let target = format!("/{bucket}?{what}");
        let answer = request(server.port(), "GET", &target, &[], b"");
        answer.expect("an answer").text
    };
    let plain = server.fresh_bucket(Bucket::Plain);
    assert!(!ask(&plain, "versioning").contains("Enabled"));
    let versioned = server.fresh_bucket(Bucket::Versioned);
    assert!(ask(&versioned, "versioning").contains("Enabled"));
    assert!(!ask(&versioned, "object-lock").contains("Enabled"));
    let locked = server.fresh_bucket(Bucket::Locked);
    assert!(ask(&locked, "versioning").contains("Enabled"));
    assert!(ask(&locked, "object-lock").contains("Enabled"));
}

#[test]
fn servers_over_http_want_their_password() {
    let all = [
        HttpServer::webdav(),
        HttpServer::rest(),
        HttpServer::rest_append_only(),
    ];
    for server in all.into_iter().flatten() {
        let answer = request(server.port(), "GET", "/", &[], b"");
        assert_eq!(answer.expect("an answer").status, 401);
    }
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let Some(server) = HttpServer::webdav() else {
        return;
    };
    let (port, data) = (server.port(), server.data());
    assert!(data.is_dir());
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!data.exists());
}

#[test]
fn ssh_reaches_both_sftp_servers_also_after_a_restart() {
    for server in [SshServer::openssh(), SshServer::rclone()] {
        let Some(mut server) = server else {
            continue;
        };
        fs::write(server.data().join("hello"), "hello").expect("a file");
        assert_eq!(fetched(&server), b"hello");
        server.kill();
        assert!(TcpStream::connect((server.host(), server.port())).is_err());
        server.restart();
        assert_eq!(fetched(&server), b"hello");
    }
}

/// The file `hello` as OpenSSH's own client brings it.
fn fetched(server: &SshServer) -> Vec<u8> {
    let there = tempfile::tempdir().expect("a folder");
    let to = there.path().join("fetched");
    let ssh = server.ssh();
    let output = Command::new("sftp")
        .args(&ssh[1..])
        .args(["-q", "-P", &server.port().to_string()])
        .arg(format!("{}:{}", server.host(), server.path("hello")))
        .arg(&to)
        .stdin(Stdio::null())
        .output()
        .expect("sftp runs");
    let said = String::from_utf8_lossy(&output.stderr);
    fs::read(&to).unwrap_or_else(|error| panic!("{error}: {said}"))
}
