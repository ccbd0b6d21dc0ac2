//! Everything that can go wrong with one request.

use http::StatusCode;

use super::Asking;
use super::pages::PageFault;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service does nothing and says this status, with so many seconds of `Retry-After`.
    Status(StatusCode, Option<u64>),
    /// The connection breaks before the service has done anything, or behind it, before it answers.
    Reset(Moment),
    /// The connection breaks after so many bytes of the body: on its way up if there is one to store,
    /// else on its way down.
    Cut(usize),
    /// Ten minutes of silence, before the service does anything or behind it.
    Hang(Moment),
    /// The body comes, or is taken, at one byte a second.
    Trickle,
    /// Other bytes than those asked for, of the same number, and the answer says which.
    OtherRange,
    /// Other bytes than those asked for, and the answer says that they are the right ones.
    LyingRange,
    /// The whole object in place of its part.
    IgnoredRange,
    /// The last bytes are missing, and nothing in the answer says so.
    Short,
    /// One bit of the body is another.
    Flipped,
    /// A page of a listing that is not what is stored.
    Page(PageFault),
    /// The service does what was asked and says that its condition was not met.
    FailedCondition,
    /// The service does nothing and says in a success that it failed.
    ErrorInSuccess,
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the service has done anything.
    Before,
    /// Behind what the service did: only its answer is lost.
    After,
}

const fn status(status: StatusCode) -> Fault {
    Fault::Status(status, None)
}

impl Fault {
    /// Every fault, with the parameters that exhaustive tests use.
    pub const ALL: [Self; 31] = [
        status(StatusCode::INTERNAL_SERVER_ERROR),
        Self::overloaded(None),
        Self::overloaded(Some(7)),
        status(StatusCode::TOO_MANY_REQUESTS),
        Self::Status(StatusCode::TOO_MANY_REQUESTS, Some(90)),
        status(StatusCode::REQUEST_TIMEOUT),
        status(StatusCode::CONFLICT),
        status(StatusCode::FORBIDDEN),
        Self::Reset(Moment::Before),
        Self::Reset(Moment::After),
        Self::Cut(0),
        Self::Cut(1),
        Self::Cut(100),
        Self::Cut(70_000),
        Self::Hang(Moment::Before),
        Self::Hang(Moment::After),
        Self::Trickle,
        Self::OtherRange,
        Self::LyingRange,
        Self::IgnoredRange,
        Self::Short,
        Self::Flipped,
        Self::Page(PageFault::Empty),
        Self::Page(PageFault::Missing),
        Self::Page(PageFault::Stale),
        Self::Page(PageFault::Twice),
        Self::Page(PageFault::Unordered),
        Self::Page(PageFault::Torn),
        Self::Page(PageFault::Endless),
        Self::FailedCondition,
        Self::ErrorInSuccess,
    ];

    /// A service that has too much to do, and says for how many seconds it wants to be left alone.
    #[must_use]
    pub const fn overloaded(seconds: Option<u64>) -> Self {
        Self::Status(StatusCode::SERVICE_UNAVAILABLE, seconds)
    }

    /// Whether such a thing can happen to such a request.
    #[must_use]
    pub fn can_strike(self, asking: Asking) -> bool {
        let reads = matches!(asking, Asking::Get | Asking::Range);
        match self {
            // The only conflict that S3 knows is one of two conditional writers.
            Self::Status(StatusCode::CONFLICT, _) | Self::FailedCondition => asking == Asking::Put,
            Self::Status(..) | Self::Reset(_) | Self::Hang(_) => true,
            Self::Cut(_) | Self::Trickle => asking != Asking::Head,
            Self::OtherRange | Self::LyingRange | Self::IgnoredRange => asking == Asking::Range,
            Self::Short | Self::Flipped => reads,
            Self::Page(_) => asking == Asking::List,
            Self::ErrorInSuccess => matches!(asking, Asking::List | Asking::Delete),
        }
    }

    /// Whether it passes, so that whoever tries again gets what was asked for.
    #[must_use]
    pub fn passes(self) -> bool {
        match self {
            Self::Status(..) | Self::Reset(_) | Self::Cut(_) | Self::Hang(_) | Self::Trickle => {
                !self.refuses()
            }
            _ => false,
        }
    }

    /// Whether it is a refusal, which trying again does not change.
    #[must_use]
    pub fn refuses(self) -> bool {
        self == status(StatusCode::FORBIDDEN)
    }
}
