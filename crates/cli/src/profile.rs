//! Settings from `config.toml`: named profiles, each a repository and what goes into it.
//!
//! ```toml
//! [profile.default]
//! repository = "/mnt/backup/ownkey"
//! paths = ["/home/ann"]
//! preset = "home"
//! exclude = ["*.iso"]
//!
//! [profile.default.storage]
//! limit-upload = "2M"
//!
//! [profile.default.retention]
//! keep-daily = 7
//! ```
//!
//! The command line stands over the environment, the environment over the profile. A key that is
//! not known is an error: a misspelt exclude must not be found out by a restore.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::compression::Wish;
use crate::failure::Failure;
use crate::folders::SettingsFile;
use crate::habits::Habits;
use crate::options::StorageOptions;
use crate::parity;
use crate::retention::Retention;

/// What `config.toml` says about one repository.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Profile {
    /// The repository, as for `--repo`.
    pub(crate) repository: Option<PathBuf>,
    /// What `backup` backs up when it is given no path.
    #[serde(default)]
    pub(crate) paths: Vec<PathBuf>,
    /// As for `--exclude`, before those of the command line.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// As for `--preset`.
    pub(crate) preset: Option<String>,
    /// As for `--tag`, where the command line has none.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// As for `--compression`.
    pub(crate) compression: Option<Wish>,
    /// As for `--parity`.
    pub(crate) parity: Option<parity::Wish>,
    /// As for `--password-file`.
    pub(crate) password_file: Option<PathBuf>,
    /// As for `--password-command`.
    pub(crate) password_command: Option<String>,
    /// As for `--low-memory`.
    #[serde(default)]
    pub(crate) low_memory: bool,
    /// The way to the storage, under the names of the options.
    #[serde(default)]
    pub(crate) storage: StorageOptions,
    /// Which snapshots `forget` keeps, under the names of its options.
    #[serde(default)]
    pub(crate) retention: Retention,
    /// What of it backups carry along.
    #[serde(skip)]
    pub(crate) habits: Option<Habits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

/// The profile used when none is named.
const DEFAULT: &str = "default";

/// Reads the profile `name`, or the default one, which may be missing.
pub(crate) fn load(file: &SettingsFile, name: Option<&str>) -> Result<Profile, Failure> {
    let (path, text) = match file {
        SettingsFile::None => (Path::new("config.toml"), None),
        SettingsFile::Usual(path) => (path.as_path(), read(path, Missing::IsFine)?),
        SettingsFile::Named(path) => (path.as_path(), read(path, Missing::IsAnError)?),
    };
    let Some(text) = text else {
        return pick(Settings::default(), path, name);
    };
    let mut profile = pick(parse(path, &text)?, path, name)?;
    let settings = text.parse().ok();
    profile.habits = settings.and_then(|settings| Habits::of(&settings, name.unwrap_or(DEFAULT)));
    Ok(profile)
}

/// Whether this is what a settings file could hold.
pub(crate) fn is_understood(text: &str) -> bool {
    toml::from_str::<Settings>(text).is_ok()
}

enum Missing {
    IsFine,
    IsAnError,
}

fn read(path: &Path, missing: Missing) -> Result<Option<String>, Failure> {
    match (fs::read_to_string(path), missing) {
        (Ok(text), _) => Ok(Some(text)),
        (Err(error), Missing::IsFine) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        (Err(error), _) => Err(Failure::usage(format!(
            "cannot read the settings in {}",
            path.display()
        ))
        .caused_by(&error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<Settings, Failure> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let place = line
            .map(|line| format!(", line {line}"))
            .unwrap_or_default();
        let mut failure = Failure::usage(format!(
            "the settings in {}{place} make no sense",
            path.display()
        ));
        failure.causes.push(error.message().replace('\n', " "));
        failure
    })
}

fn pick(mut settings: Settings, path: &Path, name: Option<&str>) -> Result<Profile, Failure> {
    match (settings.profile.remove(name.unwrap_or(DEFAULT)), name) {
        (Some(profile), _) => Ok(profile),
        (None, None) => Ok(Profile::default()),
        (None, Some(name)) => {
            let known: Vec<String> = settings.profile.into_keys().collect();
            let hint = match known.as_slice() {
                [] => format!("there are no profiles in {}", path.display()),
                known => format!(
                    "the profiles in {} are: {}",
                    path.display(),
                    known.join(", ")
                ),
            };
            Err(Failure::usage(format!("there is no profile called {name}")).hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str, name: Option<&str>) -> Result<Profile, Failure> {
        let path = Path::new("/c/config.toml");
        pick(parse(path, text)?, path, name)
    }

    #[test]
    fn the_default_profile_needs_no_name() {
        let text = "[profile.default]\nrepository = \"/r\"\npaths = [\"/home/ann\"]\n";
        let found = profile(text, None).expect("a profile");
        assert_eq!(found.repository.as_deref(), Some(Path::new("/r")));
        assert_eq!(found.paths, [Path::new("/home/ann")]);
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_its_line() {
        let failure = profile("[profile.default]\nexcludes = []\n", None).expect_err("misspelt");
        assert!(failure.message.contains("line 2"), "{}", failure.message);
        assert!(
            failure.causes[0].contains("excludes"),
            "{:?}",
            failure.causes
        );
    }

    #[test]
    fn an_unknown_profile_lists_the_known_ones() {
        let failure = profile("[profile.work]\n", Some("wrok")).expect_err("unknown");
        assert!(failure.hints[0].contains("work"));
    }

    #[test]
    fn no_settings_at_all_are_fine() {
        assert_eq!(
            load(&SettingsFile::None, None).expect("defaults"),
            Profile::default()
        );
    }
}
