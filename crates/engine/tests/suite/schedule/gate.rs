//! A scheduler: of all machines that wait for the storage, one at a time goes on, and a seed says which.
//!
//! Every operation of the storage is one step, and so is every single delete of a batch. A step is taken only when
//! each machine that still runs waits for one, so that the seed and not the operating system decides; what a
//! machine's own threads do between two steps is theirs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use ownkey_storage::{
    Capabilities, DeleteOutcome, Location, ObjectName, Operation, Page, Prefix, Retention, Storage,
    StorageError, StorageErrorKind, VersionId, VersionMark, VersionPage,
};
use ownkey_testkit::SeededRandom;
use tokio::sync::oneshot;

/// When a machine stops for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) machine: usize,
    /// At which of its steps.
    pub(super) step: u64,
    /// Whether that step is still done, though nobody hears of it.
    pub(super) done: bool,
}

/// Where all machines wait.
pub(super) struct Gate {
    held: Mutex<Held>,
    inner: Arc<dyn Storage>,
}

struct Held {
    random: SeededRandom,
    death: Option<Death>,
    machines: BTreeMap<usize, Machine>,
    /// The step that is being taken.
    busy: Option<u64>,
    /// How many steps were asked for.
    asked: u64,
    /// Who has taken which step, for who wants to see what happened.
    taken: Vec<(usize, String)>,
    /// How long the same machine goes on, if it can: some see long runs of one, others none.
    stubborn: u64,
    last: usize,
}

#[derive(Default)]
struct Machine {
    steps: u64,
    dead: bool,
    /// By what they want, so that the order in which threads came does not matter.
    waiting: BTreeMap<(String, u64), oneshot::Sender<Fate>>,
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Taken, and the machine stops before it hears of it.
    Last,
    Dead,
}

impl Gate {
    pub(super) fn new(
        seed: u64,
        machines: usize,
        death: Option<Death>,
        inner: Arc<dyn Storage>,
    ) -> Arc<Self> {
        let mut random = SeededRandom::new(seed);
        let stubborn = [0, 2, 10][usize::from(random.bytes(1)[0]) % 3];
        Arc::new(Self {
            held: Mutex::new(Held {
                random,
                death,
                machines: (0..machines)
                    .map(|number| (number, Machine::default()))
                    .collect(),
                busy: None,
                asked: 0,
                taken: Vec::new(),
                stubborn,
                last: 0,
            }),
            inner,
        })
    }

    /// The storage as one machine sees it.
    pub(super) fn storage(self: &Arc<Self>, machine: usize) -> Arc<dyn Storage> {
        Arc::new(Seat {
            gate: Arc::clone(self),
            machine,
        })
    }

    /// A machine has done all it wanted.
    pub(super) fn leave(&self, machine: usize) {
        let mut held = self.held();
        held.machines.remove(&machine);
        held.go_on();
    }

    pub(super) fn taken(&self) -> Vec<(usize, String)> {
        self.held().taken.clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn step<T>(
        &self,
        machine: usize,
        operation: Operation,
        name: &str,
        take: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let (go, wait) = oneshot::channel();
        let asked = {
            let mut held = self.held();
            held.asked += 1;
            let number = held.asked;
            if let Some(machine) = held.machines.get_mut(&machine) {
                let key = (format!("{operation:?} {name}"), number);
                machine.waiting.insert(key, go);
            }
            held.go_on();
            number
        };
        let _turn = Turn {
            gate: self,
            machine,
            asked,
        };
        let dead = || {
            let kind = StorageErrorKind::Unavailable;
            StorageError::new(kind, operation, self.inner.location())
        };
        match wait.await.unwrap_or(Fate::Dead) {
            Fate::Dead => Err(dead()),
            Fate::Taken => take.await,
            Fate::Last => {
                let _ = take.await;
                Err(dead())
            }
        }
    }
}

/// A step that somebody waits for or takes; over when it was taken, or when nobody wants it any more.
struct Turn<'g> {
    gate: &'g Gate,
    machine: usize,
    asked: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut held = self.gate.held();
        if let Some(machine) = held.machines.get_mut(&self.machine) {
            machine.waiting.retain(|(_, asked), _| *asked != self.asked);
        }
        if held.busy == Some(self.asked) {
            held.busy = None;
        }
        held.go_on();
    }
}

