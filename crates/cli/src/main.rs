//! The ownkey program.

mod archive;
mod args;
mod armor;
mod bills;
mod clock;
mod commands;
mod compression;
mod confirm;
mod context;
mod engine_failure;
mod excludes;
mod exit;
mod failure;
mod folders;
mod founding;
mod gathering;
mod guard;
mod habits;
mod keychain;
mod keys;
mod kit;
mod location;
mod members;
mod memory_dumps;
mod moment;
mod new_password;
mod opening;
mod options;
mod parity;
mod phrase;
mod profile;
mod program;
mod prompt;
mod read_back;
mod relay;
mod remembered;
mod retention;
mod secrets;
mod session;
mod signals;
mod silence;
mod size;
mod span;
mod spec;
mod stdin;
mod storage_key;
mod strength;
mod ui;
mod ways;
mod witnesses;

/// The walk allocates what the trees free, and readers what uploads free: with one lock for each
/// arena they wait for each other at every file.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    memory_dumps::refuse();
    program::run()
}
