//! The index of a repository: which segments count, and whose word is relied on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ownkey_crypto::{Capabilities, DeviceId, ObjectHash, object_hash};

use super::manifest::Manifest;
use super::segments::Stored;
use super::{Home, Index, Named, Trust, Upkeep};
use crate::error::Result;
use crate::format::entry::PackName;
use crate::log_state::Condemned;
use crate::repository::Repository;
use crate::roster::Member;

/// What an index must not let new snapshots rely on, beside what is condemned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Avoid {
    pub(crate) packs: HashSet<PackName>,
}

impl Index {
    /// The index of every segment that an entry names, with what this machine has of it already.
    pub(crate) fn load(repository: &Repository, avoid: &Avoid) -> Result<Self> {
        let upkeep = match repository.earlier() {
            None => Upkeep::Kept,
            // What was named then is not what is named now.
            Some(_) => Upkeep::Afresh,
        };
        Self::of(repository, avoid, upkeep)
    }

    /// The same as the storage shows it, whatever this machine has. If segments turn out to be
    /// missing or damaged, what it has is not used again either, so that their chunks are stored anew.
    pub(crate) fn examine(repository: &Repository, avoid: &Avoid) -> Result<Self> {
        let index = Self::of(repository, avoid, Upkeep::Afresh)?;
        if let Some(folder) = index.home.folder.as_deref()
            && !index.broken_segments.is_empty()
            && repository.earlier().is_none()
        {
            Manifest::discard(folder);
        }
        Ok(index)
    }

    fn of(repository: &Repository, avoid: &Avoid, upkeep: Upkeep) -> Result<Self> {
        let condemned = repository.logs.condemned();
        let segments = Arc::new(Stored::of(repository));
        let named = named(repository, &condemned);
        let mut index = Self::open(home(repository, upkeep), segments, &named)?;
        if !condemned.packs.is_empty() || !avoid.packs.is_empty() {
            index.doubt(&|pack| condemned.packs.contains(pack) || avoid.packs.contains(pack))?;
        }
        Ok(index)
    }
}

fn home(repository: &Repository, upkeep: Upkeep) -> Home {
    let environment = &repository.environment;
    // Another identity has another key, and another location may show less.
    let whose = format!("{}\n{}", repository.me(), repository.location());
    let whose = object_hash(whose.as_bytes()).to_string();
    let folder = environment.indexes.as_ref().map(|indexes| {
        let of_repository = indexes.join(repository.id().to_string());
        of_repository.join(whose.get(..32).unwrap_or(&whose))
    });
    Home {
        folder,
        key: Arc::clone(&repository.state_key),
        random: Arc::clone(&environment.random),
        upkeep,
    }
}

fn named(repository: &Repository, condemned: &Condemned) -> Vec<Named> {
    let segments = repository.logs.segments();
    // Who may not read knows what it wrote itself, and relies on nothing else.
    let is_known = |author: &DeviceId| repository.keys.may_read() || *author == repository.me();
    let mut places: HashMap<ObjectHash, usize> = HashMap::new();
    let mut named: Vec<Named> = Vec::new();
    for (author, segment) in segments.filter(|(author, _)| is_known(author)) {
        let nth = *places.entry(segment).or_insert(named.len());
        if nth == named.len() {
            let trust = match condemned.segments.contains(&segment) {
                true => Trust::Condemned,
                false => Trust::Doubtful,
            };
            named.push(Named { segment, trust });
        }
        // One author whose word counts is enough: nobody takes it away by naming the same segment.
        if let Some(named) = named.get_mut(nth)
            && named.trust == Trust::Doubtful
            && is_trusted(repository, &author)
        {
            named.trust = Trust::Reliable;
        }
    }
    named
}

/// Whether new snapshots may rely on what a device says of chunks. A write-only device cannot
/// read, so nobody could check it. What a removed device named may yet be cut away
/// (docs/adr/0007-look-rule.md).
pub(crate) fn is_trusted(repository: &Repository, author: &DeviceId) -> bool {
    let member = repository.roster().member(author);
    let counts = |member: &Member| {
        member.capabilities.contain(Capabilities::READ)
            && (member.removed.is_none() || member.cut.is_some())
    };
    *author == repository.me() || member.is_some_and(counts)
}
