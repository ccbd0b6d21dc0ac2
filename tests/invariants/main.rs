//! The rules of the house, read from the manifests, the sources and the papers themselves.
//!
//! Who may know whom, what may appear where, which secrets may be written where, and whether the papers say
//! what is so. A rule that no test reads is a wish (docs/style.md).

mod airlock;
mod escrow;
mod exceptions;
mod layering;
mod licences;
mod modules;
mod papers;
mod sources;
mod words;
