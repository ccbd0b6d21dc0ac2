//! From the command line and the profile to the engine's exclude rules.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ownkey_engine::source::{Case, Excludes, ExcludesBuilder, InvalidRule, presets};

use crate::failure::Failure;
use crate::profile::Profile;
use crate::size;

/// What to leave out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What to leave out")]
pub(crate) struct ExcludeArgs {
    /// Leave out what matches; gitignore's patterns, `!` takes back
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Read such patterns from a file, one a line
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,
    /// Leave out the contents of folders with this file in them, or with NAME:HEADER only if it
    /// begins so
    #[arg(long, value_name = "NAME[:HEADER]")]
    exclude_if_present: Vec<String>,
    /// Leave out the contents of folders that are marked as caches with a CACHEDIR.TAG
    #[arg(long, value_name = "yes|no", default_value = "yes", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    exclude_caches: Answer,
    /// Leave out files larger than this, such as 500M
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    exclude_larger_than: Option<u64>,
    /// A ready-made list of patterns: `ownkey help excludes` shows it
    #[arg(long, value_enum, value_name = "NAME")]
    preset: Option<PresetName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Answer {
    Yes,
    No,
}

/// The lists there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetName {
    /// What a home folder has that programs make again, or that was thrown away
    Home,
    /// Nothing
    None,
}

impl ExcludeArgs {
    /// The rules: preset, profile, files, command line; later ones stand over earlier ones.
    pub(crate) fn rules(
        &self,
        profile: &Profile,
        unsaid: PresetName,
    ) -> Result<ExcludesBuilder, Failure> {
        let mut builder = Excludes::builder();
        if self.preset(profile, unsaid)? == PresetName::Home {
            for home in homes() {
                add_preset(&mut builder, &home)?;
            }
        }
        for pattern in &profile.exclude {
            builder
                .pattern(pattern, Case::Distinct)
                .map_err(|error| invalid(&error))?;
        }
        for path in &self.exclude_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("cannot read the exclude file {}", path.display()))
                    .caused_by(&error)
            })?;
            builder.file(path, &text).map_err(|error| invalid(&error))?;
        }
        for pattern in &self.exclude {
            builder
                .pattern(pattern, Case::Distinct)
                .map_err(|error| invalid(&error))?;
        }
        for tag in &self.exclude_if_present {
            builder.if_present(tag).map_err(|error| invalid(&error))?;
        }
        if self.exclude_caches == Answer::Yes {
            builder.caches().map_err(|error| invalid(&error))?;
        }
        if let Some(bytes) = self.exclude_larger_than {
            builder.larger_than(bytes);
        }
        Ok(builder)
    }

    fn preset(&self, profile: &Profile, unsaid: PresetName) -> Result<PresetName, Failure> {
        match (self.preset, &profile.preset) {
            (Some(preset), _) => Ok(preset),
            (None, None) => Ok(unsaid),
            (None, Some(name)) => PresetName::from_str(name, false).map_err(|_| {
                Failure::usage(format!("the profile's preset {name} is unknown"))
                    .hint("the presets are home and none")
            }),
        }
    }
}

/// A rule that cannot be understood, as a mistake of the command line.
pub(crate) fn invalid(error: &InvalidRule) -> Failure {
    Failure::usage("an exclude rule makes no sense").caused_by(error)
}

fn add_preset(builder: &mut ExcludesBuilder, home: &Path) -> Result<(), Failure> {
    let patterns = presets::HOME
        .iter()
        .filter_map(|preset| preset.anchored(home));
    for pattern in patterns {
        builder
            .pattern(&pattern, Case::Distinct)
            .map_err(|error| invalid(&error))?;
    }
    Ok(())
}

/// The home folders the preset is for: this user's; for root, everybody's.
fn homes() -> Vec<PathBuf> {
    let own = std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute());
    let mut homes: Vec<PathBuf> = own.into_iter().collect();
    if rustix::process::getuid().is_root() {
        let others = std::fs::read_dir("/home")
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        homes.extend(others.map(|entry| entry.path()));
    }
    homes.sort();
    homes.dedup();
    homes
}
