//! How moments read: local time for people, RFC 3339 in UTC for programs.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

/// A moment from the repository; out of the calendar's range it is shown as seconds.
pub(crate) fn local(seconds: i64, nanoseconds: u32) -> String {
    match moment(seconds, nanoseconds) {
        Some(moment) => moment
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        None => format!("@{seconds}"),
    }
}

/// A moment of the system's clock.
pub(crate) fn local_moment(moment: SystemTime) -> String {
    match jiff::Timestamp::try_from(moment) {
        Ok(moment) => local(moment.as_second(), 0),
        Err(_) => "a moment beyond the calendar".to_owned(),
    }
}

/// The same for programs.
pub(crate) fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    match moment(seconds, nanoseconds) {
        Some(moment) => moment.to_string(),
        None => format!("@{seconds}.{nanoseconds:09}"),
    }
}

/// A moment of the system's clock, for programs.
pub(crate) fn rfc3339_of(moment: SystemTime) -> String {
    match jiff::Timestamp::try_from(moment) {
        Ok(moment) => moment.to_string(),
        Err(_) => "a moment beyond the calendar".to_owned(),
    }
}

/// The local day.
pub(crate) fn day(seconds: i64) -> String {
    match moment(seconds, 0) {
        Some(moment) => moment
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%d")
            .to_string(),
        None => format!("@{seconds}"),
    }
}

fn moment(seconds: i64, nanoseconds: u32) -> Option<jiff::Timestamp> {
    // Before 1970 the fraction still counts forward; adding it after the seconds gives just that.
    let whole = jiff::Timestamp::from_second(seconds).ok()?;
    whole
        .checked_add(jiff::SignedDuration::from_nanos(i64::from(nanoseconds)))
        .ok()
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_rfc_3339_also_before_1970() {
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(-1, 500_000_000), "1969-12-31T23:59:59.5Z");
    }

    #[test]
    fn moments_beyond_the_calendar_are_shown_as_numbers() {
        assert_eq!(rfc3339(i64::MAX, 1), format!("@{}.000000001", i64::MAX));
        assert_eq!(local(i64::MIN, 0), format!("@{}", i64::MIN));
    }
}
