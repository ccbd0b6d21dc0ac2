//! Passwords and what guessing one costs (docs/format.md §7).
//!
//! It promises that the cost is within floor and cap before any work is done, whoever chose it, and that memory which is
//! not there is an error.

use crate::error::SlotError;
use crate::secret::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// A password, normalised (NFKC) so that the same one typed on two keyboards is the same bytes.
pub struct Password(Zeroizing<String>);

impl Password {
    /// From what was typed. The caller erases its copy.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        // Room for the longest expansion of NFKC (18 times), so that no copy is left behind by growing.
        let mut normal = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(18)));
        normal.extend(typed.nfkc());
        Self(normal)
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one guess at a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl KdfCost {
    /// The cheapest that is accepted anywhere: 64 MiB, 3 passes, 1 lane.
    pub const FLOOR: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
        lanes: 1,
    };
    /// For new slots, unless calibrated higher: 256 MiB, 3 passes, 1 lane.
    pub const DEFAULT: Self = Self {
        memory_kib: 256 << 10,
        passes: 3,
        lanes: 1,
    };

    /// Memory in KiB from 64 MiB to 4 GiB, passes from 3 to 16, lanes from 1 to 16.
    ///
    /// # Errors
    /// [`SlotError::CostOutOfBounds`].
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, SlotError> {
        let within = (64 << 10..=4 << 20).contains(&memory_kib)
            && (3..=16).contains(&passes)
            && (1..=16).contains(&lanes);
        if within {
            Ok(Self {
                memory_kib,
                passes,
                lanes,
            })
        } else {
            Err(SlotError::CostOutOfBounds)
        }
    }

    /// Memory in KiB.
    #[must_use]
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub fn lanes(self) -> u32 {
        self.lanes
    }
}

/// Argon2id (RFC 9106, version 0x13), 32 bytes.
pub(crate) fn stretch(
    password: &Password,
    salt: &[u8; 32],
    cost: KdfCost,
) -> Result<Secret, SlotError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|_| SlotError::CostOutOfBounds)?;
    let mut output = Secret::zeroed();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.0.as_bytes(), salt, output.as_mut())
        .map_err(|error| match error {
            argon2::Error::OutOfMemory => SlotError::OutOfMemory,
            _ => SlotError::CostOutOfBounds,
        })?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_same_however_its_accents_were_typed() {
        assert_eq!(
            Password::new("caf\u{e9} \u{fb01}").0.as_str(),
            Password::new("cafe\u{301} fi").0.as_str()
        );
    }

    #[test]
    fn the_longest_expansion_does_not_reallocate() {
        let typed = "\u{fdfa}".repeat(50);
        let password = Password::new(&typed);
        assert!(password.0.len() > typed.len() && password.0.capacity() == typed.len() * 18);
    }

    #[test]
    fn costs_outside_floor_and_cap_are_refused() {
        let floor = KdfCost::FLOOR;
        assert_eq!(
            KdfCost::new(floor.memory_kib, floor.passes, floor.lanes),
            Ok(floor)
        );
        assert!(KdfCost::new(4 << 20, 16, 16).is_ok());
        for (memory, passes, lanes) in [
            ((64 << 10) - 1, 3, 1),
            ((4 << 20) + 1, 3, 1),
            (64 << 20, 3, 1),
            (64 << 10, 2, 1),
            (64 << 10, 17, 1),
            (64 << 10, 1 << 31, 1),
            (64 << 10, 3, 0),
            (64 << 10, 3, 17),
        ] {
            assert_eq!(
                KdfCost::new(memory, passes, lanes),
                Err(SlotError::CostOutOfBounds)
            );
        }
    }
}
