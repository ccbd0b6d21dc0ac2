//! Ways back: recovery identities and the slots that give their seeds to a human.

use ownkey_crypto::{
    Capabilities, DeviceId, Identity, IdentitySeed, ObjectHash, Slot, SlotContent, SlotKind,
};
use ownkey_storage::ObjectName;

use super::Admin;
use crate::error::Result;
use crate::format::layout;
use crate::format::roster::{Change, Introduced, Role};
use crate::repository::{Repository, Way, put};
use crate::roster::strangers::Acquaintances;

/// A slot of the roster as the storage has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotOf {
    /// The recovery identity whose seed it holds.
    pub device: DeviceId,
    /// Its name.
    pub slot: ObjectHash,
    /// What opens it; `None` if it is missing or damaged.
    pub kind: Option<SlotKind>,
}

/// The slots of every way back that stands.
///
/// # Errors
/// Those of the storage.
pub fn slots_of(repository: &Repository) -> Result<Vec<SlotOf>> {
    let mut found = Vec::new();
    let standing = repository
        .roster
        .members()
        .filter(|member| member.removed.is_none());
    for member in standing {
        for slot in &member.slots {
            let bytes = repository.io.find(&layout::slot(slot))?;
            let parsed = bytes.and_then(|bytes| Slot::parse(&bytes, slot, &repository.id()).ok());
            found.push(SlotOf {
                device: member.id,
                slot: *slot,
                kind: parsed.map(|slot| slot.kind()),
            });
        }
    }
    Ok(found)
}

/// The slots and grants in the storage that belong to nobody who ever was in the roster.
///
/// # Errors
/// Those of the storage.
pub fn strangers(repository: &Repository) -> Result<Vec<ObjectName>> {
    let known = Acquaintances::of(&repository.roster, &repository.id());
    let listed = repository.io.list(&layout::keys())?;
    let names = listed.into_iter().map(|object| object.name);
    Ok(names.filter(|name| known.lack(name)).collect())
}

impl Admin<'_> {
    /// Adds a way back, which may do everything.
    ///
    /// # Errors
    /// [`SealSlot`](crate::Error::SealSlot); those of storing.
    pub fn add_way_back(&mut self, label: &str, way: &Way<'_>) -> Result<DeviceId> {
        let random = self.repository.environment.random.as_ref();
        let repo = self.repository.id();
        let content = SlotContent {
            seed: IdentitySeed::generate(random)?,
            label: label.to_owned(),
        };
        let sealed = way.seal(&content, &repo, random)?;
        let slot = put::slot(&self.repository.io, sealed)?;
        let public = Identity::from_seed(&content.seed).public().clone();
        let device = self.repository.keys.names.device_id(&public);
        self.introduce(
            Introduced {
                public,
                role: Role::Recovery,
                capabilities: Capabilities::ALL,
                label: label.to_owned(),
            },
            device,
        )?;
        self.append(&Change::Slot {
            device,
            slot,
            added: true,
        })?;
        Ok(device)
    }
}
