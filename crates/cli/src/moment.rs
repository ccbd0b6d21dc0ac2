//! Moments as the user writes them for `--as-of`: `2026-11-20`, `2026-11-20 14:30`,
//! `2026-11-20T14:30:00Z`, or so long ago: `3d`.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::span;

/// Which state of the repository is read.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Earlier {
    /// Read the repository as it was then: 2026-11-20, "2026-11-20 14:30", 3d (three days ago)
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) as_of: Option<SystemTime>,
}

/// Reads one; the error is a sentence for clap. A day means its beginning, and what names no time
/// zone is local time.
pub(crate) fn parse(written: &str) -> Result<SystemTime, String> {
    read(written, Timestamp::now(), &TimeZone::system()).map(SystemTime::from)
}

fn read(written: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let bad = || {
        format!(
            "`{written}` is not a moment; write for example 2026-11-20, \"2026-11-20 14:30\", or 3d for three days ago"
        )
    };
    let exact = written.parse::<Timestamp>().ok();
    let local = || {
        let there = written.parse::<DateTime>().ok()?;
        Some(there.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let ago = || {
        let ago = span::parse(written).ok()?;
        now.checked_sub(ago).ok()
    };
    let moment = exact.or_else(local).or_else(ago).ok_or_else(bad)?;
    if moment > now {
        return Err(format!("`{written}` has not come yet"));
    }
    Ok(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(written: &str) -> Result<String, String> {
        let now = "2026-11-22T01:00:00Z".parse().expect("a moment");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        read(written, now, &zone).map(|moment| moment.to_string())
    }

    #[test]
    fn days_times_and_spans_are_read() {
        for (written, moment) in [
            ("2026-11-20", "2026-11-19T22:00:00Z"),
            ("2026-11-20 14:30", "2026-11-20T12:30:00Z"),
            ("2026-11-20T14:30:05", "2026-11-20T12:30:05Z"),
            ("2026-11-20T14:30:05Z", "2026-11-20T14:30:05Z"),
            ("2026-11-20T14:30:05+01:00", "2026-11-20T13:30:05Z"),
            ("3d", "2026-11-19T01:00:00Z"),
            ("90m", "2026-11-21T23:30:00Z"),
        ] {
            assert_eq!(at(written).as_deref(), Ok(moment), "{written}");
        }
    }

    #[test]
    fn what_is_no_moment_or_has_not_come_is_refused() {
        for written in ["", "yesterday", "2026-13-01", "20", "2027-01-01"] {
            assert!(at(written).is_err(), "{written}");
        }
    }
}
