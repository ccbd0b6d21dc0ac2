//! Machines that have stopped to back up, told where somebody looks.

use ownkey_engine::repository::Repository;
use ownkey_engine::silence::silent;

use crate::clock;
use crate::context::Context;
use crate::ui::show;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Tells which devices are silent.
pub(crate) fn note(cx: &Context, repository: &Repository) {
    for silence in silent(repository) {
        let member = repository.roster().member(&silence.device);
        let Some(member) = member else { continue };
        cx.ui.note(&format!(
            "the device {:?} has not backed up since {}, and used to about every {}; if it is gone for good: ownkey device remove",
            member.label,
            clock::local(silence.last, 0),
            every(silence.usual.unsigned_abs()),
        ));
    }
}

fn every(seconds: u64) -> String {
    match seconds {
        0..DAY => show::counted((seconds / HOUR).max(1), "hour", "hours"),
        _ => show::counted((seconds + DAY / 2) / DAY, "day", "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rhythm_reads_as_people_say_it() {
        let said = [1, HOUR, 23 * HOUR, DAY, 29 * HOUR, 40 * HOUR].map(every);
        assert_eq!(
            said,
            ["1 hour", "1 hour", "23 hours", "1 day", "1 day", "2 days"]
        );
    }
}
