//! Inodes with several names, within bounded memory.
//!
//! An inode is forgotten with the last of its names. One whose other names lie outside what is
//! backed up is never complete, and there may be millions of them (a tree made with `cp -al`),
//! so only so many are known at a time; who uses this must do without for the rest.

use std::collections::HashMap;

use ownkey_crypto::{ChunkType, NameKeys};

use crate::source::FileId;

/// An inode that has several names.
#[derive(Clone, Copy)]
pub(crate) struct Inode {
    pub(crate) id: FileId,
    /// How many names it has, here and elsewhere.
    pub(crate) names: u32,
}

/// What is known of inodes some of whose names are still to come.
pub(crate) struct Linked<V> {
    known: HashMap<FileId, (V, u32)>,
    most: usize,
}

impl<V: Clone> Linked<V> {
    /// Knows at most `most` inodes at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            known: HashMap::new(),
            most,
        }
    }

    /// What is known of an inode at another of its names.
    pub(crate) fn again(&mut self, inode: Inode) -> Option<V> {
        let (value, left) = self.known.get_mut(&inode.id)?;
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Some(value.clone());
        }
        self.known.remove(&inode.id).map(|(value, _)| value)
    }

    /// Keeps what is known of an inode at the first of its names; `false` if there is no room.
    pub(crate) fn first(&mut self, inode: Inode, value: V) -> bool {
        let room = self.known.len() < self.most;
        if room {
            let left = inode.names.saturating_sub(1);
            self.known.insert(inode.id, (value, left));
        }
        room
    }
}

/// Numbers for the groups of a snapshot's hard links.
pub(crate) struct Groups<'k> {
    linked: Linked<u64>,
    names: &'k NameKeys,
    /// Once there was no room for an inode: all that are new then go without.
    full: bool,
}

impl<'k> Groups<'k> {
    /// 12 MiB.
    const MOST: usize = 224 << 10;

    pub(crate) fn new(names: &'k NameKeys) -> Self {
        Self::with_room(Self::MOST, names)
    }

    fn with_room(most: usize, names: &'k NameKeys) -> Self {
        Self {
            linked: Linked::new(most),
            names,
            full: false,
        }
    }

    /// The group of an inode, asked for at each of its names: made from the path of the first, so
    /// that trees stay the same while it does.
    ///
    /// Without room it is made from the numbers of device and inode, which need no memory and are the
    /// same at every name, but on some file systems others after each reboot. Two groups of one
    /// number are as likely as two equal words of 64 random bits; a restore compares what it links.
    pub(crate) fn of(&mut self, inode: Inode, path: &[u8]) -> u64 {
        if let Some(group) = self.linked.again(inode) {
            return group;
        }
        if !self.full {
            let group = self.number(path);
            self.full = !self.linked.first(inode, group);
            if !self.full {
                return group;
            }
        }
        // No path begins with NUL.
        let mut numbers = vec![0];
        numbers.extend_from_slice(&inode.id.dev.to_le_bytes());
        numbers.extend_from_slice(&inode.id.ino.to_le_bytes());
        self.number(&numbers)
    }

    fn number(&self, of: &[u8]) -> u64 {
        let id = self.names.chunk_id(ChunkType::List, of);
        let word = id.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(word).max(1)
    }
}

#[cfg(test)]
mod tests {
    use ownkey_crypto::{DedupKey, OsRandom, RepoId};

    use super::*;

    fn inode(ino: u64, names: u32) -> Inode {
        let id = FileId { dev: 7, ino };
        Inode { id, names }
    }

    fn keys() -> NameKeys {
        let dedup = DedupKey::generate(&OsRandom).unwrap();
        NameKeys::new(&dedup, &RepoId::from_bytes([3; 32]))
    }

    #[test]
    fn an_inode_is_forgotten_with_its_last_name() {
        let mut linked = Linked::new(9);
        assert!(linked.again(inode(1, 3)).is_none());
        assert!(linked.first(inode(1, 3), "first"));
        assert_eq!(linked.again(inode(1, 3)), Some("first"));
        assert_eq!(linked.again(inode(1, 3)), Some("first"));
        assert_eq!(linked.again(inode(1, 3)), None);
    }

    #[test]
    fn no_more_inodes_are_known_than_there_is_room_for() {
        let mut linked = Linked::new(2);
        let kept: Vec<bool> = (0..4).map(|ino| linked.first(inode(ino, 2), ino)).collect();
        assert_eq!(kept, [true, true, false, false]);
        assert_eq!(linked.again(inode(0, 2)), Some(0));
        assert!(linked.first(inode(3, 2), 3), "the first was complete");
    }

    #[test]
    fn all_names_of_an_inode_have_one_group_and_no_other_has_it() {
        let keys = keys();
        let mut groups = Groups::with_room(2, &keys);
        let mut found: Vec<Vec<u64>> = vec![Vec::new(); 5];
        // Inodes complete meanwhile make room, which must not tear the others apart.
        for round in 0..3 {
            for ino in 0..5 {
                let path = format!("/{round}/{ino}");
                let at = usize::try_from(ino).unwrap();
                found[at].push(groups.of(inode(ino, 3), path.as_bytes()));
            }
        }
        let mut all: Vec<u64> = found.iter().map(|of_one| of_one[0]).collect();
        assert!(
            found
                .iter()
                .all(|of_one| of_one.iter().all(|g| *g == of_one[0]))
        );
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn with_room_a_group_is_that_of_the_first_path_whatever_the_inode() {
        let keys = keys();
        let one = Groups::new(&keys).of(inode(1, 2), b"/a");
        let other = Groups::new(&keys).of(inode(2, 9), b"/a");
        assert_eq!(one, other);
        assert_ne!(one, Groups::new(&keys).of(inode(1, 2), b"/b"));
    }
}
