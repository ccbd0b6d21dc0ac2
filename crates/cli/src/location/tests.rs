//! What the grammar reads, what it shows, and what it refuses.

use std::path::PathBuf;

use ownkey_storage::http::Cleartext;
use proptest::prelude::*;

use super::*;
use crate::exit::Class;

fn parse(written: &str) -> Result<RepositoryUrl, Failure> {
    RepositoryUrl::parse(OsStr::new(written), Some(Path::new("/here")))
}

fn path(written: &str) -> PathBuf {
    let place = parse(written).expect("a place");
    place.as_folder().expect("a folder").to_owned()
}

fn shown(written: &str) -> String {
    match parse(written) {
        Ok(place) => place.to_string(),
        Err(failure) => panic!("{written}: {failure:?}"),
    }
}

#[test]
fn paths_become_absolute() {
    assert_eq!(path("/srv/backup"), Path::new("/srv/backup"));
    assert_eq!(path("backup/./mine//"), Path::new("/here/backup/mine"));
    assert_eq!(path("a:b"), Path::new("/here/a:b"));
    assert_eq!(path("./s3:x"), Path::new("/here/s3:x"));
}

#[test]
fn file_urls_are_folders() {
    assert_eq!(path("file:///srv/my%20backup"), Path::new("/srv/my backup"));
    assert_eq!(path("file:/srv"), Path::new("/srv"));
    assert_eq!(path("file://localhost/srv"), Path::new("/srv"));
    assert!(parse("file://server/share").is_err());
    assert!(parse("file:///a%2").is_err());
    assert!(parse("file:///a%00").is_err());
}

#[test]
fn s3_is_read_as_a_url_and_as_restic_writes_it() {
    for (written, canonical) in [
        ("s3://host.example/mine/a/b", "s3://host.example/mine/a/b"),
        (
            "s3:https://host.example:443/mine/",
            "s3://host.example/mine",
        ),
        (
            "s3:HOST.example:9000/mine//a/",
            "s3://host.example:9000/mine/a",
        ),
        (
            "s3:http://localhost:8333/mine",
            "s3:http://localhost:8333/mine",
        ),
        (
            "s3+http://127.0.0.1:8333/mine/x",
            "s3:http://127.0.0.1:8333/mine/x",
        ),
        ("s3:s3.amazonaws.com/mine", "s3://s3.amazonaws.com/mine"),
        (
            "s3:s3.amazonaws.com/mine?region=eu-central-1",
            "s3://s3.eu-central-1.amazonaws.com/mine",
        ),
        (
            "s3://minio.home/mine?region=eu&style=host",
            "s3://minio.home/mine?region=eu&style=host",
        ),
        (
            "s3://s3.eu-central-1.amazonaws.com/mine?region=eu-central-1",
            "s3://s3.eu-central-1.amazonaws.com/mine",
        ),
        ("s3://[::1]:9000/mine", "s3://[::1]:9000/mine"),
    ] {
        assert_eq!(shown(written), canonical, "{written}");
    }
}

#[test]
fn a_place_has_the_name_that_its_storage_gives_it() {
    for written in [
        "s3://minio.home.example/mine/a?region=eu&style=host",
        "s3:http://localhost:8333/mine",
        "s3:s3.amazonaws.com/mine?region=eu-central-1",
    ] {
        let place = parse(written).expect("a place");
        let RepositoryUrl::S3(url) = &place else {
            panic!("{place:?}")
        };
        let storage = url.place(Cleartext::Anywhere).expect("a place");
        assert_eq!(place.identity(), storage.location().as_str());
    }
}

#[test]
fn a_region_from_the_environment_stands_behind_the_url_and_does_not_change_the_place() {
    let told = |written: &str, region: &str| match parse(written).expect("a place") {
        RepositoryUrl::S3(url) => url.unless_told_in(region).map(RepositoryUrl::S3),
        other => Ok(other),
    };
    let here = told("s3://minio.home.example/mine", "garage").expect("a place");
    assert_eq!(
        here.to_string(),
        "s3://minio.home.example/mine?region=garage"
    );
    assert_eq!(here.identity(), "s3://minio.home.example/mine");
    for (written, shown) in [
        (
            "s3://minio.home.example/mine?region=own",
            "s3://minio.home.example/mine?region=own",
        ),
        (
            "s3://s3.us-east-1.amazonaws.com/mine",
            "s3://s3.us-east-1.amazonaws.com/mine",
        ),
        (
            "s3://s3.amazonaws.com/mine",
            "s3://s3.eu-west-1.amazonaws.com/mine",
        ),
    ] {
        assert_eq!(
            told(written, "eu-west-1").expect("a place").to_string(),
            shown
        );
    }
    assert!(told("s3://minio.home.example/mine", "a/b").is_err());
}

#[test]
fn what_looks_like_a_bucket_in_place_of_a_service_is_refused_with_the_right_form() {
    for written in [
        "s3://mine/prefix",
        "s3:mine/prefix",
        "s3://mine.s3.eu-west-1.amazonaws.com/prefix",
        "s3://host.example",
        "s3://host.example/",
        "s3://host.example/mine/../c",
        "s3://host.example/mine?endpoint=x",
        "s3://host.example/mine#x",
        "s3://host.example/M!",
    ] {
        let failure = parse(written).expect_err(written);
        assert_eq!(failure.class, Class::Usage, "{written}");
        assert!(!failure.hints.is_empty(), "{written}");
    }
}

