//! The commands: one file each. This one lists them, grouped by task, and calls the right one.

mod accept;
mod access;
mod backup;
mod check;
mod completions;
mod contact;
mod copy;
mod device;
mod diff;
mod dump;
mod find;
mod fingerprint;
mod forget;
mod grammar;
mod help;
mod init;
mod key;
mod ls;
mod man;
mod mirror;
mod pin;
mod provider_view;
mod prune;
mod recover;
mod recovery;
mod repair;
mod requests;
mod restore;
mod rotate;
mod second;
mod setup;
mod snapshots;
mod stats;
mod storage;
mod unforget;
mod version;
mod witness;

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Subcommand;

use crate::args::Global;
use crate::bills;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::signals::Interrupt;
use crate::ui::{Format, Ui};

pub(crate) use grammar::{Cli, grammar};
pub(crate) use snapshots::described;

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make or open a repository, back up, and read back: everything at once
    Setup(setup::SetupArgs),
    /// Make a repository and its recovery kit
    Init(init::InitArgs),
    /// Save files and folders as a new snapshot
    Backup(backup::BackupArgs),
    /// List the snapshots
    #[command(visible_alias = "list")]
    Snapshots(snapshots::SnapshotsArgs),
    /// List what is in a snapshot
    Ls(ls::LsArgs),
    /// Find files by name in all snapshots
    Find(find::FindArgs),
    /// Compare two snapshots
    Diff(diff::DiffArgs),
    /// Say how large everything is
    Stats(stats::StatsArgs),
    /// Get everything back on an empty machine, with the recovery kit
    Recover(recover::RecoverArgs),
    /// Get files back
    Restore(restore::RestoreArgs),
    /// Write a file, or a folder as an archive, to standard output
    Dump(dump::DumpArgs),
    /// Take snapshots out of the list, by name or by a policy; `unforget` has them back
    Forget(forget::ForgetArgs),
    /// Have forgotten snapshots back, until `prune` has run
    Unforget(unforget::UnforgetArgs),
    /// Keep snapshots from being forgotten
    Pin(pin::PinArgs),
    /// Let pinned snapshots be forgotten again
    Unpin(pin::PinArgs),
    /// Give back the space of what no snapshot needs any more
    Prune(prune::PruneArgs),
    /// Find out whether everything is there and right
    Check(check::CheckArgs),
    /// Make good what is damaged, from what is left; nothing is deleted
    #[command(subcommand)]
    Repair(repair::RepairCommand),
    /// Copy snapshots into another repository, which has keys of its own
    Copy(copy::CopyArgs),
    /// Keep the same objects at a second place, byte for byte; needs no password
    Mirror(mirror::MirrorArgs),
    /// Eight words that say whether two machines are shown the same
    Fingerprint(fingerprint::FingerprintArgs),
    /// Other places that remember what the storage showed
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    /// Accept what the storage shows although it contradicts what was seen
    Accept(accept::AcceptArgs),
    /// What whoever runs the storage sees of this repository; needs no key
    ProviderView,
    /// What the storage allows
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// The machines that have a key of the repository
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// What opens the repository; change the password
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The ways back for when every machine is gone
    #[command(subcommand)]
    Recovery(recovery::RecoveryCommand),
    /// Keep a share for somebody, and help them; needs no repository
    #[command(subcommand)]
    Contact(contact::ContactCommand),
    /// Begin new keys, which nobody has who was removed
    Rotate(rotate::RotateArgs),
    /// Who and what can open the repository, since when, and by which way
    Access,
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages into a folder
    Man(man::ManArgs),
    /// Print the version
    Version,
    /// Explain a command, or `places`, `storage`, `excludes`, `exit-codes`
    Help(help::HelpArgs),
}

