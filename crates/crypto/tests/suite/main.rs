//! The crypto crate from outside: published vectors, frozen vectors of our own, and the attacks that must fail.

mod attacks_envelopes;
mod attacks_grants;
mod attacks_packs;
mod attacks_slots;
mod decoding;
mod frozen;
mod published;
mod support;
mod wycheproof_vectors;
