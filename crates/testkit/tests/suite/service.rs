//! The small S3 service: what is asked of it is what it does.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use ownkey_testkit::{Keeping, Service};

fn ask(service: &Service, method: &str, path: &str, body: &str) -> Response<Bytes> {
    ask_with(service, method, path, ("host", "x"), body)
}

fn ask_with(
    service: &Service,
    method: &str,
    path: &str,
    header: (&str, &str),
    body: &str,
) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1/bucket{path}"))
        .header(header.0, header.1)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("a request");
    service.answer(&request)
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8_lossy(response.body()).into_owned()
}

fn keys(response: &Response<Bytes>) -> Vec<String> {
    let text = text(response);
    let parts = text.split("<Key>").skip(1);
    parts
        .map(|part| part.split('<').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn what_was_put_is_read_measured_ranged_and_deleted() {
    let service = Service::new("bucket", Keeping::Newest);
    assert_eq!(
        ask(&service, "GET", "/a", "").status(),
        StatusCode::NOT_FOUND
    );
    assert!(
        ask(&service, "PUT", "/a", "0123456789")
            .status()
            .is_success()
    );
    assert_eq!(text(&ask(&service, "GET", "/a", "")), "0123456789");
    let head = ask(&service, "HEAD", "/a", "");
    assert_eq!(head.headers()["content-length"], "10");
    assert!(head.body().is_empty());
    let range = ask_with(&service, "GET", "/a", ("range", "bytes=3-5"), "");
    assert_eq!(range.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(range.headers()["content-range"], "bytes 3-5/10");
    assert_eq!(text(&range), "345");
    let beyond = ask_with(&service, "GET", "/a", ("range", "bytes=10-11"), "");
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        ask(&service, "DELETE", "/a", "").status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        ask(&service, "GET", "/a", "").status(),
        StatusCode::NOT_FOUND
    );
}

#[test]
fn a_condition_protects_what_is_stored() {
    let service = Service::new("bucket", Keeping::Newest);
    let put = |body| ask_with(&service, "PUT", "/a", ("if-none-match", "*"), body);
    assert!(put("first").status().is_success());
    assert_eq!(put("second").status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(text(&ask(&service, "GET", "/a", "")), "first");
    assert!(ask(&service, "PUT", "/a", "third").status().is_success());
    assert_eq!(text(&ask(&service, "GET", "/a", "")), "third");
}

#[test]
fn listings_come_page_by_page_in_order_and_go_on_where_they_ended() {
    let service = Service::new("bucket", Keeping::Newest);
    for key in ["b/2", "a", "b/1", "c", "b/3%20%26"] {
        ask(&service, "PUT", &format!("/{key}"), "x");
    }
    let page = ask(&service, "GET", "?list-type=2&prefix=b%2F&max-keys=2", "");
    assert_eq!(keys(&page), ["b/1", "b/2"]);
    assert!(text(&page).contains("<IsTruncated>true</IsTruncated>"));
    let next = "?list-type=2&prefix=b%2F&max-keys=2&continuation-token=b%2F2&encoding-type=url";
    let page = ask(&service, "GET", next, "");
    assert_eq!(keys(&page), ["b/3%20%26"]);
    assert!(text(&page).contains("<IsTruncated>false</IsTruncated>"));
    let page = ask(&service, "GET", "?list-type=2&start-after=b%2F2", "");
    assert_eq!(keys(&page), ["b/3 &amp;", "c"]);
}

#[test]
fn a_batch_is_deleted_and_what_is_not_named_stays() {
    let service = Service::new("bucket", Keeping::Newest);
    for key in ["a", "b", "c%26"] {
        ask(&service, "PUT", &format!("/{key}"), "x");
    }
    let batch = "<Delete><Object><Key>a</Key></Object><Object><Key>c&amp;</Key></Object></Delete>";
    assert!(
        ask(&service, "POST", "?delete", batch)
            .status()
            .is_success()
    );
    assert_eq!(service.objects().into_keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn versions_stay_when_they_are_kept_and_are_listed_newest_first() {
    let service = Service::new("bucket", Keeping::Versions);
    ask(&service, "PUT", "/a", "one");
    ask(&service, "PUT", "/a", "two");
    ask(&service, "DELETE", "/a", "");
    ask(&service, "PUT", "/b", "three");
    assert_eq!(
        ask(&service, "GET", "/a", "").status(),
        StatusCode::NOT_FOUND
    );
    let old = ask(&service, "GET", "/a?versionId=v00000001", "");
    assert_eq!(text(&old), "one");
    let page = ask(&service, "GET", "?versions&max-keys=2", "");
    assert_eq!(keys(&page), ["a", "a"]);
    let first = text(&page);
    assert!(first.contains("<DeleteMarker>") && first.contains("v00000002"));
    let next = "?versions&max-keys=2&key-marker=a&version-id-marker=v00000002";
    let page = ask(&service, "GET", next, "");
    assert_eq!(keys(&page), ["a", "b"]);
    assert!(text(&page).contains("<IsTruncated>false</IsTruncated>"));
}

#[test]
fn a_fork_goes_its_own_way() {
    let service = Service::new("bucket", Keeping::Newest);
    ask(&service, "PUT", "/a", "one");
    let fork = service.fork();
    ask(&fork, "PUT", "/b", "two");
    assert_eq!((service.objects().len(), fork.objects().len()), (1, 2));
}
