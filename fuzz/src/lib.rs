//! What the fuzz targets share: keys to seal with, a repository in memory, and boundaries by the book.
//!
//! Nothing here reaches into the product: no constructor exists for fuzzing. Bytes become `Opened` by computing them from
//! nothing, which the product's own code must not do (`tests/invariants/airlock.rs`), or by sealing them with real keys, as
//! a writer who holds keys and breaks the format would.

pub mod reference;
pub mod scene;

use std::sync::{Arc, Mutex};

use ownkey_crypto::{
    DedupKey, Epoch, Hedge, IdentitySeed, LogKey, LogKeys, NameKeys, Opened, Random, RandomFailed,
    ReadKey, ReaderKeys, RepoId,
};
use ownkey_testkit::SeededRandom;

/// Randomness that is the same in every run, so that a finding is found again.
pub struct Repeating(Mutex<SeededRandom>);

impl Repeating {
    /// The same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SeededRandom::new(seed)))
    }
}

impl Random for Repeating {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        let bytes = self.0.lock().map_err(|_| RandomFailed)?.bytes(out.len());
        out.copy_from_slice(&bytes);
        Ok(())
    }
}

/// One byte for ever: makes keys that are known.
pub struct Constant(pub u8);

impl Random for Constant {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        out.fill(self.0);
        Ok(())
    }
}

/// The repository that targets without a storage pretend to belong to.
pub fn repo() -> RepoId {
    RepoId::from_bytes([7; 32])
}

/// Keys of epoch 1 of [`repo`].
pub struct Keys {
    /// Read data.
    pub reader: ReaderKeys,
    /// Open logs and roster.
    pub log: LogKeys,
    /// Name chunks and cut them.
    pub names: NameKeys,
    /// Salts.
    pub hedge: Hedge,
}

impl Keys {
    /// Always the same.
    pub fn known() -> Self {
        let keys = "constant randomness does not fail";
        Self {
            reader: ReaderKeys::new(
                &ReadKey::generate(&Constant(1)).expect(keys),
                &repo(),
                Epoch::FIRST,
            ),
            log: LogKeys::new(
                &LogKey::generate(&Constant(2)).expect(keys),
                &repo(),
                Epoch::FIRST,
            ),
            names: NameKeys::new(&DedupKey::generate(&Constant(3)).expect(keys), &repo()),
            hedge: Hedge::new(
                &IdentitySeed::from_file_bytes(&[4; 32]),
                Arc::new(Repeating::new(5)),
            ),
        }
    }
}

/// Bytes as they come out of a sealed object.
pub fn opened(bytes: &[u8]) -> Opened {
    let copy = |_: &[u8]| Ok::<_, std::convert::Infallible>(bytes.to_vec());
    match Opened::join(&[]).derive(copy) {
        Ok(opened) => opened,
        Err(never) => match never {},
    }
}

/// `object` with `noise` over it from a place that its first two bytes tell; `None` if nothing changed.
pub fn disturbed(object: &[u8], noise: &[u8]) -> Option<Vec<u8>> {
    let (place, noise) = noise.split_first_chunk::<2>()?;
    let at = usize::from(u16::from_le_bytes(*place)) % object.len().max(1);
    let mut changed = object.to_vec();
    changed
        .iter_mut()
        .skip(at)
        .zip(noise)
        .for_each(|(byte, noise)| *byte ^= noise);
    (changed != object).then_some(changed)
}
