//! Where this program keeps things on this machine (XDG base directories).
//!
//! The environment is passed in, so that every rule here is tested. Works without a home folder
//! when told where the state is; says what to set when it cannot know.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Looks up one environment variable.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The folders of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folders {
    /// This machine's keys and its memory of what it saw.
    pub(crate) state: PathBuf,
    /// What can be fetched or computed again.
    pub(crate) cache: PathBuf,
}

impl Folders {
    /// Finds both, without making them.
    pub(crate) fn find(environment: Lookup<'_>) -> Result<Self, Failure> {
        let state = told(environment, "OWNKEY_STATE_DIR")?
            .or_else(|| base(environment, "XDG_STATE_HOME", ".local/state"));
        let Some(state) = state else {
            return Err(Failure::usage(
                "there is no home folder, so this machine's keys have no place",
            )
            .hint("set OWNKEY_STATE_DIR to a folder that survives restarts and is not shared"));
        };
        let cache = told(environment, "OWNKEY_CACHE_DIR")?
            .or_else(|| base(environment, "XDG_CACHE_HOME", ".cache"))
            .unwrap_or_else(|| state.join("cache"));
        Ok(Self { state, cache })
    }
}

/// The settings file: the one named by `OWNKEY_CONFIG`, which must then exist, or the usual one.
pub(crate) fn settings_file(environment: Lookup<'_>) -> Result<SettingsFile, Failure> {
    match told(environment, "OWNKEY_CONFIG")? {
        Some(path) => Ok(SettingsFile::Named(path)),
        None => Ok(match base(environment, "XDG_CONFIG_HOME", ".config") {
            Some(folder) => SettingsFile::Usual(folder.join("config.toml")),
            None => SettingsFile::None,
        }),
    }
}

/// Where settings are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingsFile {
    /// Named by the user: it must exist.
    Named(PathBuf),
    /// The usual place: it may be missing.
    Usual(PathBuf),
    /// There is no place to look.
    None,
}

impl SettingsFile {
    /// Its path, if there is a place for it.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) | Self::Usual(path) => Some(path),
            Self::None => None,
        }
    }
}

/// Where `setup` makes a local repository unless told otherwise.
pub(crate) fn default_repository(environment: Lookup<'_>) -> Result<PathBuf, Failure> {
    base(environment, "XDG_DATA_HOME", ".local/share")
        .map(|data| data.join("repository"))
        .ok_or_else(|| {
            Failure::usage("there is no home folder to put a repository in")
                .hint("say where it should be: ownkey setup --repo PATH …")
        })
}

/// A folder or file that the user named; must be absolute, because runs start anywhere.
fn told(environment: Lookup<'_>, variable: &str) -> Result<Option<PathBuf>, Failure> {
    let Some(value) = environment(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(value);
    if path.is_absolute() {
        return Ok(Some(path));
    }
    Err(Failure::usage(format!(
        "{variable} is not an absolute path: {}",
        path.display()
    )))
}

/// `ownkey` under an XDG base folder. Relative values are ignored, as the XDG specification asks.
fn base(environment: Lookup<'_>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment(name)
            .map(PathBuf::from)
            .filter(|path| Path::is_absolute(path))
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join("ownkey"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        }
    }

    #[test]
    fn folders_follow_xdg_under_home() {
        let folders = Folders::find(&with(&[("HOME", "/h")])).expect("folders");
        assert_eq!(folders.state, Path::new("/h/.local/state/ownkey"));
        assert_eq!(folders.cache, Path::new("/h/.cache/ownkey"));
        let environment = [
            ("HOME", "/h"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_CACHE_HOME", "relative"),
        ];
        let folders = Folders::find(&with(&environment)).expect("folders");
        assert_eq!(folders.state, Path::new("/s/ownkey"));
        assert_eq!(folders.cache, Path::new("/h/.cache/ownkey"));
    }

    #[test]
    fn without_home_the_state_folder_is_enough() {
        let folders = Folders::find(&with(&[("OWNKEY_STATE_DIR", "/s")])).expect("folders");
        assert_eq!(folders.cache, Path::new("/s/cache"));
        let environment = [("OWNKEY_STATE_DIR", "/s")];
        assert_eq!(
            settings_file(&with(&environment)).expect("a place"),
            SettingsFile::None
        );
    }

    #[test]
    fn without_home_and_state_the_error_says_what_to_set() {
        let failure = Folders::find(&with(&[])).expect_err("no place");
        assert!(failure.hints[0].contains("OWNKEY_STATE_DIR"));
    }

    #[test]
    fn a_relative_state_folder_is_refused() {
        assert!(Folders::find(&with(&[("OWNKEY_STATE_DIR", "s")])).is_err());
    }
}
