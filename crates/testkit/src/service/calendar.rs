//! Two ways to write a time of the service's own clock, which begins with the year 2026.

/// The days from 1970 to 2026.
const BEGINNING: u64 = 20_454;
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];
/// From the weekday of the first of January 1970 on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Day of the year from 0, hour, minute, second: a service of a test does not live for a year.
fn split(seconds: u64) -> (u64, u64, u64, u64) {
    let day = seconds / 86_400;
    let rest = seconds % 86_400;
    (day, rest / 3600, rest / 60 % 60, rest % 60)
}

fn month_and_day(mut day: u64) -> (usize, u64) {
    for (number, (_, days)) in MONTHS.iter().enumerate() {
        if day < *days {
            return (number, day + 1);
        }
        day -= days;
    }
    panic!("a service that is more than a year old")
}

/// As listings write it (ISO 8601).
pub(super) fn listing_date(seconds: u64) -> String {
    let (day, hour, minute, second) = split(seconds);
    let (month, day) = month_and_day(day);
    let month = month + 1;
    format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// As headers write it (RFC 9110 §5.6.7).
pub(super) fn http_date(seconds: u64) -> String {
    let (day, hour, minute, second) = split(seconds);
    let weekday = WEEKDAYS[usize::try_from((BEGINNING + day) % 7).expect("less than 7")];
    let (month, day) = month_and_day(day);
    let month = MONTHS[month].0;
    format!("{weekday}, {day:02} {month} 2026 {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_through_the_months() {
        assert_eq!(listing_date(0), "2026-01-01T00:00:00.000Z");
        assert_eq!(http_date(0), "Thu, 01 Jan 2026 00:00:00 GMT");
        let spring = 86_400 * 59 + 3661;
        assert_eq!(listing_date(spring), "2026-03-01T01:01:01.000Z");
        assert_eq!(http_date(spring), "Sun, 01 Mar 2026 01:01:01 GMT");
    }
}
