//! WebDAV: the contract against real services, and what a hostile one may answer.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ownkey_storage::http::{
    Cleartext, Endpoint, HttpClient, HttpSettings, Patience, ReqwestTransport,
};
use ownkey_storage::{
    CreateIfAbsent, Credentials, Operation, Prefix, Site, Storage, StorageErrorKind, WebdavStorage,
};
use ownkey_testkit::block_on;
use ownkey_testkit::conformance::Subject;
use ownkey_testkit::servers::HttpServer;

use super::scripted::{Asked, Reply, Scripted};
use super::{name, names, put};

mod rclone {
    ownkey_testkit::conformance!(match super::on_rclone(super::CreateIfAbsent::Atomic) {
        Some(subject) => subject,
        None => return,
    });
}

mod rclone_checked {
    ownkey_testkit::conformance!(match super::on_rclone(super::CreateIfAbsent::Checked) {
        Some(subject) => subject,
        None => return,
    });
}

/// Any other service: a folder at `OWNKEY_WEBDAV`, for `OWNKEY_WEBDAV_USER` with `OWNKEY_WEBDAV_PASSWORD`.
mod elsewhere {
    ownkey_testkit::conformance!(match super::elsewhere() {
        Some(subject) => subject,
        None => return,
    });
}

/// One place of a service, in a folder of its own.
pub(crate) struct Place {
    folder: String,
    user: String,
    password: String,
}

impl Place {
    fn fresh(service: &str, user: &str, password: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            folder: format!("{}/test-{process}/{n}", service.trim_end_matches('/')),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    pub(crate) fn open(&self, creation: CreateIfAbsent) -> WebdavStorage {
        let endpoint = Endpoint::new(&self.folder, Cleartext::OnLoopback).expect("an endpoint");
        let credentials = Credentials::basic(&self.user, &self.password).expect("credentials");
        let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
        let http = HttpClient::new(Arc::new(transport), 8, Patience::default());
        WebdavStorage::new(
            Site::new("webdav", &endpoint, Some(credentials)),
            creation,
            http,
        )
    }

    fn subject(self, creation: CreateIfAbsent) -> Subject {
        Subject::reopening(move || Arc::new(self.open(creation)), ())
    }
}

pub(crate) fn rclone() -> Option<Place> {
    static SERVER: OnceLock<Option<HttpServer>> = OnceLock::new();
    let server = SERVER.get_or_init(HttpServer::webdav).as_ref()?;
    Some(Place::fresh(
        &server.url(),
        server.user(),
        server.password(),
    ))
}

fn on_rclone(creation: CreateIfAbsent) -> Option<Subject> {
    Some(rclone()?.subject(creation))
}

fn elsewhere() -> Option<Subject> {
    let Ok(service) = env::var("OWNKEY_WEBDAV") else {
        println!("skipped: OWNKEY_WEBDAV names no folder of a service");
        return None;
    };
    let word = |of: &str| env::var(format!("OWNKEY_WEBDAV_{of}")).unwrap_or_default();
    let place = Place::fresh(&service, &word("USER"), &word("PASSWORD"));
    Some(place.subject(CreateIfAbsent::Atomic))
}

#[test]
fn a_wrong_password_is_said_and_not_shown() {
    block_on(async {
        let Some(mut place) = rclone() else { return };
        place.password = "sesame".to_owned();
        let storage = place.open(CreateIfAbsent::Checked);
        let error = storage.get(&name("ownkey")).await.expect_err("refused");
        assert_eq!(error.kind(), StorageErrorKind::PermissionDenied);
        let message = format!("{error} {error:?} {storage:?}");
        assert!(message.contains("app password"), "{message}");
        assert!(!message.contains("sesame"), "{message}");
    });
}

#[test]
fn staging_files_that_are_old_are_swept_and_nothing_else() {
    block_on(async {
        let Some(place) = rclone() else { return };
        let storage = place.open(CreateIfAbsent::Atomic);
        put(&storage, "data/one").await;
        assert_eq!(
            storage
                .sweep_staging(SystemTime::now())
                .await
                .expect("a sweep"),
            0
        );
        // A creation that got no further than its upload.
        let staged = WebdavPut(&place).put(".staging/00ff").await;
        assert!(staged.is_success(), "{staged}");
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        assert_eq!(storage.sweep_staging(now - day).await.expect("a sweep"), 0);
        assert_eq!(names(&storage).await, ["data/one"]);
        assert_eq!(storage.sweep_staging(now + day).await.expect("a sweep"), 1);
        assert_eq!(storage.sweep_staging(now + day).await.expect("a sweep"), 0);
        assert_eq!(names(&storage).await, ["data/one"]);
    });
}

/// Uploads past the storage.
struct WebdavPut<'a>(&'a Place);

