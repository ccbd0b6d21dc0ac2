//! What a storage sees of a repository, from the storage's own side: a listing, and the public bytes of slots. No key is used, so
//! whatever is found here whoever runs the storage finds too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ownkey_crypto::{DeviceId, GrantName, PackKind, Slot, SlotKind};
use ownkey_storage::{ObjectMeta, Prefix, Storage};

use crate::environment::Environment;
use crate::error::Result;
use crate::format::layout::Object;
use crate::io::Io;

/// Objects that are told apart by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Packs below `data/`.
    Contents,
    /// Packs below `meta/`.
    Folders,
    /// Index segments.
    Index,
    /// Entries of logs.
    Logs,
    /// Entries of the roster.
    Roster,
    /// Slots.
    Slots,
    /// Grants.
    Grants,
    /// Requests of new machines.
    Requests,
    /// The header.
    Header,
    /// Whatever else is there.
    Foreign,
}

impl Kind {
    fn of(object: Option<&Object>) -> Self {
        match object {
            Some(Object::Header) => Self::Header,
            Some(Object::Slot(_)) => Self::Slots,
            Some(Object::Grant(..)) => Self::Grants,
            Some(Object::Request(_)) => Self::Requests,
            Some(Object::RosterEntry(..)) => Self::Roster,
            Some(Object::LogEntry(..)) => Self::Logs,
            Some(Object::Segment(_)) => Self::Index,
            Some(Object::Pack(pack)) => match pack.kind {
                PackKind::Data => Self::Contents,
                PackKind::Meta => Self::Folders,
            },
            None => Self::Foreign,
        }
    }
}

/// How much there is of something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their lengths, each once.
    pub lengths: BTreeSet<u64>,
}

impl Volume {
    fn add(&mut self, object: &ObjectMeta) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.size);
        self.lengths.insert(object.size);
    }
}

/// A time in which objects were stored without a long pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// When the first object was stored, by the storage's clock.
    pub began: SystemTime,
    /// And the last.
    pub ended: SystemTime,
    /// How much.
    pub stored: Volume,
    /// Whose logs grew: who it was.
    pub logs: BTreeSet<DeviceId>,
}

/// Everything that a listing tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderView {
    /// By kind.
    pub kinds: BTreeMap<Kind, Volume>,
    /// Every log with its entries: one for each machine or way back that has written.
    pub logs: BTreeMap<DeviceId, Volume>,
    /// Identities that were ever given keys.
    pub identities: u64,
    /// How often the keys were replaced, and once more.
    pub epochs: u32,
    /// Ways back by what opens them, as far as their slots say so; replaced ones too if they are still there.
    pub ways: BTreeMap<&'static str, u64>,
    /// When it was written to, in order.
    pub bursts: Vec<Burst>,
}

/// A pause that ends a burst.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// Sees what the storage sees.
///
/// # Errors
/// Those of the storage, and of reading the header.
pub fn look(environment: &Environment, storage: &Arc<dyn Storage>) -> Result<ProviderView> {
    let io = Io::new(Arc::clone(storage), environment);
    let repo = crate::repository::read_header(&io)?;
    let listed = io.list(&Prefix::all())?;
    let mut view = of(&listed);
    for object in &listed {
        let Some(Object::Slot(hash)) = Object::parse(&object.name) else {
            continue;
        };
        let slot = io.find(&object.name)?;
        let slot = slot.and_then(|bytes| Slot::parse(&bytes, &hash, &repo).ok());
        let way = match slot.map(|slot| slot.kind()) {
            Some(SlotKind::Password) => "password",
            Some(SlotKind::PasswordKit) => "password with kit secret",
            Some(SlotKind::RecoveryKey) => "recovery key",
            Some(SlotKind::Contacts) => "recovery contacts",
            None => "damaged slot",
        };
        *view.ways.entry(way).or_default() += 1;
    }
    Ok(view)
}

fn of(listed: &[ObjectMeta]) -> ProviderView {
    let mut view = ProviderView::default();
    let mut identities: BTreeSet<GrantName> = BTreeSet::new();
    let mut timed: Vec<(SystemTime, &ObjectMeta, Option<DeviceId>)> = Vec::new();
    for object in listed {
        let parsed = Object::parse(&object.name);
        view.kinds
            .entry(Kind::of(parsed.as_ref()))
            .or_default()
            .add(object);
        let mut log = None;
        match parsed {
            Some(Object::LogEntry(device, _)) => {
                view.logs.entry(device).or_default().add(object);
                log = Some(device);
            }
            Some(Object::Grant(who, epoch, _)) => {
                identities.insert(who);
                view.epochs = view.epochs.max(epoch.get());
            }
            _ => {}
        }
        timed.extend(object.modified.map(|time| (time, object, log)));
    }
    view.identities = identities.len() as u64;
    timed.sort_by_key(|(time, ..)| *time);
    for (time, object, log) in timed {
        let goes_on = |burst: &&mut Burst| {
            let pause = time.duration_since(burst.ended);
            pause.is_ok_and(|pause| pause <= PAUSE)
        };
        let burst = match view.bursts.last_mut().filter(goes_on) {
            Some(burst) => burst,
            None => {
                view.bursts.push(Burst {
                    began: time,
                    ended: time,
                    stored: Volume::default(),
                    logs: BTreeSet::new(),
                });
                let Some(burst) = view.bursts.last_mut() else {
                    continue;
                };
                burst
            }
        };
        burst.ended = time;
        burst.stored.add(object);
        burst.logs.extend(log);
    }
    view
}

#[cfg(test)]
mod tests {
    use ownkey_storage::ObjectName;

    use super::*;

    fn object(name: &str, size: u64, at: u64) -> ObjectMeta {
        ObjectMeta {
            name: ObjectName::new(name).unwrap(),
            size,
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(at)),
            version: None,
        }
    }

    #[test]
    fn what_was_stored_without_a_long_pause_is_one_burst_with_those_whose_logs_grew() {
        let hash = "ab".repeat(32);
        let (one, other) = ("1".repeat(32), "2".repeat(32));
        let listed = [
            object(&format!("data/ab/{hash}"), 10, 1_000),
            object(&format!("log/{one}/{:016x}", 0), 4_096, 1_299),
            object(&format!("log/{one}/{:016x}", 1), 4_096, 1_300),
            object(&format!("log/{other}/{:016x}", 0), 8_192, 9_000),
            object("holiday-pictures", 7, 9_001),
        ];
        let view = of(&listed);
        let bursts: Vec<_> = view
            .bursts
            .iter()
            .map(|burst| (burst.stored.objects, burst.stored.bytes, burst.logs.len()))
            .collect();
        assert_eq!(bursts, [(3, 8_202, 1), (2, 8_199, 1)]);
        assert_eq!(view.logs.len(), 2);
        assert_eq!(view.kinds[&Kind::Logs].lengths, [4_096, 8_192].into());
        assert_eq!(view.kinds[&Kind::Foreign].objects, 1);
    }
}
