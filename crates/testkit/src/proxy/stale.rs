//! A cache between client and server that never asks twice: what was read once, absence included, is
//! what every later read is told.

use std::collections::BTreeMap;
use std::io::Result;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Shared;
use crate::faults::{head_of, read_head};

/// Answers by the first line of their requests and the range in them, byte for byte.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    fn find(&self, key: &str) -> Option<Vec<u8>> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).cloned()
    }

    fn keep(&self, key: String, answer: &[u8]) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(key, answer.to_vec());
    }
}

/// Serves one request of a connection and closes it, so that the end of an answer is its length.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    let mut buffer = BytesMut::new();
    let Some(head) = read_head(&mut client, &mut buffer).await else {
        return Ok(());
    };
    let Some((parts, length)) = head_of(&head) else {
        return Ok(());
    };
    while buffer.len() < length {
        if client.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
    shared.ledger.request(parts.method.as_str());
    let range = parts.headers.get("range").map(http::HeaderValue::as_bytes);
    let key = format!("{} {} {range:?}", parts.method, parts.uri);
    let object = parts.uri.query().is_none() || parts.uri.query() == Some("x-id=GetObject");
    let cached = object && [Method::GET, Method::HEAD].contains(&parts.method);
    let answer = match shared.memory.find(&key).filter(|_| cached) {
        Some(answer) => answer,
        None => {
            let answer = forward(&head, &buffer, shared).await?;
            if cached {
                shared.memory.keep(key, &answer);
            }
            answer
        }
    };
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// The whole answer of the server.
async fn forward(head: &[u8], body: &[u8], shared: &Shared) -> Result<Vec<u8>> {
    let mut server = TcpStream::connect(shared.to).await?;
    server.write_all(&closing(head)).await?;
    server.write_all(body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.map_or(answer.len(), |end| end + 4);
    let body = answer.split_off(end);
    let mut answer = closing(&answer);
    answer.extend(body);
    Ok(answer)
}

/// A head that says that the connection ends behind this message.
fn closing(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let lines = text.trim_end().split("\r\n");
    let kept = lines.filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("connection:") && !line.starts_with("keep-alive:")
    });
    let mut kept: Vec<&str> = kept.collect();
    kept.push("connection: close\r\n\r\n");
    kept.join("\r\n").into_bytes()
}