#[test]
fn sftp_is_read_as_a_url_and_as_scp_writes_it() {
    for (written, canonical, remote) in [
        (
            "sftp://me@nas:2222/srv/backup/",
            "sftp://me@nas:2222/srv/backup",
            "/srv/backup",
        ),
        (
            "sftp://nas//srv/backup",
            "sftp://nas/srv/backup",
            "/srv/backup",
        ),
        ("sftp://nas/~/backup", "sftp://nas/~/backup", "backup"),
        ("sftp:me@nas:backup", "sftp://me@nas/~/backup", "backup"),
        ("sftp:me@nas:~/backup", "sftp://me@nas/~/backup", "backup"),
        ("sftp:nas:/srv/b c", "sftp://nas/srv/b%20c", "/srv/b c"),
        ("sftp://[::1]:22/x", "sftp://[::1]:22/x", "/x"),
    ] {
        let place = parse(written).expect(written);
        assert_eq!(place.to_string(), canonical);
        let RepositoryUrl::Sftp(url) = place else {
            panic!("{place:?}")
        };
        assert_eq!(url.remote_path(), remote);
    }
    for written in [
        "sftp://",
        "sftp://-oProxyCommand=x/y",
        "sftp:host",
        "sftp://h:x/y",
        "sftp://h",
        "sftp://h/../x",
    ] {
        assert_eq!(parse(written).expect_err(written).class, Class::Usage);
    }
}

#[test]
fn webdav_and_rest_name_a_server_and_perhaps_a_user() {
    for (written, canonical) in [
        (
            "webdav+https://ann@cloud.example/dav/",
            "webdav+https://ann@cloud.example/dav",
        ),
        (
            "webdavs://cloud.example:8443/dav",
            "webdav+https://cloud.example:8443/dav",
        ),
        ("davs://cloud.example", "webdav+https://cloud.example"),
        (
            "webdav://localhost:8080/x",
            "webdav+http://localhost:8080/x",
        ),
        (
            "webdav:https://cloud.example/x",
            "webdav+https://cloud.example/x",
        ),
        (
            "rest:https://h.example:8000/ann/",
            "rest:https://h.example:8000/ann",
        ),
        ("rest+http://localhost:8000/", "rest:http://localhost:8000"),
    ] {
        assert_eq!(shown(written), canonical, "{written}");
    }
    let RepositoryUrl::Webdav(url) = parse("webdavs://ann@cloud.example/x").expect("a place")
    else {
        panic!("not WebDAV")
    };
    assert_eq!(url.user().as_deref(), Some("ann"));
    assert_eq!(url.address().as_str(), "https://cloud.example/x");
    for written in [
        "rest:h.example/x",
        "webdavs://h.example/x?token=abc",
        "webdavs:///x",
    ] {
        let failure = parse(written).expect_err(written);
        assert!(!format!("{failure:?}").contains("abc"), "{failure:?}");
    }
}

#[test]
fn rclone_takes_configured_remotes_only() {
    assert_eq!(
        shown("rclone:my drive:backups/a@b:c/"),
        "rclone:my drive:backups/a@b:c"
    );
    for written in [
        "rclone:x",
        "rclone::s3,secret_access_key=hunter2:b",
        "rclone:-x:y",
        "rclone:x,pass=hunter2:y",
    ] {
        let failure = parse(written).expect_err(written);
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[test]
fn other_kinds_of_storage_are_refused_by_name() {
    for written in [
        "b2:bucket:path",
        "gs:bucket:/",
        "smb://nas/share",
        "https://host/x",
        "ssh://host/x",
    ] {
        let failure = parse(written).expect_err("not reachable");
        assert_eq!(failure.class, Class::Usage);
        assert!(!failure.hints.is_empty(), "{failure:?}");
    }
    let failure = parse("gopher://x").expect_err("unknown");
    assert!(failure.message.contains("gopher://"));
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    for written in [
        "sftp://me:hunter2@host/x",
        "sftp:me:hunter2@host:x",
        "s3:https://AKIA:hunter2@host.example/mine",
        "s3://hunter2@host.example/mine",
        "s3://host.example/b?secret_access_key=hunter2",
        "webdavs://ann:hunter2@host.example/x",
        "rest:https://ann:hunter2@host.example/x",
    ] {
        let failure = parse(written).expect_err("a secret");
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[test]
fn an_empty_place_is_an_error() {
    assert_eq!(parse("").expect_err("empty").class, Class::Usage);
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back_as_the_same_place(
        scheme in prop::sample::select(REACHED.to_vec()),
        slashes in prop::sample::select(vec!["", "//", "https://", "http://"]),
        rest in "([a-zA-Z][a-zA-Z0-9.-]{0,8}@)?[a-zA-Z0-9.-]{1,12}(:[0-9]{1,4})?[/:][a-zA-Z0-9%:@ ~./ä?&=-]{0,24}",
    ) {
        if let Ok(place) = parse(&format!("{scheme}:{slashes}{rest}")) {
            let again = parse(&place.to_string());
            prop_assert_eq!(again.expect("what we show"), place);
        }
    }
}
