//! How moments read: local time for people, RFC 3339 in UTC for programs.

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

/// The same for programs.
pub(crate) fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    match moment(seconds, nanoseconds) {
        Some(moment) => moment.to_string(),
        None => format!("@{seconds}.{nanoseconds:09}"),
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
