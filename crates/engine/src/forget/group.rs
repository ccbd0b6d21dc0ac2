//! Groups: snapshots that are versions of the same, so that one can stand for another.

use std::collections::{BTreeMap, BTreeSet};

use super::believed::{Maker, Placed, is_origin};
use super::verdict::{Reason, Verdict};

/// What the snapshots of one group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// Who put them there. Without this, a device can make snapshots of another one go.
    Device,
    /// The name of the machine: several may write as one device, with a password.
    Host,
    /// The paths that were backed up.
    Paths,
    /// The tags.
    Tags,
}

impl By {
    /// What is usual: the same paths of the same machine.
    pub const USUAL: [Self; 3] = [Self::Device, Self::Host, Self::Paths];
}

/// What a group has in common; what does not matter is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    /// Who put them there.
    pub maker: Option<Maker>,
    /// The name of the machine.
    pub host: Option<String>,
    /// The paths, ascending.
    pub paths: Option<Vec<Vec<u8>>>,
    /// The tags, ascending.
    pub tags: Option<Vec<String>>,
}

/// The snapshots of a group, the oldest first, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they have in common.
    pub key: Key,
    /// What becomes of each.
    pub verdicts: Vec<Verdict>,
}

impl Group {
    /// Whether the policy itself keeps none of it: a tag that nobody has, say. What stays for other reasons, like
    /// a pin, does not make that right.
    pub fn would_be_empty(&self) -> bool {
        let chosen = |verdict: &Verdict| verdict.reasons.iter().any(Reason::is_of_policy);
        !self.verdicts.iter().all(Verdict::stays) && !self.verdicts.iter().any(chosen)
    }
}

/// Sorts snapshots into groups, and each group by time; where that is the same, by place in the log.
pub(super) fn groups(placed: Vec<Placed>, by: &BTreeSet<By>) -> Vec<Group> {
    let mut groups: BTreeMap<Key, Vec<Verdict>> = BTreeMap::new();
    for placed in placed {
        let key = key(&placed, by);
        groups.entry(key).or_default().push(Verdict {
            placed,
            reasons: Vec::new(),
        });
    }
    let sorted = groups.into_iter().map(|(key, mut verdicts)| {
        verdicts.sort_by_key(|verdict| {
            let Placed { snapshot, when, .. } = &verdict.placed;
            // What lies ahead comes last.
            (when.is_none(), *when, snapshot.first)
        });
        Group { key, verdicts }
    });
    sorted.collect()
}

fn key(placed: &Placed, by: &BTreeSet<By>) -> Key {
    let record = &placed.snapshot.record;
    let has = |what: By| by.contains(&what);
    Key {
        maker: has(By::Device).then_some(placed.maker),
        host: has(By::Host).then(|| record.host.clone()),
        paths: has(By::Paths).then(|| ascending(record.paths.iter())),
        tags: has(By::Tags).then(|| {
            let tags = record.tags.iter();
            ascending(tags.filter(|tag| !is_origin(tag)))
        }),
    }
}

fn ascending<'a, T: Ord + Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let set: BTreeSet<&T> = all.collect();
    set.into_iter().cloned().collect()
}
