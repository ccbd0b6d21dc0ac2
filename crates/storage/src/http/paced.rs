//! A transport whose bodies move at a steady rate.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};

use std::sync::Arc;

use super::progress::{Download, Upload};
use super::transport::{Transport, TransportError};
use crate::limit::Rates;
use crate::pace::Pace;

/// Slows down the bodies of another transport, from within. Heads are not counted.
#[derive(Debug)]
pub struct Paced {
    inner: Arc<dyn Transport>,
    rates: Rates,
}

impl Paced {
    /// Wraps a transport. Clones of the same pace share one rate, also across transports.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>, rates: Rates) -> Self {
        Self { inner, rates }
    }
}

#[async_trait]
impl Transport for Paced {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let request = match &self.rates.upload {
            Some(pace) => request.map(|body| body.paced(pace.clone())),
            None => request,
        };
        let response = self.inner.send(request).await?;
        Ok(match &self.rates.download {
            Some(pace) => response.map(|body| slowed(body, pace.clone())),
            None => response,
        })
    }
}

/// Not asking for more is what slows the sender down: its window fills.
fn slowed(body: Download, pace: Pace) -> Download {
    let pieces = stream::unfold((body, bytes::Bytes::new()), move |(mut body, mut rest)| {
        let pace = pace.clone();
        async move {
            if rest.is_empty() {
                match body.next().await? {
                    Ok(part) => rest = part,
                    Err(error) => return Some((Err(error), (body, rest))),
                }
            }
            let piece = rest.split_to(rest.len().min(pace.piece()));
            pace.take(piece.len() as u64).await;
            Some((Ok(piece), (body, rest)))
        }
    });
    Box::pin(pieces)
}