impl WebdavPut<'_> {
    async fn put(&self, path: &str) -> http::StatusCode {
        let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
        let client = HttpClient::new(Arc::new(transport), 1, Patience::default());
        let both = format!("{}:{}", self.0.user, self.0.password);
        let both = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, both);
        let request = http::Request::put(format!("{}/{path}", self.0.folder))
            .header("authorization", format!("Basic {both}"))
            .body(Bytes::from_static(b"half"))
            .expect("a request");
        client
            .exchange(request, 1 << 20)
            .await
            .expect("an answer")
            .status
    }
}

fn scripted(creation: CreateIfAbsent, service: &Arc<Scripted>) -> WebdavStorage {
    let endpoint = Endpoint::new("https://h/dav", Cleartext::OnLoopback).expect("an endpoint");
    WebdavStorage::new(
        Site::new("webdav", &endpoint, None),
        creation,
        service.client(),
    )
}

fn file(href: &str, size: u64) -> String {
    let properties = format!("<resourcetype/><getcontentlength>{size}</getcontentlength>");
    resource(href, &properties)
}

fn folder(href: &str) -> String {
    resource(href, "<resourcetype><collection/></resourcetype>")
}

fn resource(href: &str, properties: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop>{properties}</prop>\
         <status>HTTP/1.1 200 OK</status></propstat></response>"
    )
}

fn listing(resources: &[String]) -> Reply {
    let all = resources.concat();
    Reply::body(
        207,
        format!("<multistatus xmlns=\"DAV:\">{all}</multistatus>"),
    )
}

#[test]
fn listings_that_lead_elsewhere_are_refused() {
    block_on(async {
        for stray in [
            "https://evil.example/dav/x",
            "/dav/../x",
            "/dav/a/b",
            "/other/x",
            "/dav/%2e%2e/x",
        ] {
            let entries = [folder("/dav/"), file("/dav/ok", 1), file(stray, 1)];
            let service = Scripted::new(move |_| listing(&entries));
            let storage = scripted(CreateIfAbsent::Checked, &service);
            let error = storage
                .list(&Prefix::all(), None, 10)
                .await
                .expect_err(stray);
            assert_eq!(error.kind(), StorageErrorKind::BrokenContract, "{stray}");
        }
    });
}

#[test]
fn what_is_no_object_is_not_listed_and_folders_are_never_entered_twice() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.path.as_str() {
            "/dav/" => listing(&[
                folder("/dav/"),
                folder("/dav/.staging/"),
                folder("/dav/data/"),
                folder("/dav/data/"),
                file("/dav/A%1b%5b31m", 1),
                file("/dav/ownkey", 3),
                file("/dav/ownkey", 3),
            ]),
            // A service that says that every folder holds another one.
            path => listing(&[folder(path), folder(&format!("{path}deeper/"))]),
        });
        let storage = scripted(CreateIfAbsent::Checked, &service);
        assert_eq!(names(&storage).await, ["ownkey"]);
        assert!(service.lines().len() < 10, "{:?}", service.lines());
    });
}

#[test]
fn a_service_that_overwrites_is_asked_first() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.method.as_str() {
            "PROPFIND" => listing(&[file("/dav/data/x", 1)]),
            _ => Reply::status(201),
        });
        let storage = scripted(CreateIfAbsent::Checked, &service);
        let taken = storage
            .create(&name("data/x"), Bytes::from_static(b"2"))
            .await;
        let error = taken.expect_err("taken");
        assert_eq!(error.kind(), StorageErrorKind::AlreadyExists);
        assert_eq!(service.lines(), ["PROPFIND /dav/data/x"]);
    });
}

