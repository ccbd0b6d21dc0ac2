//! The ownkey program.

mod archive;
mod args;
mod bills;
mod clock;
mod commands;
mod confirm;
mod context;
mod engine_failure;
mod excludes;
mod exit;
mod failure;
mod folders;
mod founding;
mod keys;
mod kit;
mod location;
mod moment;
mod opening;
mod options;
mod phrase;
mod profile;
mod program;
mod prompt;
mod read_back;
mod relay;
mod remembered;
mod secrets;
mod session;
mod signals;
mod size;
mod span;
mod spec;
mod stdin;
mod strength;
mod ui;

fn main() -> std::process::ExitCode {
    program::run()
}
