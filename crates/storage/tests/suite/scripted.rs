//! A service made of one function, for answers that no honest server gives.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use ownkey_storage::http::{Download, HttpClient, Patience, Transport, TransportError, Upload};

/// A request as the service sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// The method and the path, as in the first line of a request.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A header's text, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// An answer.
pub(crate) struct Reply(u16, Vec<(&'static str, String)>, Bytes);

impl Reply {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self(status, Vec::new(), Bytes::new())
    }

    /// An answer with a body.
    pub(crate) fn body(status: u16, body: impl Into<Bytes>) -> Self {
        Self(status, Vec::new(), body.into())
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.1.push((name, value.into()));
        self
    }
}

type Script = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The service; remembers what it was asked.
pub(crate) struct Scripted {
    script: Script,
    asked: Mutex<Vec<Asked>>,
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            asked: Mutex::default(),
        })
    }

    /// A client that talks to it.
    pub(crate) fn client(self: &Arc<Self>) -> HttpClient {
        HttpClient::new(self.clone(), 8, Patience::default())
    }

    /// The first lines of all requests, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics in there");
        asked.iter().map(Asked::line).collect()
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Scripted")
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let (head, body) = request.into_parts();
        let asked = Asked {
            method: head.method,
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body: body.into_bytes(),
        };
        let Reply(status, headers, body) = (self.script)(&asked);
        self.asked
            .lock()
            .expect("no test panics in there")
            .push(asked);
        let body: Download = Box::pin(futures_util::stream::iter([Ok(body)]));
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in headers {
            response
                .headers_mut()
                .insert(name, value.parse().expect("a header"));
        }
        Ok(response)
    }
}
