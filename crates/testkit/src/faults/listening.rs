//! The faulty service behind a listener on loopback that speaks HTTP/1.1: for real time, and for the
//! real program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Method, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::{FaultyService, Flow, Intake};
use crate::run::background;

/// The longest head of a request.
const MOST_HEAD: usize = 64 << 10;

/// A faulty service that listens until this is dropped.
#[derive(Debug)]
pub struct Listening {
    service: Arc<FaultyService>,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Listening {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When the system gives no port or no thread.
    #[must_use]
    pub fn start(service: Arc<FaultyService>) -> Self {
        let runtime = background();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .expect("a port of loopback");
        let address = listener.local_addr().expect("an address");
        let served = Arc::clone(&service);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&served)));
            }
        });
        Self {
            service,
            address,
            _runtime: runtime,
        }
    }

    /// The service, to arm and to count.
    #[must_use]
    pub fn service(&self) -> &FaultyService {
        &self.service
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves requests until one of them, or the client, breaks the connection.
async fn connection(mut stream: TcpStream, service: Arc<FaultyService>) {
    let mut buffer = BytesMut::new();
    // Head and body are two writes, and the second is not to wait for word of the first.
    let _ = stream.set_nodelay(true);
    while serve(&mut stream, &mut buffer, &service).await.is_some() {}
}

/// One request; `None` where the connection ends.
async fn serve(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    service: &FaultyService,
) -> Option<()> {
    let (head, length) = head_of(&read_head(stream, buffer).await?)?;
    let fault = service.judge(&head);
    let intake = Intake::under(fault, &head.method);
    let Some(body) = take_in(stream, buffer, length, intake).await else {
        return reset(stream);
    };
    let asked = head.method.clone();
    let last = head
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value == "close");
    let delivery = service.deliver(&Request::from_parts(head, body), fault);
    tokio::time::sleep(delivery.silence).await;
    let Some(answer) = delivery.answer else {
        return reset(stream);
    };
    bring_down(stream, &asked, answer, delivery.flow).await?;
    (!last).then_some(())
}

/// The bytes up to the empty line; what came behind it stays in the buffer.
pub(crate) async fn read_head(stream: &mut TcpStream, buffer: &mut BytesMut) -> Option<Bytes> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(buffer.split_to(end + 4).freeze());
        }
        if buffer.len() > MOST_HEAD || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A request's head, and the length of its body.
pub(crate) fn head_of(head: &[u8]) -> Option<(http::request::Parts, usize)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut request = Request::builder().method(first.next()?).uri(first.next()?);
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    let (head, ()) = request.body(()).ok()?.into_parts();
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.map_or(Some(0), |length| length.to_str().ok()?.parse().ok())?;
    Some((head, length))
}

/// The body; `None` where the connection breaks, or shall break, before its end.
async fn take_in(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    length: usize,
    intake: Intake,
) -> Option<Bytes> {
    let wanted = match intake {
        Intake::Breaks(bytes) => bytes.min(length),
        Intake::Whole | Intake::Trickles => length,
    };
    while buffer.len() < wanted {
        if intake == Intake::Trickles {
            tokio::time::sleep(Duration::from_secs(1)).await;
            buffer.extend_from_slice(&[stream.read_u8().await.ok()?]);
        } else if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.split_to(wanted).freeze();
    (!matches!(intake, Intake::Breaks(_))).then_some(body)
}

async fn bring_down(
    stream: &mut TcpStream,
    asked: &Method,
    answer: Response<Bytes>,
    flow: Flow,
) -> Option<()> {
    let (head, body) = answer.into_parts();
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.ok()?;
    if *asked == Method::HEAD {
        return Some(());
    }
    match flow {
        Flow::Whole => stream.write_all(&body).await.ok(),
        Flow::Breaks(bytes) => {
            let sent = body.slice(..bytes.min(body.len()));
            stream.write_all(&sent).await.ok()?;
            stream.shutdown().await.ok()?;
            None
        }
        Flow::Trickles => {
            for byte in body {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(&[byte]).await.ok()?;
            }
            Some(())
        }
    }
}

/// Ends the connection with a reset, and not as if all had been said.
fn reset(stream: &TcpStream) -> Option<()> {
    // Without it the connection is closed in order, and that breaks it too.
    let _ = stream.set_zero_linger();
    None
}
