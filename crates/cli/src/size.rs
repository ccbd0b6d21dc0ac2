//! Sizes as the user writes them: `500`, `64K`, `1.5M`, `2GiB`. Units are powers of 1,024.

/// Reads one; the error is a sentence for clap.
pub(crate) fn parse(written: &str) -> Result<u64, String> {
    let bad = || format!("`{written}` is not a size; write for example 500, 64K, 1.5M, 2G");
    let digits = written
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let shift = match unit.trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(bad()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(bad);
    }
    let fraction: f64 = number.parse().map_err(|_| bad())?;
    let bytes = fraction * (1u64 << shift) as f64;
    // Below 2^53 every whole number of bytes is exact.
    if (0.0..9e15).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(bad())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_take_units_of_1024() {
        assert_eq!(parse("500"), Ok(500));
        assert_eq!(parse("64K"), Ok(64 << 10));
        assert_eq!(parse("1.5MiB"), Ok(3 << 19));
        assert_eq!(parse("2gb"), Ok(2 << 30));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for written in ["", "K", "-1", "1x", "1.2.3", "99999999999T", "nan"] {
            assert!(parse(written).is_err(), "{written}");
        }
    }
}
