//! Randomness, passed in.
//!
//! It promises that a failing source is an error the caller must handle: no key, salt or shuffle is ever made of bytes that
//! were not filled. Everybody uses [`OsRandom`]; tests pass a seeded source so that vectors can be frozen.

use rand::TryRng as _;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills all of `out`.
    ///
    /// # Errors
    /// [`RandomFailed`] if the source failed; `out` then holds nothing that may be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed>;
}

/// The source of randomness failed. What was being made is abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct RandomFailed;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        rand::rngs::SysRng
            .try_fill_bytes(out)
            .map_err(|_| RandomFailed)
    }
}

/// A number below `bound`; 0 if `bound` is 0.
///
/// The bias of the remainder is below `bound / 2^64`: for the shuffles and paddings of this crate, under 2^-43.
pub(crate) fn below(random: &dyn Random, bound: u64) -> Result<u64, RandomFailed> {
    let mut bytes = [0u8; 8];
    random.fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0))
}

#[cfg(test)]
pub(crate) mod testing {
    //! Sources for tests: one repeatable, one that fails.

    use super::{Random, RandomFailed};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Repeatable bytes: the n-th call reads from BLAKE3-XOF(seed, n).
    pub(crate) struct SeededRandom {
        seed: [u8; 32],
        calls: AtomicU64,
    }

    impl SeededRandom {
        pub(crate) fn new(seed: u8) -> Self {
            Self {
                seed: [seed; 32],
                calls: AtomicU64::new(0),
            }
        }
    }

    impl Random for SeededRandom {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            blake3::Hasher::new_keyed(&self.seed)
                .update(&call.to_le_bytes())
                .finalize_xof()
                .fill(out);
            Ok(())
        }
    }

    /// Fails always.
    pub(crate) struct BrokenRandom;

    impl Random for BrokenRandom {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomFailed> {
            Err(RandomFailed)
        }
    }

    /// The generator of a cloned machine: the same bytes at every call.
    pub(crate) struct StuckRandom;

    impl Random for StuckRandom {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
            out.fill(7);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_fills_everything_it_was_asked_for() {
        let mut bytes = [0u8; 64];
        OsRandom.fill(&mut bytes).unwrap();
        assert!(bytes[..32].iter().any(|&b| b != 0) && bytes[32..].iter().any(|&b| b != 0));
    }

    #[test]
    fn below_stays_below_and_does_not_divide_by_zero() {
        let random = testing::SeededRandom::new(1);
        assert!((0..1000).all(|_| below(&random, 7).unwrap() < 7));
        assert_eq!(below(&random, 0), Ok(0));
        assert_eq!(below(&testing::BrokenRandom, 7), Err(RandomFailed));
    }
}
