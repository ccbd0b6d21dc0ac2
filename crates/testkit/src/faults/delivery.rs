//! What becomes of one request: how much of it is taken in, and what comes back, when, and how far.

use std::time::Duration;

use bytes::Bytes;
use http::header::RANGE;
use http::{Method, Request, Response, StatusCode};

use super::table::{Fault, Moment};
use crate::service::{Service, part, refusal, whole};

/// How long a hanging service says nothing.
const SILENCE: Duration = Duration::from_secs(600);

/// How a body on its way up is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    Whole,
    /// The connection breaks after so many bytes.
    Breaks(usize),
    /// One byte a second.
    Trickles,
}

impl Intake {
    pub(crate) fn under(fault: Option<Fault>, method: &Method) -> Self {
        match fault {
            Some(Fault::Cut(bytes)) if *method == Method::PUT => Self::Breaks(bytes),
            Some(Fault::Trickle) if *method == Method::PUT => Self::Trickles,
            _ => Self::Whole,
        }
    }
}

/// What comes back.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// How long nothing does.
    pub(crate) silence: Duration,
    /// None when the connection breaks instead.
    pub(crate) answer: Option<Response<Bytes>>,
    pub(crate) flow: Flow,
}

/// How a body comes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Whole,
    /// The connection breaks after so many bytes.
    Breaks(usize),
    /// One byte a second.
    Trickles,
}

impl Delivery {
    pub(crate) fn prompt(answer: Response<Bytes>) -> Self {
        Self {
            silence: Duration::ZERO,
            answer: Some(answer),
            flow: Flow::Whole,
        }
    }

    fn flowing(flow: Flow, answer: Response<Bytes>) -> Self {
        Self {
            flow,
            ..Self::prompt(answer)
        }
    }

    fn broken() -> Self {
        Self {
            silence: Duration::ZERO,
            answer: None,
            flow: Flow::Whole,
        }
    }

    fn after_silence(self) -> Self {
        Self {
            silence: SILENCE,
            ..self
        }
    }

    /// What comes of a request under a fault, and what the service does all the same.
    pub(super) fn under(fault: Fault, service: &Service, request: &Request<Bytes>) -> Self {
        let answer = || service.answer(request);
        let answer_for = |range: Option<&str>| {
            let mut request = request.clone();
            request.headers_mut().remove(RANGE);
            if let Some(range) = range.and_then(|range| range.parse().ok()) {
                request.headers_mut().insert(RANGE, range);
            }
            service.answer(&request)
        };
        match fault {
            Fault::Status(status, wait) => Self::prompt(refused(status, wait)),
            Fault::Reset(Moment::Before) => Self::broken(),
            Fault::Reset(Moment::After) => {
                answer();
                Self::broken()
            }
            Fault::Hang(Moment::Before) => Self::broken().after_silence(),
            Fault::Hang(Moment::After) => Self::prompt(answer()).after_silence(),
            Fault::Cut(bytes) => Self::flowing(Flow::Breaks(bytes), answer()),
            Fault::Trickle => Self::flowing(Flow::Trickles, answer()),
            Fault::IgnoredRange => Self::prompt(answer_for(None)),
            Fault::OtherRange => Self::prompt(other_range(request, &answer_for(None))),
            Fault::LyingRange => {
                let (true_answer, other) = (answer(), other_range(request, &answer_for(None)));
                Self::prompt(true_answer.map(|_| other.into_body()))
            }
            Fault::Short => Self::prompt(short(answer())),
            Fault::Flipped => Self::prompt(answer().map(flipped)),
            Fault::Page(fault) => {
                let page = fault.apply(answer().body());
                Self::prompt(whole(page))
            }
            Fault::FailedCondition => {
                answer();
                let status = StatusCode::PRECONDITION_FAILED;
                Self::prompt(refusal(status, "PreconditionFailed"))
            }
            Fault::ErrorInSuccess => {
                let error = refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
                Self::prompt(whole(error.into_body()))
            }
        }
    }
}

fn refused(status: StatusCode, wait: Option<u64>) -> Response<Bytes> {
    let code = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        StatusCode::SERVICE_UNAVAILABLE => "SlowDown",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::REQUEST_TIMEOUT => "RequestTimeout",
        StatusCode::CONFLICT => "ConditionalRequestConflict",
        _ => "AccessDenied",
    };
    let mut response = refusal(status, code);
    if let Some(seconds) = wait {
        crate::service::set(
            &mut response,
            http::header::RETRY_AFTER,
            &seconds.to_string(),
        );
    }
    response
}

/// As many bytes as were asked for, from another place if the object has one.
fn other_range(request: &Request<Bytes>, object: &Response<Bytes>) -> Response<Bytes> {
    let asked = request.headers().get(RANGE);
    let asked =
        asked.and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let parse = |text: &str| text.parse().unwrap_or(0usize);
    let (first, last) = asked.map_or((0, 0), |(first, last)| (parse(first), parse(last)));
    let moved = if first > 0 {
        (first - 1, last - 1)
    } else {
        (1, last + 1)
    };
    part(object.body(), moved.0, moved.1)
}

/// Without its last bytes, and with a length that fits what is left.
fn short(answer: Response<Bytes>) -> Response<Bytes> {
    let kept = answer.body().len().saturating_sub(3);
    let mut short = answer.map(|body| body.slice(..kept));
    crate::service::set(&mut short, http::header::CONTENT_LENGTH, &kept.to_string());
    short
}

fn flipped(body: Bytes) -> Bytes {
    let mut body = Vec::from(body);
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 0x10;
    }
    body.into()
}
