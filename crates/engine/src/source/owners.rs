//! User and group names of this machine, each asked for once.
//!
//! The name service may be a network away, and a tree has millions of files of few owners.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// A cache of names and numbers; share one per run.
#[derive(Debug, Default)]
pub struct OwnerNames {
    users: RwLock<HashMap<u32, Option<String>>>,
    groups: RwLock<HashMap<u32, Option<String>>>,
    uids: RwLock<HashMap<String, Option<u32>>>,
    gids: RwLock<HashMap<String, Option<u32>>>,
}

impl OwnerNames {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of a user here; `None` if there is none or it is no UTF-8.
    pub fn user(&self, uid: u32) -> Option<String> {
        remember(&self.users, uid, |uid| {
            uzers::get_user_by_uid(*uid).and_then(|user| user.name().to_str().map(bounded))?
        })
    }

    /// The name of a group here.
    pub fn group(&self, gid: u32) -> Option<String> {
        remember(&self.groups, gid, |gid| {
            uzers::get_group_by_gid(*gid).and_then(|group| group.name().to_str().map(bounded))?
        })
    }

    /// The number of a user of that name here.
    pub fn uid(&self, name: &str) -> Option<u32> {
        remember(&self.uids, name.to_owned(), |name| {
            // A NUL cannot be passed to the name service.
            (!name.contains('\0')).then(|| uzers::get_user_by_name(name).map(|user| user.uid()))?
        })
    }

    /// The number of a group of that name here.
    pub fn gid(&self, name: &str) -> Option<u32> {
        remember(&self.gids, name.to_owned(), |name| {
            (!name.contains('\0'))
                .then(|| uzers::get_group_by_name(name).map(|group| group.gid()))?
        })
    }
}

/// Names longer than a path component are nonsense from a broken name service.
fn bounded(name: &str) -> Option<String> {
    (!name.is_empty() && name.len() <= 255).then(|| name.to_owned())
}

fn remember<K, V, F>(cache: &RwLock<HashMap<K, V>>, key: K, ask: F) -> V
where
    K: Eq + Hash,
    V: Clone,
    F: FnOnce(&K) -> V,
{
    // A poisoned cache is still a cache: entries are inserted whole.
    if let Some(known) = cache
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
    {
        return known.clone();
    }
    let answer = ask(&key);
    cache
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, answer.clone());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_in_both_directions() {
        let names = OwnerNames::new();
        for _ in 0..2 {
            assert_eq!(names.user(0).as_deref(), Some("root"));
            assert_eq!(names.uid("root"), Some(0));
            assert_eq!(names.gid("root"), Some(0));
            assert_eq!(names.group(0).as_deref(), Some("root"));
        }
    }

    #[test]
    fn strangers_have_neither_name_nor_number() {
        let names = OwnerNames::new();
        assert_eq!(names.user(4_000_000_123), None);
        assert_eq!(names.uid("nobody of this name"), None);
        assert_eq!(names.uid("nul\0inside"), None);
        assert_eq!(names.gid(""), None);
    }
}
