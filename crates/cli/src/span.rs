//! Lengths of time as the user writes them: `90s`, `15m`, `1h30m`, `30d`, `2w`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Reads one; the error is a sentence for clap. Months and years have no fixed length and are refused.
pub(crate) fn parse(written: &str) -> Result<Duration, String> {
    let bad = || format!("`{written}` is not a length of time; write for example 90s, 15m, 30d");
    let span: Span = match written {
        "0" => return Ok(Duration::ZERO),
        _ => written.parse().map_err(|_| bad())?,
    };
    // A day here is 24 hours: nobody's backup depends on the hour that a clock change takes.
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| bad())?;
    Duration::try_from(length).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (written, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5_400),
            ("30d", 30 * 86_400),
            ("2w", 14 * 86_400),
            ("0", 0),
        ] {
            assert_eq!(
                parse(written),
                Ok(Duration::from_secs(seconds)),
                "{written}"
            );
        }
    }

    #[test]
    fn what_has_no_fixed_length_is_refused() {
        for written in ["", "15", "-5m", "1 month", "1y", "soon"] {
            assert!(parse(written).is_err(), "{written}");
        }
    }
}
