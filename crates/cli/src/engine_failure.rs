//! From the engine's errors to a sentence, a code, and what to do next.

use ownkey_engine::{Class as EngineClass, Error, Lie};
use ownkey_storage::{StorageError, StorageErrorKind};

use crate::exit::Class;
use crate::failure::Failure;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let class = class(error.class());
        let mut failure = Self::new(class, error.to_string());
        if let Some(source) = std::error::Error::source(&error) {
            failure = failure.caused_by(source);
        }
        for hint in hints(&error, class) {
            failure = failure.hint(hint);
        }
        if let Error::Storage(error) = &error {
            for hint in of_service(error) {
                failure = failure.hint(hint);
            }
        }
        failure
    }
}

/// A storage's error stands in the engine's table.
impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Error::from(error).into()
    }
}

/// The engine's classes as the program's.
fn class(class: EngineClass) -> Class {
    match class {
        EngineClass::Failure => Class::Failure,
        EngineClass::NoRepository => Class::NoRepository,
        EngineClass::WrongCredential => Class::WrongCredential,
        EngineClass::Damage => Class::Damage,
        EngineClass::StorageLied => Class::StorageLied,
        EngineClass::Unreachable => Class::Unreachable,
        EngineClass::Full => Class::Full,
        EngineClass::Cancelled => Class::Interrupted,
    }
}

/// What to do about a service on a network, where its kind is known by its place.
fn of_service(error: &StorageError) -> Vec<&'static str> {
    let place = error.location().as_str();
    let protocol = place.split(':').next().unwrap_or_default();
    match (error.kind(), protocol) {
        (StorageErrorKind::NoSuchRepositoryFolder, "s3") => vec![
            "make the bucket first, in the service's console or with `aws s3 mb s3://BUCKET --endpoint-url https://HOST`",
        ],
        (StorageErrorKind::NoSuchRepositoryFolder, "sftp") => vec![
            "check the path: sftp://HOST/PATH starts at the root, sftp://HOST/~/PATH in the home folder there",
        ],
        (StorageErrorKind::PermissionDenied, "s3") => vec![
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile in ~/.aws), and that these keys may use the bucket",
        ],
        (StorageErrorKind::PermissionDenied, "sftp") => {
            vec!["try `sftp USER@HOST`: what ssh cannot do there, ownkey cannot either"]
        }
        (StorageErrorKind::PermissionDenied, "webdav") => vec![
            "check OWNKEY_WEBDAV_USER and OWNKEY_WEBDAV_PASSWORD; many services want an app password here",
        ],
        (StorageErrorKind::PermissionDenied, "rest") => {
            vec!["check OWNKEY_REST_USER and OWNKEY_REST_PASSWORD"]
        }
        (StorageErrorKind::BrokenContract, _) if error.location().as_folder().is_none() => vec![
            "`ownkey storage probe` tries out what this storage does; a proxy or cache on the way may be the reason",
        ],
        _ => Vec::new(),
    }
}

