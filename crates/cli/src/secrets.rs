//! Where passwords and keys come from: files, commands, the environment. Never the command line.
//!
//! Within one level (flags, environment, profile) naming two sources is an error, for one of them
//! would be ignored silently. Everything read is erased when dropped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::folders::Lookup;

/// Longest secret that is read, in bytes; nobody types more, and a wrong file is noticed.
const LIMIT: u64 = 4096;
/// Longest text with secrets in it: a kit as a page, with its square, is some 60 KiB.
const LIMIT_OF_TEXT: u64 = 1 << 20;

/// One level's sources of one secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) value: Option<OsString>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) command: Option<OsString>,
}

impl Sources {
    /// Those of the environment: `NAME`, `NAME_FILE`, `NAME_COMMAND`.
    pub(crate) fn of_environment(environment: Lookup<'_>, name: &str) -> Self {
        Self {
            value: environment(name),
            file: environment(&format!("{name}_FILE")).map(PathBuf::from),
            command: environment(&format!("{name}_COMMAND")),
        }
    }

    fn count(&self) -> usize {
        usize::from(self.value.is_some())
            + usize::from(self.file.is_some())
            + usize::from(self.command.is_some())
    }
}

/// A kind of secret, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// As in "the password".
    pub(crate) noun: &'static str,
    /// The environment variable, which its `_FILE` and `_COMMAND` follow.
    pub(crate) variable: &'static str,
}

impl Kind {
    /// The same of the other repository of a command that has two.
    pub(crate) fn of_the_other(self) -> Self {
        [
            (PASSWORD, TO_PASSWORD),
            (KIT_SECRET, TO_KIT_SECRET),
            (RECOVERY_KEY, TO_RECOVERY_KEY),
            (DEVICE_PASSPHRASE, TO_DEVICE_PASSPHRASE),
        ]
        .into_iter()
        .find(|(this, _)| this.variable == self.variable)
        .map_or(self, |(_, other)| other)
    }

    /// The secret in a line of a kit: `recovery key:   Y8KC-…`.
    fn of_kit(self, line: &str) -> Option<&str> {
        Some(line.strip_prefix(self.noun)?.strip_prefix(':')?.trim())
    }
}

/// What people type.
pub(crate) const PASSWORD: Kind = Kind {
    noun: "password",
    variable: "OWNKEY_PASSWORD",
};
/// What a password is changed to.
pub(crate) const NEW_PASSWORD: Kind = Kind {
    noun: "new password",
    variable: "OWNKEY_NEW_PASSWORD",
};
/// What the key of this machine may be kept behind.
pub(crate) const DEVICE_PASSPHRASE: Kind = Kind {
    noun: "device passphrase",
    variable: "OWNKEY_DEVICE_PASSPHRASE",
};
/// What it is changed to.
pub(crate) const NEW_DEVICE_PASSPHRASE: Kind = Kind {
    noun: "new device passphrase",
    variable: "OWNKEY_NEW_DEVICE_PASSPHRASE",
};
/// What the kit of a repository made with `--kit-secret` adds to the password.
pub(crate) const KIT_SECRET: Kind = Kind {
    noun: "kit secret",
    variable: "OWNKEY_KIT_SECRET",
};
/// The way back that the kit holds.
pub(crate) const RECOVERY_KEY: Kind = Kind {
    noun: "recovery key",
    variable: "OWNKEY_RECOVERY_KEY",
};

pub(crate) const TO_PASSWORD: Kind = Kind {
    noun: "password",
    variable: "OWNKEY_TO_PASSWORD",
};
const TO_KIT_SECRET: Kind = Kind {
    noun: "kit secret",
    variable: "OWNKEY_TO_KIT_SECRET",
};
const TO_RECOVERY_KEY: Kind = Kind {
    noun: "recovery key",
    variable: "OWNKEY_TO_RECOVERY_KEY",
};
const TO_DEVICE_PASSPHRASE: Kind = Kind {
    noun: "device passphrase",
    variable: "OWNKEY_TO_DEVICE_PASSPHRASE",
};

/// What a WebDAV server asks for.
pub(crate) const WEBDAV_PASSWORD: Kind = Kind {
    noun: "WebDAV password",
    variable: "OWNKEY_WEBDAV_PASSWORD",
};
/// What a server of restic's REST protocol asks for.
pub(crate) const REST_PASSWORD: Kind = Kind {
    noun: "REST password",
    variable: "OWNKEY_REST_PASSWORD",
};

/// Reads the secret from the first level that names a source.
pub(crate) fn find(kind: Kind, levels: &[Sources]) -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(level) = levels.iter().find(|level| level.count() > 0) else {
        return Ok(None);
    };
    if level.count() > 1 {
        let (noun, variable) = (kind.noun, kind.variable);
        return Err(
            Failure::usage(format!("the {noun} is given in more than one way")).hint(format!(
                "keep one of {variable}, {variable}_FILE and {variable}_COMMAND, or one flag"
            )),
        );
    }
    let secret = match level {
        Sources {
            value: Some(value), ..
        } => from_value(kind, value)?,
        Sources {
            file: Some(path), ..
        } => from_file(kind, path)?,
        Sources {
            command: Some(command),
            ..
        } => from_command(kind, command)?,
        _ => return Ok(None),
    };
    if secret.is_empty() {
        return Err(Failure::usage(format!("the {} is empty", kind.noun)));
    }
    Ok(Some(secret))
}

