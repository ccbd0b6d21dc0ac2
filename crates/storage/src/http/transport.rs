//! What carries a request to a service and its answer back.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use http::{Request, Response};

use super::progress::{Download, Upload};

/// Carries requests: a pool of connections, a child's pipes, or a test's own service.
///
/// A transport follows no redirects, tries nothing twice and waits for ever; its caller bounds the time.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends one request; ends when the head of the answer is there, whatever its status.
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError>;
}

/// Why no whole answer came.
#[derive(Debug, Clone)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Arc<dyn Error + Send + Sync>,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// No connection: the service has seen nothing of it.
    Unreachable,
    /// The service's certificate is not one that we trust: it has seen nothing either.
    Untrusted,
    /// The connection broke: the service may have done all, some or nothing of it.
    Broken,
}

impl TransportError {
    /// A failure with what caused it.
    #[must_use]
    pub fn new(
        kind: TransportErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync + 'static>>,
    ) -> Self {
        Self {
            kind,
            source: source.into().into(),
        }
    }

    /// How far the request came.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.kind {
            TransportErrorKind::Unreachable => "no connection",
            TransportErrorKind::Untrusted => {
                "the service's certificate is not trusted: where it has an authority of its own, name that"
            }
            TransportErrorKind::Broken => "the connection broke",
        })
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
