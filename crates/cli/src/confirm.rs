//! Proof that the recovery key was written down: some of its groups are typed back.

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Groups asked for. Two of seven cannot be remembered by chance from a glance at the screen.
pub(crate) const ASKED: usize = 2;

/// Wrong answers before the kit is shown once more.
pub(crate) const TRIES: usize = 3;

/// Chooses which groups (from 1) are asked for, different ones, out of `groups`.
pub(crate) fn choose(groups: usize, random: [u8; ASKED]) -> Vec<usize> {
    let mut left: Vec<usize> = (1..=groups).collect();
    let mut chosen: Vec<usize> = random
        .into_iter()
        .filter_map(|byte| {
            let place = usize::from(byte).checked_rem(left.len())?;
            Some(left.swap_remove(place))
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Whether what was typed is group `number` of the key, read as generously as the key itself.
pub(crate) fn is_group(key: &str, number: usize, typed: &str) -> bool {
    let wanted = number
        .checked_sub(1)
        .and_then(|place| key.split('-').nth(place));
    wanted.is_some_and(|group| same(group, typed))
}

fn same(group: &str, typed: &str) -> bool {
    let read = |text: &str| -> Zeroizing<String> {
        Zeroizing::new(
            text.chars()
                .filter(|c| !c.is_whitespace() && *c != '-')
                .map(symbol)
                .collect(),
        )
    };
    !group.is_empty() && *read(group) == *read(typed)
}

/// Crockford's reading: what looks alike is alike.
fn symbol(typed: char) -> char {
    match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

/// Why a repository whose kit nobody confirmed must not be used.
pub(crate) fn unconfirmed() -> Failure {
    Failure::other("the recovery key was not confirmed, so there is no way back but the password")
        .hint("delete the new repository and make it again, with pen and paper at hand")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ABCD-EFGH-JKMN-PQRS-TVWX-YZ01-2345";

    #[test]
    fn different_groups_are_chosen_whatever_the_randomness() {
        for a in 0..=255 {
            for b in 0..=255 {
                let chosen = choose(7, [a, b]);
                assert_eq!(chosen.len(), ASKED);
                assert!(chosen[0] < chosen[1] && chosen[0] >= 1 && chosen[1] <= 7);
            }
        }
    }

    #[test]
    fn a_group_is_read_as_generously_as_the_key() {
        assert!(is_group(KEY, 1, "abcd"));
        assert!(is_group(KEY, 6, " yzo-l "));
        assert!(!is_group(KEY, 2, "abcd"));
        assert!(!is_group(KEY, 8, ""));
        assert!(!is_group(KEY, 0, ""));
    }
}
