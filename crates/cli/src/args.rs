//! What every command takes on the command line, and the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::folders::Lookup;
use crate::options::StorageOptions;
use crate::secrets::Sources;
use crate::ui::{Format, Verbosity};

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where the repository is: a path or a URL (ownkey help places)
    #[arg(
        short,
        long,
        global = true,
        value_name = "PLACE",
        env = "OWNKEY_REPOSITORY",
        hide_env_values = true
    )]
    pub(crate) repo: Option<OsString>,
    /// Take settings from this profile of config.toml
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "OWNKEY_PROFILE",
        hide_env_values = true
    )]
    pub(crate) profile: Option<String>,
    /// Read the password from this file (also OWNKEY_PASSWORD_FILE)
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from what this command prints (also OWNKEY_PASSWORD_COMMAND)
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        conflicts_with = "password_file"
    )]
    pub(crate) password_command: Option<OsString>,
    /// Read what the storage shows although it contradicts what was seen; nothing can be written then
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) despite_lies: bool,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say less: results, problems and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: every file as well
    #[arg(short, long, global = true, action = ArgAction::SetTrue, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say at the end where the time went
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) timings: bool,
    /// Take no more than about 48 MB of memory, and more time
    #[arg(
        long,
        global = true,
        env = "OWNKEY_LOW_MEMORY",
        hide_env = true,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub(crate) low_memory: bool,
    #[command(flatten)]
    pub(crate) storage: StorageOptions,
}

impl Global {
    /// How much is said.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, false) => Verbosity::Normal,
            (false, true) => Verbosity::Verbose,
        }
    }

    /// What standard output carries, for a command that prints results.
    pub(crate) fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }

    /// The password's sources on the command line.
    pub(crate) fn password_sources(&self) -> Sources {
        Sources {
            value: None,
            file: self.password_file.clone(),
            command: self.password_command.clone(),
        }
    }
}

/// The variables of this process.
pub(crate) fn environment() -> Lookup<'static> {
    &|name| std::env::var_os(name)
}