impl Held {
    fn go_on(&mut self) {
        for machine in self.machines.values_mut().filter(|machine| machine.dead) {
            for go in std::mem::take(&mut machine.waiting).into_values() {
                let _ = go.send(Fate::Dead);
            }
        }
        while self.busy.is_none() {
            let alive = self.machines.iter().filter(|(_, machine)| !machine.dead);
            let ready: Vec<(usize, bool)> = alive
                .map(|(number, machine)| (*number, !machine.waiting.is_empty()))
                .collect();
            if ready.is_empty() || ready.iter().any(|(_, waits)| !waits) {
                return;
            }
            let number = self.choose(&ready);
            self.take(number);
        }
    }

    fn choose(&mut self, ready: &[(usize, bool)]) -> usize {
        let dice = u64::from_le_bytes(self.random.bytes(8).try_into().unwrap());
        let again = ready.iter().any(|(number, _)| *number == self.last);
        if again && self.stubborn > 0 && dice % (self.stubborn + 1) != 0 {
            return self.last;
        }
        let nth = usize::try_from(dice >> 8).unwrap() % ready.len();
        ready[nth].0
    }

    fn take(&mut self, number: usize) {
        let Some(machine) = self.machines.get_mut(&number) else {
            return;
        };
        self.last = number;
        let Some(((key, asked), go)) = machine.waiting.pop_first() else {
            return;
        };
        let dies = self
            .death
            .filter(|death| death.machine == number && death.step == machine.steps);
        machine.steps += 1;
        let fate = match dies {
            None => Fate::Taken,
            Some(Death { done: true, .. }) => Fate::Last,
            Some(_) => Fate::Dead,
        };
        machine.dead = fate != Fate::Taken;
        // Whoever gave up waiting takes no step.
        let heard = go.send(fate).is_ok();
        if heard && fate != Fate::Dead {
            self.busy = Some(asked);
            self.taken.push((number, key));
        }
    }
}

/// One machine's place at the gate.
struct Seat {
    gate: Arc<Gate>,
    machine: usize,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Storage for Seat {
    async fn create(&self, name: &ObjectName, body: Bytes) -> Result<(), StorageError> {
        let create = self.gate.inner.create(name, body);
        self.gate
            .step(self.machine, Operation::Create, name.as_str(), create)
            .await
    }

    async fn get(&self, name: &ObjectName) -> Result<Bytes, StorageError> {
        let get = self.gate.inner.get(name);
        self.gate
            .step(self.machine, Operation::Get, name.as_str(), get)
            .await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, StorageError> {
        let get = self.gate.inner.get_range(name, range);
        self.gate
            .step(self.machine, Operation::GetRange, name.as_str(), get)
            .await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let list = self.gate.inner.list(prefix, after, limit);
        self.gate
            .step(self.machine, Operation::List, prefix.as_str(), list)
            .await
    }

    async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let mut outcomes = Vec::new();
        for name in names {
            let delete = async { Ok(self.gate.inner.delete(std::slice::from_ref(name)).await) };
            let step = self
                .gate
                .step(self.machine, Operation::Delete, name.as_str(), delete);
            match step.await {
                Ok(done) => outcomes.extend(done),
                Err(error) => outcomes.push((name.clone(), DeleteOutcome::Failed(error))),
            }
        }
        outcomes
    }

    async fn versions(
        &self,
        prefix: &Prefix,
        after: Option<&VersionMark>,
        limit: usize,
    ) -> Result<VersionPage, StorageError> {
        self.gate.inner.versions(prefix, after, limit).await
    }

    async fn get_version(
        &self,
        name: &ObjectName,
        version: &VersionId,
    ) -> Result<Bytes, StorageError> {
        self.gate.inner.get_version(name, version).await
    }

    async fn retention(&self, name: &ObjectName) -> Result<Retention, StorageError> {
        self.gate.inner.retention(name).await
    }

    async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        self.gate.inner.extend_retention(name, until).await
    }

    fn capabilities(&self) -> Capabilities {
        self.gate.inner.capabilities()
    }

    fn location(&self) -> &Location {
        self.gate.inner.location()
    }
}