#[test]
fn an_upload_that_was_not_kept_whole_gets_no_name() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.method.as_str() {
            "PUT" | "MOVE" => Reply::status(201),
            "DELETE" => Reply::status(204),
            "HEAD" => Reply::status(200).with("content-length", "3"),
            _ => Reply::status(404),
        });
        let storage = scripted(CreateIfAbsent::Atomic, &service);
        let torn = storage
            .create(&name("data/x"), Bytes::from_static(b"1234"))
            .await;
        assert_eq!(
            torn.expect_err("torn").kind(),
            StorageErrorKind::BrokenContract
        );
        let methods: Vec<_> = service.lines();
        let methods: Vec<_> = methods
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(methods, ["PUT", "HEAD", "DELETE"]);
    });
}

#[test]
fn moves_refuse_to_overwrite_and_name_the_whole_address() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.method.as_str() {
            "MOVE" => {
                assert_eq!(asked.header("overwrite"), "F");
                assert_eq!(asked.header("destination"), "https://h/dav/data/x");
                assert!(asked.path.starts_with("/dav/.staging/"), "{}", asked.path);
                Reply::status(412)
            }
            "PROPFIND" => listing(&[file("/dav/data/x", 1)]),
            "HEAD" => Reply::status(200),
            _ => Reply::status(201),
        });
        let storage = scripted(CreateIfAbsent::Atomic, &service);
        let taken = storage
            .create(&name("data/x"), Bytes::from_static(b"1"))
            .await;
        assert_eq!(
            taken.expect_err("taken").kind(),
            StorageErrorKind::AlreadyExists
        );
        let last = service.lines().pop().expect("a request");
        assert!(last.starts_with("DELETE /dav/.staging/"), "{last}");
    });
}

#[test]
fn deleting_the_name_of_a_folder_deletes_nothing() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| listing(&[folder(&asked.path)]));
        let storage = scripted(CreateIfAbsent::Checked, &service);
        let outcomes = storage.delete(&[name("data")]).await;
        assert!(outcomes[0].1.is_done());
        assert_eq!(service.lines(), ["PROPFIND /dav/data"]);
    });
}

#[test]
fn a_range_is_exact_whatever_the_service_makes_of_it() {
    block_on(async {
        let service = Scripted::new(|asked: &Asked| match asked.path.as_str() {
            "/dav/whole" => Reply::body(200, "0123456789"),
            "/dav/short" => Reply::body(206, "23").with("content-range", "bytes 2-3/4"),
            "/dav/other" => Reply::body(206, "012").with("content-range", "bytes 0-2/10"),
            "/dav/silent" => Reply::body(206, "012"),
            _ => Reply::status(416),
        });
        let storage = scripted(CreateIfAbsent::Checked, &service);
        let got = storage
            .get_range(&name("whole"), 2..5)
            .await
            .expect("a part");
        assert_eq!(got, "234");
        for (text, kind) in [
            ("short", StorageErrorKind::InvalidRange),
            ("none", StorageErrorKind::InvalidRange),
            ("other", StorageErrorKind::BrokenContract),
            ("silent", StorageErrorKind::BrokenContract),
        ] {
            let error = storage.get_range(&name(text), 2..5).await.expect_err(text);
            assert_eq!(
                (error.kind(), error.operation()),
                (kind, Operation::GetRange)
            );
        }
    });
}

#[test]
fn a_full_or_locked_service_says_so() {
    block_on(async {
        for (status, kind) in [
            (507, StorageErrorKind::Full),
            (423, StorageErrorKind::Unavailable),
            (302, StorageErrorKind::Other),
        ] {
            let service = Scripted::new(move |asked: &Asked| match asked.method.as_str() {
                "PUT" => Reply::status(status).with("location", "https://evil.example/x"),
                _ => Reply::status(404),
            });
            let storage = scripted(CreateIfAbsent::Atomic, &service);
            let created = storage
                .create(&name("data/x"), Bytes::from_static(b"1"))
                .await;
            assert_eq!(created.expect_err("refused").kind(), kind, "{status}");
        }
    });
}
