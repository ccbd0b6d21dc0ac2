//! A point in time as the repository records it.

/// Seconds and nanoseconds since 1970-01-01 UTC; years before 1970 and far after 2262 fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, rounded down, so before 1970 they are negative.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 10^9.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// A timestamp; `None` if `nanoseconds` is 10^9 or more.
    pub fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        (nanoseconds < 1_000_000_000).then_some(Self {
            seconds,
            nanoseconds,
        })
    }
}

/// Tells the time. Passed in by the program, so that libraries have no clock of their own.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
}
