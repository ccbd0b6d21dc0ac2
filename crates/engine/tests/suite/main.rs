//! The engine through its public face, over storages in memory and real trees of files.

mod access;
mod access_races;
mod as_of;
mod attacks;
mod backup;
mod browse;
mod canary;
mod case;
mod check;
mod copy;
mod crash;
mod forget;
mod gate;
mod hook;
mod logs;
mod look;
mod mirror;
mod mutations;
mod network;
mod prune;
mod repair;
mod requests;
mod restore;
mod retention;
mod silence;
mod world;
