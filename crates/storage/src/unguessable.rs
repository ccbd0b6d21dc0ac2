//! Names for what is not yet an object.
//!
//! Promise: two creators never meet at a name, and nobody can wait at it.

use std::fmt::Write as _;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// Where the system has no randomness to give.
pub(crate) fn unguessable_name() -> Result<String, Errno> {
    let mut random = [0; 16];
    let filled = getrandom(&mut random, GetRandomFlags::empty())?;
    if filled != random.len() {
        return Err(Errno::IO);
    }
    let mut name = String::with_capacity(2 * random.len());
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}