fn hints(error: &Error, class: Class) -> Vec<&'static str> {
    match (error, class) {
        (Error::Storage(error), Class::NoRepository) if error.location().as_folder().is_none() => {
            Vec::new()
        }
        (Error::NoRepository(place), _) if !place.starts_with('/') => vec![
            "check the URL; the bucket or server answers, and there is no repository under this path",
            "to make a new repository there: ownkey init, or ownkey setup for everything at once",
        ],
        // A missing folder says by itself what to check.
        (Error::Storage(_), Class::NoRepository) => vec![
            "to make a new repository there: ownkey init, or ownkey setup for everything at once",
        ],
        (_, Class::NoRepository) => vec![
            "check the path, and that the disk is mounted",
            "to make a new repository there: ownkey init, or ownkey setup for everything at once",
        ],
        (Error::RepositoryExists(_), _) => {
            vec!["to use it: ownkey backup; to make another one, give another place"]
        }
        (Error::Lie(Lie::IdentityCopied), _) => {
            vec![
                "if this machine was cloned or restored from an image, remove its state folder and open the repository with the password",
            ]
        }
        (Error::Lie(Lie::NotPinned), _) => vec![
            "if another machine showed these words: type there what `ownkey fingerprint` shows here. Known there: this machine is \
             shown an older state; not known there either: the storage shows each of them another history",
            "do not delete anything, and have the words read to you once more",
        ],
        (Error::Lie(_), _) => vec![
            "do not delete anything: ask who else can write to that storage, and whether it was restored from a copy",
            "what is shown may be an older state; backups made since may be missing from it",
            "to read what is shown all the same: --despite-lies; an admin who knows the reason lets every machine go on with ownkey accept",
        ],
        (Error::NoSnapshot(_) | Error::AmbiguousSnapshot { .. }, _) => {
            vec!["`ownkey snapshots` lists them; `latest` and `latest~1` are names too"]
        }
        (Error::TooLate { .. }, _) => {
            vec!["a prune has run, or has begun: look for a mirror, or for versions with --as-of"]
        }
        (Error::Pinned(_), _) => {
            vec!["`ownkey unpin SNAPSHOT` first; `ownkey snapshots` shows what is pinned"]
        }
        (Error::NoPath(_), _) => vec!["`ownkey ls SNAPSHOT` lists what is in it"],
        (Error::StateTampered(_), _) => vec![
            "this machine's memory of the repository cannot be trusted; ask who had access to its state folder",
        ],
        (Error::Locked, _) => {
            vec!["wait until the other run has ended; it cannot be left over from a crash"]
        }
        (Error::NeedsUnknown { .. }, _) => vec![
            "`ownkey check` says what is damaged; a backup stores anew what still exists, then prune again",
        ],
        (Error::RemovalUnfinished, _) => {
            vec!["an admin's `ownkey device remove` of the same device ends it; then prune again"]
        }
        (Error::StaleReads(_), _) => vec![
            "`ownkey storage probe` says what was seen; look for a cache or a proxy on the way, then prune again",
        ],
        (Error::Unsettled(_), _) => vec!["check again when nobody prunes"],
        (Error::NothingToBackUp, _) => vec!["check the paths, and as which user this runs"],
        (Error::WorkerLost, _) => {
            vec!["nothing stored is lost; run it again, and report what was printed above"]
        }
        (_, Class::Damage) => vec![
            "`ownkey check --read-data` names every file concerned; files that still exist are stored anew by the next backup",
        ],
        (_, Class::Full) => {
            vec!["free space there and run the same command again; nothing stored is lost"]
        }
        (_, Class::Unreachable) => {
            vec!["check the connection or the disk, then run the same command again"]
        }
        (_, Class::Interrupted) => vec!["run the same command again to go on"],
        _ => about_access(error),
    }
}

/// What to do where somebody does not get in.
fn about_access(error: &Error) -> Vec<&'static str> {
    match error {
        Error::NotEnrolled(_) => vec![
            "give the password (OWNKEY_PASSWORD_FILE, --password-command), or the recovery key when asked",
        ],
        Error::WrongCredential {
            credential: "secret of the contacts",
            ..
        } => vec![
            "the answers fit one another, and what they opened was replaced: these shares are old, ask for the newer ones",
        ],
        Error::WrongCredential { .. } => vec![
            "check the keyboard layout and caps lock; nothing was changed and nothing is locked by trying",
            "the recovery key of the kit opens it too: type it when asked for the password",
        ],
        Error::DeviceKeyGuarded(_) | Error::WrongGuard(_) => vec![
            "if what it is kept behind is lost, get a new key: ownkey device request --new-key; nothing else is lost with it",
        ],
        Error::NoGrant => vec![
            "if this machine asked to be let in, approve it on another one: ownkey device approve CODE",
            "if it was removed, ask anew: ownkey device request; the recovery key of the kit opens it too",
        ],
        Error::NoRequest => vec![
            "type the code as the new machine shows it, and check that both name the same repository",
        ],
        Error::RemovedBefore => {
            vec!["ask for a new code on that machine: ownkey device request"]
        }
        Error::AlreadyEnrolled(_) => {
            vec!["it needs no approval; `ownkey device list` shows it"]
        }
        Error::Shares(_) => {
            vec!["each contact's answer is a line that begins with ownkey-answer:"]
        }
        Error::NotAShare(_) => vec![
            "a share opens only on the machine where that contact ran `ownkey contact new`",
            "an answer fits only the code it was made for: show the code again and ask once more",
        ],
        Error::Contended => vec!["run the same command again"],
        Error::NotAllowed(_) => {
            vec![
                "`ownkey access` says who may do what; the recovery key of the kit may do everything",
            ]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_class_and_say_what_to_do() {
        let wrong = Failure::from(Error::WrongCredential {
            credential: "password",
            tried: 2,
        });
        assert_eq!(wrong.class, Class::WrongCredential);
        assert!(!wrong.hints.is_empty());
        let none = Failure::from(Error::NoRepository("/x".to_owned()));
        assert_eq!(none.class, Class::NoRepository);
        assert!(none.hints.iter().any(|hint| hint.contains("ownkey init")));
        let lie = Failure::from(Error::Lie(Lie::RosterForked(3)));
        assert_eq!(lie.class, Class::StorageLied);
        assert_eq!(Failure::from(Error::Cancelled).class, Class::Interrupted);
    }
}
