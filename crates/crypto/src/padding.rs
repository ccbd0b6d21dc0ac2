//! Size classes (docs/format.md §11): what the storage sees instead of lengths.
//!
//! All lengths in bytes. Sums saturate: a class never is below its length, and what is too long is refused by who seals.

/// Small objects grow in steps of 4 KiB.
const SINGLE_STEP: u64 = 4 << 10;
/// Packs of small sessions grow in steps of 256 KiB.
pub(crate) const SMALL_SESSION_STEP: u64 = 256 << 10;

/// Padmé (PURBs, PoPETs 2019): E = ⌊log2 L⌋, S = ⌊log2 E⌋ + 1, L rounded up to a multiple of 2^(E−S).
/// Adds at most 12 %, and leaves O(log log L) bits of the length visible.
#[must_use]
pub fn padme(length: u64) -> u64 {
    // Up to 3, E−S would be negative or log2 of 0: such lengths stay.
    let Some(e) = length.checked_ilog2().filter(|&e| e > 0) else {
        return length;
    };
    let s = e.ilog2().saturating_add(1);
    let step = 1u64.checked_shl(e.saturating_sub(s)).unwrap_or(1);
    round_up(length, step)
}

/// The class of a single envelope of `length` bytes: the next multiple of 4 KiB of Padmé.
#[must_use]
pub fn single_class(length: u64) -> u64 {
    round_up(padme(length), SINGLE_STEP)
}

/// The class of a small session's pack, where `increment` is random below 256 KiB.
#[must_use]
pub fn small_session_class(length: u64, increment: u64) -> u64 {
    round_up(length.saturating_add(increment), SMALL_SESSION_STEP)
}

fn round_up(length: u64, step: u64) -> u64 {
    length.checked_next_multiple_of(step).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padme_gives_the_published_examples() {
        let examples = [
            (9, 10),
            (100, 104),
            (1000, 1024),
            (65537, 67584),
            (1_000_000, 1_015_808),
            (1_048_577, 1_081_344),
            (16_777_217, 17_301_504),
            (20_000_000, 20_447_232),
        ];
        for (length, class) in examples {
            assert_eq!(padme(length), class, "{length}");
        }
    }

    #[test]
    fn padme_never_shrinks_never_adds_more_than_an_eighth_and_is_stable() {
        for length in (0..100_000u64).chain([u64::from(u32::MAX), 1 << 40]) {
            let class = padme(length);
            assert!(
                class >= length && class <= length + length / 8 + 1,
                "{length} became {class}"
            );
            assert_eq!(padme(class), class);
        }
    }

    #[test]
    fn single_envelopes_come_in_pages() {
        for (length, class) in [(1, 4096), (4096, 4096), (4097, 8192), (200_000, 200_704)] {
            assert_eq!(single_class(length), class, "{length}");
        }
    }

    #[test]
    fn small_sessions_come_in_quarter_mebibytes_after_a_random_increment() {
        assert_eq!(small_session_class(1, 0), 262_144);
        assert_eq!(small_session_class(262_144, 0), 262_144);
        assert_eq!(small_session_class(262_144, 1), 524_288);
    }

    #[test]
    fn absurd_lengths_saturate() {
        assert_eq!(single_class(u64::MAX), u64::MAX);
        assert_eq!(small_session_class(u64::MAX, 5), u64::MAX);
    }
}