fn from_value(kind: Kind, value: &OsStr) -> Result<Zeroizing<String>, Failure> {
    let text = value.to_str().ok_or_else(|| not_text(kind))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn from_file(kind: Kind, path: &Path) -> Result<Zeroizing<String>, Failure> {
    one_line(kind, &bytes_of(kind.noun, path, LIMIT)?)
}

/// A file of several lines with a secret among them.
pub(crate) fn text_of(noun: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = bytes_of(noun, path, LIMIT_OF_TEXT)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::usage(format!("the {noun} is not UTF-8 text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn bytes_of(noun: &str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = File::open(path).and_then(|file| read_bounded(file, limit));
    read.map_err(|error| {
        let message = format!("cannot read the {noun} from {}", path.display());
        Failure::usage(message).caused_by(&error)
    })
}

fn from_command(kind: Kind, command: &OsStr) -> Result<Zeroizing<String>, Failure> {
    let failed =
        |how: String| Failure::usage(format!("the command that tells the {} {how}", kind.noun));
    // A command that reads the terminal (a password manager's unlock) keeps our standard input.
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed("cannot be started".to_owned()).caused_by(&error))?;
    let bytes = child.stdout.take().map_or_else(
        || Ok(Zeroizing::default()),
        |output| read_bounded(output, LIMIT),
    );
    let status = child
        .wait()
        .map_err(|error| failed("was lost".to_owned()).caused_by(&error))?;
    let bytes = bytes.map_err(|error| failed("cannot be read".to_owned()).caused_by(&error))?;
    if !status.success() {
        return Err(failed(match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "failed".to_owned(),
        }));
    }
    one_line(kind, &bytes)
}

fn read_bounded(from: impl io::Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Reserved once, so that growing leaves no copy of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit as usize + 1));
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// The secret without the line end that editors and `echo` add. More lines are a wrong file, unless
/// it is the kit itself, which names its secrets.
fn one_line(kind: Kind, bytes: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_text(kind))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if let Some(named) = text
        .lines()
        .find_map(|line| kind.of_kit(line))
        .filter(|_| line.contains('\n'))
    {
        return Ok(Zeroizing::new(named.to_owned()));
    }
    if line.contains('\n') {
        return Err(
            Failure::usage(format!("the {} has more than one line", kind.noun))
                .hint("the file or command must give it alone on one line"),
        );
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn not_text(kind: Kind) -> Failure {
    Failure::usage(format!("the {} is not UTF-8 text", kind.noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Sources {
        Sources {
            command: Some(text.into()),
            ..Sources::default()
        }
    }

    fn password(levels: &[Sources]) -> Result<Option<String>, Failure> {
        Ok(find(PASSWORD, levels)?.map(|secret| secret.to_string()))
    }

    #[test]
    fn the_first_level_that_names_a_source_wins() {
        let value = Sources {
            value: Some("from value".into()),
            ..Sources::default()
        };
        let levels = [Sources::default(), command("echo from command"), value];
        assert_eq!(
            password(&levels).expect("a password").as_deref(),
            Some("from command")
        );
        assert_eq!(password(&[]).expect("none"), None);
    }

    #[test]
    fn a_file_loses_its_line_end_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p");
        std::fs::write(&path, " two words \r\n").expect("a file");
        let level = Sources {
            file: Some(path),
            ..Sources::default()
        };
        assert_eq!(
            password(&[level]).expect("a password").as_deref(),
            Some(" two words ")
        );
    }

    #[test]
    fn two_sources_at_one_level_are_an_error() {
        let both = Sources {
            value: Some("a".into()),
            ..command("echo b")
        };
        assert!(password(&[both]).expect_err("two").hints[0].contains("OWNKEY_PASSWORD_FILE"));
    }

    #[test]
    fn empty_many_lines_too_long_and_not_text_are_errors() {
        for text in [
            "true",
            "printf 'a\\nb\\n'",
            "head -c 5000 /dev/zero",
            "printf '\\377'",
        ] {
            assert!(password(&[command(text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn the_kit_itself_can_be_given_for_the_secrets_in_it() {
        let level = command("printf 'KIT\\n\\nrecovery key:   AB-CD\\nkit secret:     KIT-EF\\n'");
        let found = |kind| {
            find(kind, std::slice::from_ref(&level))
                .map(|secret| secret.map(|text| text.to_string()))
        };
        assert_eq!(
            found(RECOVERY_KEY).expect("a key").as_deref(),
            Some("AB-CD")
        );
        assert_eq!(
            found(KIT_SECRET).expect("a secret").as_deref(),
            Some("KIT-EF")
        );
        assert!(found(PASSWORD).is_err());
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_its_code() {
        let failure = password(&[command("echo secret; exit 7")]).expect_err("failed");
        assert!(failure.message.contains("code 7"), "{}", failure.message);
        assert!(
            !format!("{failure:?}").contains("secret"),
            "what it printed is not repeated"
        );
    }
}
