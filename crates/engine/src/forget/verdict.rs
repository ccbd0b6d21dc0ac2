//! What becomes of a snapshot, and what it can stand for.

use jiff::Zoned;

use super::believed::Placed;
use super::length::Length;

/// What one snapshot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Every {
    /// Itself.
    Snapshot,
    /// An hour of the day.
    Hour,
    /// A day.
    Day,
    /// A week that begins on Monday (ISO 8601).
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Every {
    /// Every one there is, the shortest first.
    pub const ALL: [Self; 6] = [
        Self::Snapshot,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Year,
    ];

    /// What a moment belongs to, by number; two are the same exactly if they have one number. `nth` is unique.
    pub(super) fn of(self, at: &Zoned, nth: usize) -> (i16, i64) {
        match self {
            // As many as a vector holds.
            Self::Snapshot => (0, i64::try_from(nth).unwrap_or(i64::MAX)),
            Self::Hour => (
                at.year(),
                i64::from(at.day_of_year()) * 24 + i64::from(at.hour()),
            ),
            Self::Day => (at.year(), i64::from(at.day_of_year())),
            Self::Week => {
                let week = at.date().iso_week_date();
                (week.year(), i64::from(week.week()))
            }
            Self::Month => (at.year(), i64::from(at.month())),
            Self::Year => (at.year(), 0),
        }
    }
}

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is pinned.
    Pinned,
    /// By the clock of this machine it was not made yet; nothing is judged by a clock that may be wrong.
    Ahead,
    /// It has this tag.
    Tag(String),
    /// It stands for one of the newest of these.
    Newest(Every),
    /// It is the oldest, and there are fewer of these than counted.
    Oldest(Every),
    /// It stands for one of these, and is not older than this.
    Within(Every, Length),
}

impl Reason {
    pub(super) fn is_of_policy(&self) -> bool {
        !matches!(self, Self::Pinned | Self::Ahead)
    }
}

/// A snapshot and why it stays; without a reason it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The snapshot.
    pub placed: Placed,
    /// Every reason there is.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Whether it stays.
    pub fn stays(&self) -> bool {
        !self.reasons.is_empty()
    }
}
