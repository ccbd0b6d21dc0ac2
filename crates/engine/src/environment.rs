//! What the engine is given: time, randomness, folders, and threads for storage.

use std::path::PathBuf;
use std::sync::Arc;

use ownkey_crypto::Random;

use crate::format::time::Clock;
use crate::memory::Memory;

/// Tells whether the user asked to stop. Asked several times a second while the storage is waited
/// for, from any thread.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// The surroundings of a run. Tests pass their own, so that every run can be repeated.
#[derive(Clone)]
pub struct Environment {
    /// Tells the time, for people; no safety rests on it.
    pub clock: Arc<dyn Clock>,
    /// Where secrets and salts come from.
    pub random: Arc<dyn Random>,
    /// This machine's keys and memory of what it saw; losing it costs an enrolment.
    pub state: PathBuf,
    /// What tells this machine from others, if anything does: keys that were copied here with a folder or
    /// an image are not used. No secret rests on it.
    pub machine: Option<[u8; 32]>,
    /// What can be fetched or computed again.
    pub cache: PathBuf,
    /// Where the indexes of repositories are kept from run to run, below the cache; none keeps them
    /// in memory.
    pub indexes: Option<PathBuf>,
    /// Runs the storage's futures; of several threads, and with timers.
    pub runtime: tokio::runtime::Handle,
    /// Ends every wait for the storage.
    pub stop: Stop,
    /// How much memory a run may take.
    pub memory: Memory,
}
