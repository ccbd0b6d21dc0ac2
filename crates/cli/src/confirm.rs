//! Proof that the recovery key was written down: some of its groups are typed back.

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::prompt::Prompt;

/// Shows the kit and has parts of the key typed back; shows it once more if that fails.
pub(crate) fn by_hand(
    prompt: &Prompt<'_>,
    key: &str,
    kit: &str,
    random: [u8; ASKED],
) -> Result<(), Failure> {
    let chosen = choose(key.split('-').count(), random);
    for _ in 0..2 {
        prompt.show(kit)?;
        prompt.show("Write the recovery key down, or print this. Then type parts of it back.")?;
        if all_groups(prompt, key, &chosen)? {
            return Ok(());
        }
    }
    Err(unconfirmed())
}

fn all_groups(prompt: &Prompt<'_>, key: &str, chosen: &[usize]) -> Result<bool, Failure> {
    for number in chosen {
        if !one_group(prompt, key, *number)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn one_group(prompt: &Prompt<'_>, key: &str, number: usize) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let typed = prompt.ask(&format!("group {number} of the recovery key: "))?;
        if is_group(key, number, &typed) {
            return Ok(true);
        }
        prompt.show("that is another one; count the groups from the left, beginning with 1")?;
    }
    Ok(false)
}

/// Groups asked for. Two of seven cannot be remembered by chance from a glance at the screen.
pub(crate) const ASKED: usize = 2;

/// Wrong answers before the kit is shown once more.
const TRIES: usize = 3;

/// Chooses which groups (from 1) are asked for, different ones, out of `groups`.
fn choose(groups: usize, random: [u8; ASKED]) -> Vec<usize> {
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
fn is_group(key: &str, number: usize, typed: &str) -> bool {
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
