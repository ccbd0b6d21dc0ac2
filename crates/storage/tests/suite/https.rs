//! The real transport against a real server on loopback: certificates, proxies, redirects, and
//! connections that are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use ownkey_storage::StorageErrorKind;
use ownkey_storage::http::{
    Answer, HttpClient, HttpFailure, HttpSettings, Patience, ReqwestTransport, TransportErrorKind,
};
use ownkey_testkit::block_on;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// How a server is met.
enum Shape {
    Plain,
    Tls,
}

/// A server that answers every request with the same head, and with the first line asked as body.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(shape: Shape, head: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                match shape {
                    Shape::Plain => drop(tokio::spawn(answer(stream, head))),
                    Shape::Tls => drop(tokio::spawn(async move {
                        if let Ok(stream) = acceptor().accept(stream).await {
                            answer(stream, head).await;
                        }
                    })),
                }
            }
        });
        Self { port, connections }
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server's certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &'static str) {
    let mut asked = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        asked.push(byte);
        if asked.ends_with(b"\r\n\r\n") {
            let line: Vec<u8> = asked.drain(..).take_while(|byte| *byte != b'\r').collect();
            let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", line.len());
            let sent = [text.as_bytes(), &line].concat();
            if stream.write_all(&sent).await.is_err() {
                return;
            }
        }
    }
}

fn client(settings: &HttpSettings) -> HttpClient {
    let transport = ReqwestTransport::new(settings).expect("a transport");
    HttpClient::new(Arc::new(transport), 4, Patience::default())
}

async fn ask(client: &HttpClient, url: &str) -> Result<Answer, HttpFailure> {
    let request = Request::get(url).body(Bytes::new()).expect("a request");
    client.exchange(request, 1000).await
}

#[test]
fn a_certificate_is_believed_where_its_authority_is_named_and_nowhere_else() {
    block_on(async {
        let server = Server::start(Shape::Tls, "200 OK").await;
        let url = format!("https://localhost:{}/", server.port);
        let trusting = client(&HttpSettings {
            authority: Some(AUTHORITY.to_vec()),
            ..HttpSettings::default()
        });
        let answer = ask(&trusting, &url).await.expect("an answer");
        assert_eq!(answer.body, "GET / HTTP/1.1");

        let failure = ask(&client(&HttpSettings::default()), &url).await;
        let failure = failure.expect_err("an unknown authority");
        assert!(failure.was_never_sent(), "{failure:?}");
        // Not a failure that passes: nobody should wait for it.
        assert!(!failure.kind().is_transient(), "{failure:?}");
        assert_eq!(failure.kind(), StorageErrorKind::Other);
    });
}

#[test]
fn a_file_without_a_certificate_is_an_error_and_not_less_trust() {
    for pem in [&b"no PEM at all"[..], b""] {
        let settings = HttpSettings {
            authority: Some(pem.to_vec()),
            ..HttpSettings::default()
        };
        assert!(ReqwestTransport::new(&settings).is_err());
    }
}

#[test]
fn requests_one_after_the_other_share_a_connection() {
    block_on(async {
        let server = Server::start(Shape::Plain, "200 OK").await;
        let client = client(&HttpSettings::default());
        for round in 0..50 {
            let url = format!("http://127.0.0.1:{}/{round}", server.port);
            let answer = ask(&client, &url).await.expect("an answer");
            assert_eq!(answer.body, format!("GET /{round} HTTP/1.1"));
        }
        // An answer can be here a moment before its connection is free again.
        let connections = server.connections.load(Ordering::Relaxed);
        assert!(connections <= 5, "{connections} connections");
    });
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    block_on(async {
        let elsewhere = Server::start(Shape::Plain, "200 OK").await;
        let head = format!(
            "302 Found\r\nlocation: http://127.0.0.1:{}/",
            elsewhere.port
        );
        let server = Server::start(Shape::Plain, head.leak()).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        let answer = ask(&client(&HttpSettings::default()), &url).await;
        assert_eq!(answer.expect("an answer").status, 302);
        assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_proxy_is_used_where_one_is_named() {
    block_on(async {
        let proxy = Server::start(Shape::Plain, "200 OK").await;
        let client = client(&HttpSettings {
            proxy: Some(format!("http://127.0.0.1:{}", proxy.port)),
            ..HttpSettings::default()
        });
        let answer = ask(&client, "http://service.invalid/x").await;
        let answer = answer.expect("the proxy's answer");
        assert_eq!(answer.body, "GET http://service.invalid/x HTTP/1.1");
    });
}

#[test]
fn where_nobody_listens_nothing_was_sent() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let url = format!("http://127.0.0.1:{port}/secret-path");
        let failure = ask(&client(&HttpSettings::default()), &url).await;
        let failure = failure.expect_err("nobody there");
        assert!(failure.was_never_sent());
        assert!(failure.kind().is_transient());
        let HttpFailure::Transport(error) = failure else {
            panic!("{failure}")
        };
        assert_eq!(error.kind(), TransportErrorKind::Unreachable);
        assert!(!format!("{error:?}").contains("secret-path"), "{error:?}");
    });
}
