//! All bytes of a storage at one moment: to search them, to fork them, to roll back to them.

use std::collections::BTreeMap;
use std::collections::btree_map;

use bytes::Bytes;
use ownkey_storage::{MemoryStorage, ObjectName, Prefix, Storage, StorageError, list_all};

use crate::run::run_ready;

/// The names and bytes of every object of a storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dump {
    objects: BTreeMap<ObjectName, Bytes>,
}

/// How one dump differs from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Names that came.
    pub added: Vec<ObjectName>,
    /// Names that went.
    pub removed: Vec<ObjectName>,
    /// Names whose bytes are others: what an honest storage never has.
    pub changed: Vec<ObjectName>,
}

impl Dump {
    /// Reads all of a storage. Nobody may delete from it meanwhile.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn take(storage: &dyn Storage) -> Result<Self, StorageError> {
        let mut objects = BTreeMap::new();
        for object in list_all(storage, &Prefix::all()).await? {
            let body = storage.get(&object.name).await?;
            objects.insert(object.name, body);
        }
        Ok(Self { objects })
    }

    /// A new storage in memory with these objects.
    #[must_use]
    pub fn to_memory(&self) -> MemoryStorage {
        let storage = MemoryStorage::new();
        for (name, body) in &self.objects {
            // A storage in memory never waits, so one poll ends it, also inside a runtime.
            let created = storage.create(name, body.clone());
            match run_ready(created) {
                Ok(()) => {}
                Err(error) => panic!("a dump that no storage can hold: {error}"),
            }
        }
        storage
    }

    /// The bytes of an object.
    #[must_use]
    pub fn get(&self, name: &ObjectName) -> Option<&Bytes> {
        self.objects.get(name)
    }

    /// All objects by name.
    pub fn iter(&self) -> btree_map::Iter<'_, ObjectName, Bytes> {
        self.objects.iter()
    }

    /// The names that begin with a text.
    pub fn names_under<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a ObjectName> {
        self.objects
            .keys()
            .filter(move |name| name.as_str().starts_with(text))
    }

    /// The number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// All bytes together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.objects.values().map(|body| body.len() as u64).sum()
    }

    /// Puts an object, in place of another if there is one.
    pub fn insert(&mut self, name: ObjectName, body: impl Into<Bytes>) {
        self.objects.insert(name, body.into());
    }

    /// Takes an object away.
    pub fn remove(&mut self, name: &ObjectName) -> Option<Bytes> {
        self.objects.remove(name)
    }

    /// Changes the bytes of an object.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn edit(&mut self, name: &ObjectName, change: impl FnOnce(&mut Vec<u8>)) {
        let body = self.objects.get_mut(name).expect("an object to change");
        let mut bytes = body.to_vec();
        change(&mut bytes);
        *body = bytes.into();
    }

    /// Exchanges the bytes of two objects.
    ///
    /// # Panics
    /// When one of them is absent.
    pub fn swap(&mut self, one: &ObjectName, other: &ObjectName) {
        let first = self.remove(one).expect("the first object");
        let second = self.remove(other).expect("the second object");
        self.insert(one.clone(), second);
        self.insert(other.clone(), first);
    }

    /// The first object whose name or bytes hold a text: what a canary must not be found in.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<&ObjectName> {
        let found = self
            .objects
            .iter()
            .find(|(name, body)| holds(name.as_str().as_bytes(), text) || holds(body, text));
        found.map(|(name, _)| name)
    }

    /// What happened since an earlier dump.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Changes {
        let mut changes = Changes::default();
        for (name, body) in &self.objects {
            match earlier.get(name) {
                None => changes.added.push(name.clone()),
                Some(before) if before != body => changes.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        changes.removed = earlier
            .objects
            .keys()
            .filter(|name| !self.objects.contains_key(*name))
            .cloned()
            .collect();
        changes
    }
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return true;
    };
    let mut from = body;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;

    fn name(text: &str) -> ObjectName {
        ObjectName::new(text).expect("a name")
    }

    #[test]
    fn a_dump_becomes_the_same_storage_again() {
        let mut dump = Dump::default();
        dump.insert(name("a/b"), &b"one"[..]);
        dump.insert(name("c"), &b""[..]);
        let storage = dump.to_memory();
        let again = block_on(Dump::take(&storage)).expect("a dump");
        assert_eq!(again, dump);
        assert_eq!(again.total_bytes(), 3);
    }

    #[test]
    fn changes_since_an_earlier_dump_are_told_apart() {
        let mut earlier = Dump::default();
        earlier.insert(name("same"), &b"s"[..]);
        earlier.insert(name("edited"), &b"e"[..]);
        earlier.insert(name("gone"), &b"g"[..]);
        let mut later = earlier.clone();
        later.edit(&name("edited"), |bytes| bytes.push(0));
        later.remove(&name("gone"));
        later.insert(name("new"), &b"n"[..]);
        let changes = later.since(&earlier);
        assert_eq!(changes.added, [name("new")]);
        assert_eq!(changes.changed, [name("edited")]);
        assert_eq!(changes.removed, [name("gone")]);
    }

    #[test]
    fn a_canary_is_found_wherever_it_hides() {
        let mut dump = Dump::default();
        dump.insert(name("data/x"), &b"aacacanary"[..]);
        assert_eq!(dump.find(b"canary"), Some(&name("data/x")));
        assert_eq!(dump.find(b"data/"), Some(&name("data/x")));
        assert_eq!(dump.find(b"canaryx"), None);
        assert_eq!(dump.find(b"acac"), Some(&name("data/x")));
    }
}
