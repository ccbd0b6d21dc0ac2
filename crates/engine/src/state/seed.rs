//! Files that hold an identity's seed: the device key of a repository, and the keys of a recovery contact.
//!
//! The one place where a seed is written outside a slot. Mode 0600, never over another one, never uploaded.

use std::path::Path;

use ownkey_crypto::IdentitySeed;

use super::file;
use crate::error::{Error, Result};

/// What such a file begins with, so that no other file is taken for one.
pub(crate) type Magic = [u8; 16];

/// The seed in a file; `None` if there is no such file.
pub(crate) fn load(path: &Path, magic: &Magic) -> Result<Option<IdentitySeed>> {
    let Some(bytes) = file::read_bounded(path, 64)?.map(zeroize::Zeroizing::new) else {
        return Ok(None);
    };
    let seed = bytes
        .strip_prefix(magic)
        .and_then(|seed| seed.try_into().ok());
    let seed: &[u8; 32] = seed.ok_or_else(|| Error::StateTampered(path.to_owned()))?;
    Ok(Some(IdentitySeed::from_file_bytes(seed)))
}

/// Keeps a seed; never overwrites one.
pub(crate) fn store(path: &Path, magic: &Magic, seed: &IdentitySeed) -> Result<()> {
    let mut bytes = zeroize::Zeroizing::new(magic.to_vec());
    bytes.extend_from_slice(seed.expose_for_file());
    file::create_private(path, &bytes)
}
