//! In process: the service as a transport, without a socket, so that a paused clock sees all time pass.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Body as _;
use ownkey_storage::http::{Download, Transport, TransportError, TransportErrorKind, Upload};

use super::{FaultyService, Flow, Intake};

/// A byte a second.
const SLOW: Duration = Duration::from_secs(1);
/// How finely a body comes down.
const PART: usize = 16 << 10;

#[async_trait]
impl Transport for FaultyService {
    async fn send(&self, request: Request<Upload>) -> Result<Response<Download>, TransportError> {
        let (head, body) = request.into_parts();
        let fault = self.judge(&head);
        let body = take_in(body, Intake::under(fault, &head.method)).await?;
        let delivery = self.deliver(&Request::from_parts(head, body), fault);
        if !delivery.silence.is_zero() {
            tokio::time::sleep(delivery.silence).await;
        }
        let answer = delivery.answer.ok_or_else(broken)?;
        Ok(answer.map(|body| bring_down(body, delivery.flow)))
    }
}

async fn take_in(mut body: Upload, intake: Intake) -> Result<Bytes, TransportError> {
    if intake == Intake::Whole {
        return Ok(body.into_bytes());
    }
    let mut taken = BytesMut::new();
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let part = frame.into_data().unwrap_or_default();
        taken.extend_from_slice(&part);
        match intake {
            Intake::Breaks(bytes) if taken.len() > bytes => return Err(broken()),
            Intake::Trickles => {
                let seconds = u32::try_from(part.len()).unwrap_or(u32::MAX);
                tokio::time::sleep(SLOW * seconds).await;
            }
            _ => {}
        }
    }
    match intake {
        // The body is shorter than that: it breaks all the same, behind it.
        Intake::Breaks(_) => Err(broken()),
        _ => Ok(taken.freeze()),
    }
}

fn bring_down(mut body: Bytes, flow: Flow) -> Download {
    match flow {
        Flow::Whole => Box::pin(stream::iter(parts(body).map(Ok))),
        Flow::Breaks(bytes) => {
            body.truncate(bytes);
            let end = stream::once(async { Err(broken()) });
            Box::pin(stream::iter(parts(body).map(Ok)).chain(end))
        }
        Flow::Trickles => Box::pin(stream::unfold(body, |mut body| async move {
            if body.is_empty() {
                return None;
            }
            tokio::time::sleep(SLOW).await;
            Some((Ok(body.split_to(1)), body))
        })),
    }
}

fn parts(body: Bytes) -> impl Iterator<Item = Bytes> + Send {
    let starts = (0..body.len()).step_by(PART);
    starts.map(move |start| body.slice(start..body.len().min(start + PART)))
}

fn broken() -> TransportError {
    TransportError::new(TransportErrorKind::Broken, "a fault of the test")
}
