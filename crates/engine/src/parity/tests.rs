use ownkey_testkit::SeededRandom;

use super::*;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    SeededRandom::new(seed).bytes(length)
}

fn protected(seed: u64, length: usize, parity: usize) -> Vec<u8> {
    let mut pack = noise(seed, length);
    let code = Parity(parity).code().unwrap();
    let section = (code.section)(&pack);
    assert_eq!(section.len(), (code.length)(length));
    // As a header says it.
    let named = u32::try_from(section.len()).unwrap().to_le_bytes();
    pack[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&named);
    let section = (code.section)(&pack);
    pack.extend_from_slice(&section);
    pack
}

/// Changes about one byte in `one_in`.
fn scatter(pack: &mut [u8], seed: u64, one_in: u32) {
    let dice = noise(seed, pack.len() * 5);
    for (byte, dice) in pack.iter_mut().zip(dice.chunks_exact(5)) {
        let roll = u32::from_le_bytes(dice[..4].try_into().unwrap());
        if roll % one_in == 0 {
            *byte ^= dice[4] | 1;
        }
    }
}

#[test]
fn lengths_of_every_code_are_taken_apart_as_they_were_put_together() {
    for parity in (1..=MOST).map(|words| words * WORD) {
        for data in (1..4_000).chain([65_535, 65_536, 16_777_216, 17_000_001]) {
            let grid = Grid::over(data, parity);
            let length = data + grid.columns * parity;
            assert_eq!(Grid::of(length, parity), Some(grid), "{data} {parity}");
            assert!(grid.rows + parity <= CODEWORD);
        }
    }
}

#[test]
fn as_many_wrong_symbols_as_half_the_parity_heal_anywhere_and_one_more_does_not() {
    for words in 1..=MOST {
        let pack = protected(1, 30_011, words);
        let grid = Grid::of(pack.len(), words * WORD).unwrap();
        let half = grid.parity / 2;
        for first in [0, 1, 7, grid.rows + grid.parity - half] {
            let mut damaged = pack.clone();
            for row in first..first + half {
                damaged[row * grid.columns] ^= 0x5a;
            }
            assert_eq!(
                heal(&damaged, pack.len()).as_ref(),
                Some(&pack),
                "{words} {first}"
            );
        }
        let mut damaged = pack.clone();
        for row in 0..=half {
            damaged[row * grid.columns] ^= 0x5a;
        }
        assert_ne!(heal(&damaged, pack.len()).as_ref(), Some(&pack));
    }
}

#[test]
fn one_byte_in_a_hundred_heals_and_so_does_a_run_of_six_in_a_hundred_and_a_lost_end() {
    let pack = protected(2, 700_000, 4);
    for seed in 0..4 {
        let mut damaged = pack.clone();
        scatter(&mut damaged, seed, 100);
        assert_eq!(heal(&damaged, pack.len()).as_ref(), Some(&pack));
    }
    let run = pack.len() * 6 / 100;
    for start in [0, 100, 300_000, pack.len() - run] {
        let mut damaged = pack.clone();
        damaged[start..start + run].fill(0);
        assert_eq!(heal(&damaged, pack.len()).as_ref(), Some(&pack), "{start}");
    }
    let shortened = &pack[..pack.len() - run];
    assert_eq!(heal(shortened, pack.len()).as_ref(), Some(&pack));
    let longer = [&pack[..], b"more"].concat();
    assert_eq!(heal(&longer, pack.len()).as_ref(), Some(&pack));
}

#[test]
fn the_code_is_found_without_the_header() {
    for words in 1..=MOST {
        let pack = protected(3, 50_000, words);
        let mut damaged = pack.clone();
        damaged[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&[0; 4]);
        assert_eq!(heal(&damaged, pack.len()).as_ref(), Some(&pack), "{words}");
    }
}

#[test]
fn what_cannot_be_healed_wholly_is_healed_as_far_as_it_goes() {
    let pack = protected(4, 400_000, 4);
    let mut damaged = pack.clone();
    scatter(&mut damaged, 9, 25);
    let healed = heal(&damaged, pack.len()).unwrap();
    let wrong = |bytes: &[u8]| bytes.iter().zip(&pack).filter(|(a, b)| a != b).count();
    assert!(wrong(&healed) > 0 && wrong(&healed) < wrong(&damaged) / 4);
}

#[test]
fn what_has_no_parity_is_not_made_to_have_any() {
    for length in [0, 1, 111, 112, 113, 255, 256, 60_000] {
        assert_eq!(heal(&noise(5, length), length), None, "{length}");
    }
    assert_eq!(heal(&[], usize::MAX), None, "no object is so long");
}

#[test]
fn a_wish_in_percent_becomes_the_nearest_code() {
    let rounded = |percent| Parity::percent(percent).map(|it| (it.overhead() * 10.0).round());
    assert_eq!(rounded(10.0), Some(104.0));
    assert_eq!(rounded(15.0), Some(143.0));
    assert_eq!(rounded(3.0), Some(32.0));
    assert_eq!(rounded(34.0), Some(335.0));
    for none in [0.0, 2.9, 34.1, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Parity::percent(none), None);
    }
    assert!(Parity::NONE.code().is_none());
}
