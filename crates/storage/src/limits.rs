//! What bounds every storage.

/// The most bytes of one object: 64 MiB of contents and 8 MiB of padding and parity.
///
/// Objects are read whole into memory, so this bounds what a hostile storage can make us allocate.
pub const MAX_OBJECT_BYTES: u64 = 72 << 20;
