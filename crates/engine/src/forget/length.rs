//! Lengths of time by the calendar, as a policy names them: `1y6m7d12h`.
//!
//! A month is as long as that month was, so a length is subtracted from a moment and never
//! turned into seconds.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, Zoned};

/// A length of time, of more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    years: u32,
    months: u32,
    days: u32,
    hours: u32,
}

/// Why a text is no [`Length`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time; write years, months, weeks, days and hours: 1y6m, 2w, 30d, 12h"
)]
pub struct BadLength(String);

impl Length {
    /// The moment that lies so far before `moment`; `None` if that is before all calendars.
    pub(crate) fn before(self, moment: &Zoned) -> Option<Zoned> {
        let span = Span::new()
            .try_years(self.years)
            .and_then(|span| span.try_months(self.months))
            .and_then(|span| span.try_days(self.days))
            .and_then(|span| span.try_hours(self.hours))
            .ok()?;
        moment.checked_sub(span).ok()
    }
}

impl FromStr for Length {
    type Err = BadLength;

    fn from_str(written: &str) -> Result<Self, BadLength> {
        let bad = || BadLength(written.to_owned());
        let mut length = Self {
            years: 0,
            months: 0,
            days: 0,
            hours: 0,
        };
        let mut rest = written;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let (number, unit) = rest.split_at(digits);
            let number: u32 = number.parse().map_err(|_| bad())?;
            let (part, factor) = match unit.as_bytes().first() {
                Some(b'y') => (&mut length.years, 1),
                Some(b'm') => (&mut length.months, 1),
                Some(b'w') => (&mut length.days, 7),
                Some(b'd') => (&mut length.days, 1),
                Some(b'h') => (&mut length.hours, 1),
                _ => return Err(bad()),
            };
            let more = number.checked_mul(factor);
            *part = more
                .and_then(|more| part.checked_add(more))
                .ok_or_else(bad)?;
            rest = unit.get(1..).unwrap_or_default();
        }
        let is_nothing = (length.years, length.months, length.days, length.hours) == (0, 0, 0, 0);
        if is_nothing { Err(bad()) } else { Ok(length) }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(written: &str, moment: &str) -> Option<String> {
        let length: Length = written.parse().expect("a length");
        let moment: Zoned = moment.parse().expect("a moment");
        Some(length.before(&moment)?.datetime().to_string())
    }

    #[test]
    fn lengths_follow_the_calendar() {
        let day = "2026-03-31T12:00:00+02:00[+02:00]";
        for (written, moment) in [
            ("1y", "2025-03-31T12:00:00"),
            ("1m", "2026-02-28T12:00:00"),
            ("1y1m", "2025-02-28T12:00:00"),
            ("2w1d", "2026-03-16T12:00:00"),
            ("36h", "2026-03-30T00:00:00"),
        ] {
            assert_eq!(before(written, day).as_deref(), Some(moment), "{written}");
        }
        assert_eq!(before("19000y", day), None);
    }

    #[test]
    fn what_is_no_length_is_refused_and_what_is_one_is_written_as_it_is_read() {
        for written in [
            "",
            "7",
            "d",
            "0d",
            "-1d",
            "1x",
            "1d2",
            "5000000000d",
            "4000000000w",
            "1 d",
        ] {
            assert!(written.parse::<Length>().is_err(), "{written}");
        }
        let length: Length = "1y6m1w12h".parse().expect("a length");
        assert_eq!(length.to_string(), "1y6m7d12h");
    }
}
