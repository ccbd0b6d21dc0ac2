//! The engine through its public face, over storages in memory and real trees of files.

mod backup;
mod case;
mod check;
mod restore;
mod world;
