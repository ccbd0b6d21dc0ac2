//! Faults and the proxy: what is told to go wrong does, in process and over TCP, and nothing else.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use ownkey_storage::http::{
    Answer, HttpClient, HttpFailure, HttpSettings, Patience, ReqwestTransport,
};
use ownkey_testkit::faults::{Asking, Fault, Moment, Plan};
use ownkey_testkit::proxy::{Line, Proxy, Signal, Way};
use ownkey_testkit::{FaultyService, Keeping, Listening, Service};

fn faulty() -> Arc<FaultyService> {
    let service = Service::new("bucket", Keeping::Newest);
    Arc::new(FaultyService::new(Arc::new(service)))
}

fn request(base: &str, method: Method, key: &str, body: &[u8]) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(format!("{base}/bucket/{key}"))
        .body(Bytes::copy_from_slice(body))
        .expect("a request")
}

/// A client of a real connection.
fn over_tcp() -> HttpClient {
    let transport = ReqwestTransport::new(&HttpSettings::default()).expect("a transport");
    HttpClient::new(Arc::new(transport), 4, Patience::default())
}

async fn exchange(client: &HttpClient, request: Request<Bytes>) -> Result<Answer, HttpFailure> {
    client.exchange(request, 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn the_planned_request_is_struck_and_no_other() {
    let faulty = faulty();
    let client = HttpClient::new(faulty.clone(), 4, Patience::default());
    let status = StatusCode::SERVICE_UNAVAILABLE;
    faulty.arm(Plan::once(Asking::Put, 1, Fault::Status(status, Some(7))));
    for number in 0..3 {
        let put = request("http://127.0.0.1", Method::PUT, &format!("{number}"), b"x");
        let answer = exchange(&client, put).await.expect("an answer");
        assert_eq!(answer.status.is_success(), number != 1, "{number}");
        assert_eq!(answer.headers.contains_key("retry-after"), number == 1);
    }
    assert_eq!((faulty.asked(Asking::Put), faulty.struck()), (3, 1));
    assert_eq!(faulty.service().objects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_what_was_done_and_a_lost_request_does_not() {
    for (moment, stored) in [(Moment::Before, 0), (Moment::After, 1)] {
        for fault in [Fault::Reset(moment), Fault::Hang(moment)] {
            let faulty = faulty();
            let client = HttpClient::new(faulty.clone(), 4, Patience::default());
            faulty.arm(Plan::once(Asking::Put, 0, fault));
            let put = request("http://127.0.0.1", Method::PUT, "a", b"x");
            exchange(&client, put).await.expect_err("no answer");
            assert_eq!(faulty.service().objects().len(), stored, "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn transfers_that_break_or_trickle_end_in_an_error() {
    let faulty = faulty();
    let client = HttpClient::new(faulty.clone(), 4, Patience::default());
    let body = vec![7; 200_000];
    let put = || request("http://127.0.0.1", Method::PUT, "a", &body);
    for fault in [Fault::Cut(100), Fault::Trickle] {
        faulty.arm(Plan::once(Asking::Put, 0, fault));
        exchange(&client, put()).await.expect_err("not taken whole");
        assert!(faulty.service().objects().is_empty());
    }
    exchange(&client, put()).await.expect("an answer");
    for fault in [Fault::Cut(0), Fault::Cut(70_000), Fault::Trickle] {
        faulty.arm(Plan::once(Asking::Get, 0, fault));
        let get = request("http://127.0.0.1", Method::GET, "a", b"");
        exchange(&client, get).await.expect_err("not whole");
    }
}

#[test]
fn the_same_faults_strike_over_tcp() {
    let listening = Listening::start(faulty());
    let base = format!("http://{}", listening.address());
    let service = listening.service();
    let client = over_tcp();
    let body = vec![7; 200_000];
    ownkey_testkit::block_on(async {
        let put = |key| request(&base, Method::PUT, key, &body);
        let get = |key| request(&base, Method::GET, key, b"");
        for fault in [Fault::Reset(Moment::Before), Fault::Cut(100)] {
            service.arm(Plan::once(Asking::Put, 0, fault));
            exchange(&client, put("a")).await.expect_err("broken");
            assert!(service.service().objects().is_empty());
        }
        let lost = Fault::Reset(Moment::After);
        service.arm(Plan::once(Asking::Put, 0, lost));
        exchange(&client, put("a")).await.expect_err("broken");
        assert_eq!(service.service().objects().len(), 1);
        service.arm(Plan::once(Asking::Get, 0, Fault::Cut(70_000)));
        exchange(&client, get("a")).await.expect_err("cut");
        let answer = exchange(&client, get("a")).await.expect("an answer");
        assert_eq!(answer.body, body);
        let missing = exchange(&client, get("b")).await.expect("an answer");
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn a_line_adds_its_delay_and_keeps_its_rate_and_counts() {
    let listening = Listening::start(faulty());
    let proxy = Proxy::start(listening.address(), Way::Straight);
    let base = format!("http://{}", proxy.address());
    let client = over_tcp();
    proxy.set(Line {
        delay: Duration::from_millis(20),
        rate: Some(1_000_000),
        ..Line::default()
    });
    let begun = Instant::now();
    ownkey_testkit::block_on(async {
        let put = request(&base, Method::PUT, "a", &[7; 100_000]);
        exchange(&client, put).await.expect("an answer");
        let get = request(&base, Method::GET, "a", b"");
        let answer = exchange(&client, get).await.expect("an answer");
        assert_eq!(answer.body, vec![7; 100_000]);
    });
    // A handshake, two round trips, and twice 100 kB at 1 MB/s: never less, whatever the machine does.
    assert!(begun.elapsed() >= Duration::from_millis(320));
    let counts = proxy.counts();
    assert_eq!(counts.requests["PUT"], 1);
    assert_eq!(counts.requests["GET"], 1);
    assert!(counts.up > 100_000 && counts.down > 100_000, "{counts:?}");
}

#[test]
fn a_lost_signal_tells_nobody_and_what_was_on_its_way_arrives_later() {
    let listening = Listening::start(faulty());
    let proxy = Proxy::start(listening.address(), Way::Straight);
    let base = format!("http://{}", proxy.address());
    proxy.signal(Signal::Lost);
    let (ended, end) = mpsc::channel();
    let asking = std::thread::spawn(move || {
        let put = request(&base, Method::PUT, "a", b"x");
        let client = over_tcp();
        let answer = ownkey_testkit::block_on(exchange(&client, put));
        ended.send(answer.is_ok()).expect("somebody listens");
    });
    assert!(end.recv_timeout(Duration::from_millis(300)).is_err());
    assert!(listening.service().service().objects().is_empty());
    proxy.signal(Signal::Clear);
    assert_eq!(end.recv(), Ok(true));
    asking.join().expect("a thread that ends");
}

#[test]
fn a_line_that_is_cut_breaks_and_can_be_mended() {
    let listening = Listening::start(faulty());
    let proxy = Proxy::start(listening.address(), Way::Straight);
    let base = format!("http://{}", proxy.address());
    proxy.set(Line {
        cut_after: Some(10_000),
        ..Line::default()
    });
    let client = over_tcp();
    ownkey_testkit::block_on(async {
        let put = || request(&base, Method::PUT, "a", &[7; 100_000]);
        exchange(&client, put()).await.expect_err("cut");
        assert!(listening.service().service().objects().is_empty());
        proxy.set(Line::default());
        exchange(&client, put()).await.expect("an answer");
    });
}

#[test]
fn a_stale_way_remembers_absence_and_presence() {
    let listening = Listening::start(faulty());
    let proxy = Proxy::start(listening.address(), Way::Stale);
    let base = format!("http://{}", proxy.address());
    let client = over_tcp();
    ownkey_testkit::block_on(async {
        let ask = |method, key, body| exchange(&client, request(&base, method, key, body));
        let before = ask(Method::GET, "a", b"").await.expect("an answer");
        assert_eq!(before.status, StatusCode::NOT_FOUND);
        let put = ask(Method::PUT, "a", b"x").await.expect("an answer");
        assert_eq!(put.status, StatusCode::OK);
        let after = ask(Method::GET, "a", b"").await.expect("an answer");
        assert_eq!(after.status, StatusCode::NOT_FOUND);
        ask(Method::PUT, "b", b"y").await.expect("an answer");
        let read = ask(Method::GET, "b", b"").await.expect("an answer");
        assert_eq!(read.body, "y");
        ask(Method::DELETE, "b", b"").await.expect("an answer");
        let gone = ask(Method::GET, "b", b"").await.expect("an answer");
        assert_eq!(gone.body, "y");
    });
    assert_eq!(listening.service().asked(Asking::Get), 2);
}
