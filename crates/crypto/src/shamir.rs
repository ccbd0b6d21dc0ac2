//! Shamir's secret sharing over GF(2^8) = GF(2)[x]/(x^8 + x^4 + x^3 + x + 1), byte by byte (Shamir 1979).
//!
//! It promises that fewer points than the threshold say nothing: every coefficient but the secret is uniform, zero included.
//! No table and no branch depends on a secret.

use crate::random::{Random, RandomFailed};
use crate::secret::Secret;
use zeroize::Zeroizing;

/// A point of the 32 polynomials: x, never 0, and their values there.
pub(crate) type Point = (u8, Secret);

/// Cuts a secret into points at 1 to `count`, `threshold` of which give it back.
pub(crate) fn split(
    secret: &Secret,
    threshold: u8,
    count: u8,
    random: &dyn Random,
) -> Result<Vec<Point>, RandomFailed> {
    // From the highest power down to x; the secret is the constant term.
    let mut coefficients = Vec::new();
    for _ in 1..threshold {
        coefficients.push(Secret::random(random)?);
    }
    coefficients.push(secret.duplicate());
    let value = |x: u8| {
        let mut sum = Secret::zeroed();
        for coefficient in &coefficients {
            for (sum, coefficient) in sum.as_mut().iter_mut().zip(coefficient.as_bytes()) {
                *sum = times(*sum, x) ^ coefficient;
            }
        }
        (x, sum)
    };
    Ok((1..=count).map(value).collect())
}

/// The polynomials' values at 0, by Lagrange's formula. The caller has as many points as the threshold, with different x.
pub(crate) fn join(points: &[(u8, &Secret)]) -> Secret {
    let mut secret = Secret::zeroed();
    for (x, y) in points {
        let others = points
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| other != x);
        let weight = others.fold(1, |weight, other| {
            times(weight, times(other, inverse(other ^ x)))
        });
        let part = Zeroizing::new(y.as_bytes().map(|byte| times(byte, weight)));
        for (sum, part) in secret.as_mut().iter_mut().zip(part.iter()) {
            *sum ^= part;
        }
    }
    secret
}

fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & 0u8.wrapping_sub(b & 1);
        a = (a << 1) ^ (0x1b & 0u8.wrapping_sub(a >> 7));
        b >>= 1;
    }
    product
}

/// a^254.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = times(times(power, power), a);
    }
    times(power, power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::SeededRandom;

    #[test]
    fn the_field_is_the_one_of_aes() {
        // FIPS 197, §4.2.
        assert_eq!((times(0x57, 0x83), times(0x57, 0x13)), (0xc1, 0xfe));
        for a in 1..=255 {
            assert_eq!(times(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    fn as_many_points_as_the_threshold_give_the_secret_back_whichever_they_are() {
        let secret = Secret::from_bytes(&[0xa5; 32]);
        for threshold in 2..=5 {
            let points = split(&secret, threshold, 5, &SeededRandom::new(threshold)).unwrap();
            for chosen in 0u32..32 {
                let some: Vec<_> = (0u32..)
                    .zip(&points)
                    .filter(|(bit, _)| chosen >> bit & 1 == 1)
                    .map(|(_, (x, y))| (*x, y))
                    .collect();
                let enough = some.len() >= usize::from(threshold);
                let same = !some.is_empty() && join(&some).as_bytes() == secret.as_bytes();
                assert_eq!(same, enough, "{chosen:05b} of {threshold}");
            }
        }
    }

    #[test]
    fn every_value_of_a_coefficient_is_drawn_zero_too() {
        // Of a secret of zeros with threshold 2 the point at 1 is the coefficient itself.
        let secret = Secret::zeroed();
        let mut seen = [0u32; 256];
        for seed in 0..=255 {
            let points = split(&secret, 2, 1, &SeededRandom::new(seed)).unwrap();
            for byte in points[0].1.as_bytes() {
                seen[usize::from(*byte)] += 1;
            }
        }
        // 8,192 bytes, 32 of each expected; a coefficient that is never zero would leave a hole.
        assert!(seen.iter().all(|count| (8..80).contains(count)), "{seen:?}");
    }

    #[test]
    fn one_point_less_leaves_every_secret_possible() {
        let secret = Secret::from_bytes(&[7; 32]);
        let points = split(&secret, 2, 2, &SeededRandom::new(1)).unwrap();
        // For any other secret there is a second point that fits the first.
        for wanted in 0..=255u8 {
            let (x, y) = &points[0];
            let slope = times(y.as_bytes()[0] ^ wanted, inverse(*x));
            assert_eq!(times(slope, *x) ^ wanted, y.as_bytes()[0]);
        }
    }
}
