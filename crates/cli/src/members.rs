//! From what a user calls a device to the one that is meant.

use ownkey_engine::{Member, Roster};

use crate::failure::Failure;

/// Whether those that were removed are meant too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Only who stands.
    Standing,
    /// Also whose removal broke off before its log was given its end.
    NotYetOut,
    /// Whoever ever was there.
    Ever,
}

/// Shortest beginning of an id.
const SHORTEST: usize = 4;

/// The member with this name or this beginning of its id.
pub(crate) fn find<'r>(
    roster: &'r Roster,
    called: &str,
    wanted: Wanted,
) -> Result<&'r Member, Failure> {
    let candidates = || {
        roster.members().filter(|member| match wanted {
            Wanted::Standing => member.removed.is_none(),
            Wanted::NotYetOut => member.removed.is_none() || member.cut.is_none(),
            Wanted::Ever => true,
        })
    };
    let named: Vec<&Member> = candidates()
        .filter(|member| member.label == called)
        .collect();
    let prefix = called.to_ascii_lowercase();
    let found = match named.is_empty() && prefix.len() >= SHORTEST {
        true => candidates()
            .filter(|member| member.id.to_string().starts_with(&prefix))
            .collect(),
        false => named,
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(
            Failure::usage(format!("there is no device {called:?} in this repository"))
                .hint("`ownkey device list` shows them"),
        ),
        several => Err(
            Failure::usage(format!("{} devices are called {called:?}", several.len()))
                .hint("give the beginning of its id, as `ownkey device list` shows it"),
        ),
    }
}
