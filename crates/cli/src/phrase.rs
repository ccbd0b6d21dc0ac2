//! Generated pass phrases.
//!
//! Six words out of 2,048 (the public-domain English list of BIP 39 in `words.txt`, short and told
//! apart by their first four letters) are 66 random bits. Against a guess that costs 256 MiB and a good part
//! of a second each time, that is out of anybody's reach; a person can remember it.

use std::fmt;

use zeroize::Zeroizing;

/// Words in a phrase.
const WORDS: usize = 6;

/// Draws a phrase. `fill` gives random bytes.
pub(crate) fn generate<E: fmt::Debug>(
    fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<Zeroizing<String>, E> {
    let mut random = Zeroizing::new([0u8; 2 * WORDS]);
    fill(random.as_mut_slice())?;
    let list = words();
    // Room for the longest words, so that no half-written copy stays behind in memory.
    let mut phrase = Zeroizing::new(String::with_capacity(WORDS * 9));
    for pair in random.chunks_exact(2) {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        // 65,536 is a multiple of 2,048: every word is equally likely.
        let drawn = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % list.len();
        phrase.push_str(list[drawn]);
    }
    Ok(phrase)
}

/// The words of some numbers below 2,048, to be compared by people.
pub(crate) fn of(numbers: &[u16]) -> String {
    let list = words();
    let chosen: Vec<&str> = numbers
        .iter()
        .map(|number| list[usize::from(*number) % list.len()])
        .collect();
    chosen.join(" ")
}

/// Whether two phrases have the same words.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        text.split_whitespace()
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

/// The numbers of words that were typed; case and what follows the fourth letter do not matter. Else the word that is none.
pub(crate) fn numbers(typed: &str) -> Result<Vec<u16>, String> {
    let list = words();
    let number = |word: &str| {
        let word = word.to_lowercase();
        let place = list.iter().position(|known| {
            known.len().min(4) == word.len().min(4)
                && known.chars().zip(word.chars()).take(4).all(|(a, b)| a == b)
        });
        place
            .and_then(|place| u16::try_from(place).ok())
            .ok_or(word)
    };
    typed.split_whitespace().map(number).collect()
}

fn words() -> Vec<&'static str> {
    include_str!("words.txt").lines().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_phrase_is_six_words_of_the_list() {
        let phrase = generate(|out| {
            out.copy_from_slice(&[0, 0, 1, 0, 255, 7, 0, 8, 255, 255, 2, 0]);
            Ok::<_, ()>(())
        });
        assert_eq!(
            phrase.expect("randomness").as_str(),
            "abandon ability zoo abandon zoo able"
        );
    }

    #[test]
    fn words_are_read_back_by_their_first_four_letters() {
        let numbers_of_all: Vec<u16> = (0..2048).collect();
        assert_eq!(numbers(&of(&numbers_of_all)), Ok(numbers_of_all));
        assert_eq!(numbers("ABANDON  zoox\n").err().as_deref(), Some("zoox"));
        assert_eq!(numbers("aban Zoo"), Ok(vec![0, 2047]));
    }

    #[test]
    fn every_word_can_be_drawn_and_none_more_often() {
        let list = words();
        let distinct: BTreeSet<_> = list.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!((list.len(), distinct.len()), (2048, 2048));
        assert_eq!((1 << 16) % list.len(), 0);
        let is_plain = |word: &&str| word.bytes().all(|letter| letter.is_ascii_lowercase());
        assert!(
            list.iter()
                .all(|word| (3..=8).contains(&word.len()) && is_plain(word))
        );
    }

    #[test]
    fn a_failing_random_source_gives_no_phrase() {
        assert!(generate(|_| Err("no randomness")).is_err());
    }
}
