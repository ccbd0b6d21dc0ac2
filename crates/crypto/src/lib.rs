//! The zero-knowledge core of ownkey: keys, sealing, slots, ids, padding, boundaries. Bytes in, bytes out.
