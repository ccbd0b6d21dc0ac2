//! The real program on real files: one file per command, one test per mistake a user makes.
//!
//! These prove the wiring: arguments, settings, exit codes, messages, JSON. What the engine does is
//! proved in its own tests.

mod access;
mod backup;
mod browse;
mod check;
mod contacts;
mod copy;
mod credentials;
mod dump;
mod forget;
mod guard;
mod help;
mod home;
mod init;
mod kill;
mod lies;
mod mirror;
mod mistakes;
mod network;
mod oddities;
mod prune;
mod recover;
mod remote;
mod repair;
mod restore;
mod setup;
mod storage_key;
mod stream;
mod terminal;
