//! Arithmetic in GF(2^8) = GF(2)[x]/(x^8 + x^4 + x^3 + x^2 + 1), whose element α = x generates all others.
//!
//! Nothing secret comes here, so tables are fine.

/// Powers of α, twice over, so that a sum of two logarithms needs no reduction.
const POWERS: [u8; 510] = powers();
/// The logarithm of every element but zero.
const LOGS: [u8; 256] = logs();

const fn powers() -> [u8; 510] {
    let mut powers = [0; 510];
    let (mut nth, mut value) = (0, 1u16);
    while nth < 510 {
        powers[nth] = value as u8;
        value <<= 1;
        if value & 0x100 != 0 {
            value ^= 0x11d;
        }
        nth += 1;
    }
    powers
}

const fn logs() -> [u8; 256] {
    let mut logs = [0; 256];
    let mut nth = 0;
    while nth < 255 {
        logs[POWERS[nth] as usize] = nth as u8;
        nth += 1;
    }
    logs
}

/// α to the power of `exponent`.
pub(super) const fn power(exponent: usize) -> u8 {
    POWERS[exponent % 255]
}

pub(super) const fn times(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    POWERS[LOGS[a as usize] as usize + LOGS[b as usize] as usize]
}

/// `a` divided by `b`; zero where `b` is, which callers rule out.
pub(super) const fn over(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    POWERS[LOGS[a as usize] as usize + 255 - LOGS[b as usize] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_but_zero_is_a_power_of_alpha_and_division_undoes_multiplication() {
        let mut seen = [false; 256];
        for exponent in 0..255 {
            seen[usize::from(power(exponent))] = true;
        }
        assert!(!seen[0] && seen[1..].iter().all(|seen| *seen));
        for a in 0..=255u8 {
            for b in 1..=255u8 {
                assert_eq!(over(times(a, b), b), a);
                // By the definition: shift and reduce.
                let mut product = 0u16;
                for bit in 0..8 {
                    if b >> bit & 1 == 1 {
                        product ^= u16::from(a) << bit;
                    }
                }
                for bit in (8..15).rev() {
                    if product >> bit & 1 == 1 {
                        product ^= 0x11d << (bit - 8);
                    }
                }
                assert_eq!(u16::from(times(a, b)), product);
            }
        }
    }
}
