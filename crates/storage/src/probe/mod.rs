//! What a storage really allows, found out by trying.
//!
//! Services claim much and do something else: some overwrite where they were told not to, some serve
//! what was absent a moment ago from a cache. Promise: everything is tried on fresh names beneath
//! `probe/`, nothing else is touched, what was created is deleted again, and what could not be
//! deleted is said. A storage is believed to create exclusively only if it did so in every round.

mod basics;
mod creation;
mod deletion;
mod freshness;
mod measures;
mod report;
mod wholeness;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::report::{Facts, Report, Row, Verdict};
use crate::capabilities::{CreateIfAbsent, Durability};
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::{ObjectName, Prefix};

/// Opens the same place again and again, each time through connections of its own.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens it so that creations trust the service's own condition (`Atomic`), or so that they look
    /// first (`Checked`). [`Retry`](crate::Retry) may stand before it, for services stumble; a cache
    /// must not.
    async fn open(&self, mode: CreateIfAbsent) -> Result<Arc<dyn Storage>, StorageError>;
}

/// What a probe needs from outside.
pub struct Surroundings<'s> {
    /// The time of day.
    pub now: &'s (dyn Fn() -> SystemTime + Send + Sync),
    /// Any number that no other probe of the place was given.
    pub random: u128,
}

/// How many connections take part.
const CONNECTIONS: usize = 4;

/// Tries out a storage.
///
/// # Errors
/// Where it cannot be opened, reached or written to. A storage that answers wrongly is no error
/// here; the [`Report`] refuses it.
pub async fn probe(
    opener: &dyn Opener,
    surroundings: &Surroundings<'_>,
) -> Result<Report, StorageError> {
    let mut bench = Bench::new(connect(opener, CreateIfAbsent::Atomic).await?, surroundings);
    if !bench.can_create().await? {
        // The condition alone is more than this service takes; looking first may be less.
        bench = Bench::new(
            connect(opener, CreateIfAbsent::Checked).await?,
            surroundings,
        );
        bench.mode = CreateIfAbsent::Checked;
    }
    let careful = opener.open(CreateIfAbsent::Checked).await?;
    let tried = bench.try_everything(&careful).await;
    let left_behind = bench.clean_up().await;
    match tried {
        Err(error) if error.kind() == StorageErrorKind::BrokenContract => bench.refuse(error),
        other => other?,
    }
    Ok(Report {
        rows: bench.rows,
        left_behind,
        facts: bench.facts,
        refusal: bench.refusal,
    })
}

async fn connect(opener: &dyn Opener, mode: CreateIfAbsent) -> Result<Connections, StorageError> {
    let (first, second) = (opener.open(mode).await?, opener.open(mode).await?);
    let mut more = Vec::new();
    for _ in 2..CONNECTIONS {
        more.push(opener.open(mode).await?);
    }
    Ok(Connections {
        first,
        second,
        more,
    })
}

/// Connections of one mode. The first one does what needs only one.
struct Connections {
    first: Arc<dyn Storage>,
    second: Arc<dyn Storage>,
    more: Vec<Arc<dyn Storage>>,
}

impl Connections {
    fn all(&self) -> impl Iterator<Item = &Arc<dyn Storage>> + Clone {
        [&self.first, &self.second].into_iter().chain(&self.more)
    }
}

/// Where things are tried, and what was found.
struct Bench<'s> {
    connections: Connections,
    mode: CreateIfAbsent,
    surroundings: &'s Surroundings<'s>,
    folder: String,
    created: Mutex<Vec<ObjectName>>,
    rows: Vec<Row>,
    facts: Facts,
    refusal: Option<StorageError>,
}

impl<'s> Bench<'s> {
    fn new(connections: Connections, surroundings: &'s Surroundings<'s>) -> Self {
        Self {
            connections,
            mode: CreateIfAbsent::Atomic,
            folder: format!("probe/{:032x}", surroundings.random),
            surroundings,
            created: Mutex::default(),
            rows: Vec::new(),
            facts: Facts::nothing_known(),
            refusal: None,
        }
    }

    /// Deletion comes first: where nothing can be deleted, less is created.
    async fn try_everything(&mut self, careful: &Arc<dyn Storage>) -> Result<(), StorageError> {
        self.try_deletion().await?;
        self.try_objects().await?;
        self.try_ranges().await?;
        self.try_listing().await?;
        self.try_creation(careful).await?;
        self.try_freshness().await?;
        self.try_wholeness().await?;
        self.try_versions().await?;
        self.try_retention().await?;
        self.measure_clock().await?;
        self.measure_speed().await?;
        self.note_durability();
        Ok(())
    }

    fn first(&self) -> &dyn Storage {
        &*self.connections.first
    }

    fn second(&self) -> &dyn Storage {
        &*self.connections.second
    }

    /// Whether anything at all can be created this way.
    async fn can_create(&self) -> Result<bool, StorageError> {
        let name = self.name("first")?;
        match self.first().create(&name, pattern(1, 0)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == StorageErrorKind::Unsupported => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A fresh name, which is cleaned up in the end.
    fn name(&self, text: &str) -> Result<ObjectName, StorageError> {
        let name = ObjectName::new(format!("{}/{text}", self.folder)).map_err(|broken| {
            let kind = StorageErrorKind::Other;
            StorageError::new(kind, Operation::Create, self.first().location()).caused_by(broken)
        })?;
        // A panic elsewhere leaves the list whole.
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.push(name.clone());
        Ok(name)
    }

    fn found(&mut self, what: &'static str, verdict: Verdict, meaning: impl Into<String>) {
        self.rows.push(Row {
            what,
            verdict,
            meaning: meaning.into(),
        });
    }

    fn broken(&self, operation: Operation, words: &'static str) -> StorageError {
        let kind = StorageErrorKind::BrokenContract;
        StorageError::new(kind, operation, self.first().location()).saying(words)
    }

    fn refuse(&mut self, refusal: StorageError) {
        self.found("usable", Verdict::Unusable, refusal.to_string());
        self.refusal = Some(refusal);
    }

    fn note_durability(&mut self) {
        match self.first().capabilities().durable {
            Durability::Yes => {}
            Durability::Unknown => self.found(
                "durability",
                Verdict::Unknown,
                "whether a backup survives a loss of power right after it is for the storage's owner to know",
            ),
            Durability::No => self.found(
                "durability",
                Verdict::Limited,
                "nothing here outlives the process that keeps it",
            ),
        }
    }
}

/// Bytes that show where they come from and stand nowhere twice.
fn pattern(length: usize, seed: u8) -> Bytes {
    (0..length as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed)
        .collect()
}

fn folder(text: &str, of: &Bench<'_>) -> Result<Prefix, StorageError> {
    Prefix::new(format!("{}/{text}/", of.folder)).map_err(|broken| {
        let kind = StorageErrorKind::Other;
        StorageError::new(kind, Operation::List, of.first().location()).caused_by(broken)
    })
}