/// The order of the help: what people come for first, first.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Be safe", &["setup", "init", "backup"]),
    ("Get it back", &["restore", "recover", "dump"]),
    (
        "Look at what is there",
        &["snapshots", "ls", "find", "diff", "stats"],
    ),
    (
        "Keep it tidy",
        &["forget", "unforget", "pin", "unpin", "prune"],
    ),
    (
        "Trust, but check",
        &[
            "check",
            "repair",
            "fingerprint",
            "witness",
            "accept",
            "provider-view",
            "storage",
        ],
    ),
    ("Keep two", &["copy", "mirror"]),
    (
        "Keys",
        &["access", "device", "key", "recovery", "rotate", "contact"],
    ),
    ("This program", &["help", "version", "completions", "man"]),
];

impl Command {
    /// What standard output carries while this command runs.
    pub(crate) fn output(&self, global: &Global) -> Format {
        match self {
            Self::Dump(_) => Format::Content,
            _ => global.format(),
        }
    }
}

/// Does the command, which the user called `name`.
pub(crate) fn run(
    cli: Cli,
    name: &str,
    ui: &Arc<Ui>,
    interrupt: Interrupt,
) -> Result<Class, Failure> {
    // These need no settings, and must work where the settings are broken.
    match &cli.command {
        Command::Completions(args) => return completions::run(ui, args),
        Command::Man(args) => return man::run(ui, args),
        Command::Version => return version::run(ui),
        Command::Help(args) => return help::run(ui, args),
        _ => {}
    }
    let cx = Context::new(cli.global, Arc::clone(ui), interrupt)?;
    let done = done(&cx, &cli.command);
    bills::keep(&cx, name);
    done
}

fn done(cx: &Context, command: &Command) -> Result<Class, Failure> {
    match command {
        Command::Setup(args) => setup::run(cx, args),
        Command::Init(args) => init::run(cx, args),
        Command::Backup(args) => backup::run(cx, args),
        Command::Check(args) => check::run(cx, args),
        Command::Repair(command) => repair::run(cx, command),
        Command::Diff(args) => diff::run(cx, args),
        Command::Copy(args) => copy::run(cx, args),
        Command::Mirror(args) => mirror::run(cx, args),
        Command::Dump(args) => dump::run(cx, args),
        Command::Find(args) => find::run(cx, args),
        Command::Fingerprint(args) => fingerprint::run(cx, args),
        Command::Forget(args) => forget::run(cx, args),
        Command::Unforget(args) => unforget::run(cx, args),
        Command::Pin(args) => pin::run(cx, args),
        Command::Unpin(args) => pin::undo(cx, args),
        Command::Stats(args) => stats::run(cx, args),
        Command::Ls(args) => ls::run(cx, args),
        Command::Recover(args) => recover::run(cx, args),
        Command::Restore(args) => restore::run(cx, args),
        Command::Prune(args) => prune::run(cx, args),
        Command::Snapshots(args) => snapshots::run(cx, args),
        Command::Witness(command) => witness::run(cx, command),
        Command::Accept(args) => accept::run(cx, args),
        Command::ProviderView => provider_view::run(cx),
        Command::Storage(command) => storage::run(cx, command),
        Command::Device(command) => device::run(cx, command),
        Command::Key(command) => key::run(cx, command),
        Command::Recovery(command) => recovery::run(cx, command),
        Command::Contact(command) => contact::run(cx, command),
        Command::Rotate(args) => rotate::run(cx, args),
        Command::Access => access::run(cx),
        Command::Completions(_) | Command::Man(_) | Command::Version | Command::Help(_) => {
            Ok(Class::Ok)
        }
    }
}

/// The commands by group, for the top of the help.
pub(crate) fn listing(grammar: &clap::Command) -> String {
    let mut out = String::new();
    for (group, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{group}:");
        for name in names {
            let about = grammar
                .find_subcommand(name)
                .and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(out, "  {name:<12} {about}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_command_once() {
        let grammar = grammar();
        let mut listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        listed.sort_unstable();
        let mut known: Vec<&str> = grammar
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
