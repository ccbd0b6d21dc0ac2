//! Storing what gives access: roster entries, slots and grants, each under the hash of its bytes.

use ownkey_crypto::{Epoch, GrantName, ObjectHash, Sealed};

use crate::error::Result;
use crate::format::layout;
use crate::io::{Io, Outgoing};

/// Entry `n` of the roster.
pub(crate) fn roster_entry(io: &Io, n: u32, sealed: Sealed) -> Result<ObjectHash> {
    let hash = sealed.hash();
    io.create(&layout::roster_entry(n, &hash), Outgoing::Object(sealed))?;
    Ok(hash)
}

/// A slot.
pub(crate) fn slot(io: &Io, sealed: Sealed) -> Result<ObjectHash> {
    let hash = sealed.hash();
    io.create(&layout::slot(&hash), Outgoing::Slot(sealed))?;
    Ok(hash)
}

/// A grant for the identity whose grants have this name.
pub(crate) fn grant(io: &Io, of: &GrantName, epoch: Epoch, sealed: Sealed) -> Result<()> {
    let name = layout::grant(of, epoch, &sealed.hash());
    io.create(&name, Outgoing::Object(sealed))?;
    Ok(())
}
