//! Whether two who create one name can both believe that they won.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Bench, Verdict, pattern};
use crate::capabilities::CreateIfAbsent;
use crate::contract::Storage;
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::ObjectName;
use crate::stopwatch::Stopwatch;

/// A service was seen that let one of 24 win in one round and 21 of them in another.
const ROUNDS: usize = 8;
/// Some services let racers wait for each other for seconds: what they do in a few rounds they do
/// in all, and somebody is waiting.
const FEWEST_ROUNDS: usize = 3;
const LONG_ENOUGH: Duration = Duration::from_secs(5);
const RACERS: usize = 16;

/// What a round has shown.
enum Round {
    OneWon,
    SeveralWon,
    /// Too many answers were lost to tell.
    Unclear,
}

impl Bench<'_> {
    pub(super) async fn try_creation(
        &mut self,
        careful: &Arc<dyn Storage>,
    ) -> Result<(), StorageError> {
        let reason = match self.mode {
            CreateIfAbsent::Atomic => self.why_to_look().await?,
            CreateIfAbsent::Checked => Some("it knows no other way"),
        };
        if let Some(reason) = reason {
            return self.creation_must_look(careful, reason).await;
        }
        self.facts.create_if_absent = CreateIfAbsent::Atomic;
        self.found(
            "exclusive creation",
            Verdict::Good,
            format!("of {RACERS} that create one name at the same moment exactly one wins"),
        );
        Ok(())
    }

    /// Why the service's own condition cannot be trusted, if it cannot.
    async fn why_to_look(&self) -> Result<Option<&'static str>, StorageError> {
        if !self.keeps_what_is_there(self.first(), "taken/bare").await? {
            return Ok(Some("it overwrites where it was told not to"));
        }
        let racing = Stopwatch::start();
        let mut clear = 0;
        let mut rounds = 0;
        while rounds < FEWEST_ROUNDS || (rounds < ROUNDS && racing.elapsed() < LONG_ENOUGH) {
            let round = rounds;
            rounds += 1;
            match self.race(round).await? {
                Round::OneWon => clear += 1,
                Round::Unclear => {}
                Round::SeveralWon => {
                    let why = "of several machines at the same moment more than one may win";
                    return Ok(Some(why));
                }
            }
        }
        Ok((clear < rounds.div_ceil(2)).then_some("too many answers were lost to tell"))
    }

    async fn creation_must_look(
        &mut self,
        careful: &Arc<dyn Storage>,
        why: &str,
    ) -> Result<(), StorageError> {
        if !self
            .keeps_what_is_there(&**careful, "taken/careful")
            .await?
        {
            return Err(self.broken(
                Operation::Create,
                "it overwrites objects even after they were looked up",
            ));
        }
        self.facts.create_if_absent = CreateIfAbsent::Checked;
        self.found(
            "exclusive creation",
            Verdict::Limited,
            format!("every creation looks first, which costs a request, because {why}"),
        );
        Ok(())
    }

    /// One after the other: the second creation is refused, and the first one's bytes stay.
    async fn keeps_what_is_there(
        &self,
        storage: &dyn Storage,
        text: &str,
    ) -> Result<bool, StorageError> {
        let name = self.name(text)?;
        let first = pattern(1000, 4);
        storage.create(&name, first.clone()).await?;
        match storage.create(&name, pattern(2000, 5)).await {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == StorageErrorKind::AlreadyExists => {
                Ok(storage.get(&name).await? == first)
            }
            Err(error) => Err(error),
        }
    }

    async fn race(&self, round: usize) -> Result<Round, StorageError> {
        let name = self.name(&format!("race/{round}"))?;
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = JoinSet::new();
        for (racer, storage) in self.connections.all().cycle().take(RACERS).enumerate() {
            racers.spawn(run(storage.clone(), name.clone(), racer, start.clone()));
        }
        let mut winners = Vec::new();
        let mut lost = 0;
        while let Some(raced) = racers.join_next().await {
            match raced {
                Ok((racer, Ok(()))) => winners.push(racer),
                Ok((_, Err(error))) if error.kind() == StorageErrorKind::AlreadyExists => {}
                Ok((_, Err(error))) if error.kind().is_transient() => lost += 1,
                Ok((_, Err(error))) => return Err(error),
                // A racer that was stopped has told nothing.
                Err(_) => lost += 1,
            }
        }
        match (winners.as_slice(), lost) {
            ([], _) => Ok(Round::Unclear),
            ([winner], lost) => {
                let stays = self.second().get(&name).await? == racing_body(*winner);
                Ok(match (stays, lost) {
                    (true, 0) => Round::OneWon,
                    (true, _) => Round::Unclear,
                    (false, _) => Round::SeveralWon,
                })
            }
            _ => Ok(Round::SeveralWon),
        }
    }
}

async fn run(
    storage: Arc<dyn Storage>,
    name: ObjectName,
    racer: usize,
    start: Arc<Barrier>,
) -> (usize, Result<(), StorageError>) {
    let body = racing_body(racer);
    start.wait().await;
    (racer, storage.create(&name, body).await)
}

/// Lengths differ, so that a mixture of two winners could not hide.
fn racing_body(racer: usize) -> Bytes {
    pattern(1000 + racer, racer as u8)
}
