//! `ownkey setup PATH...`: from nothing to a backup that was read back.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ownkey_engine::backup;
use ownkey_engine::repository::{GuardKind, enrolment};
use ownkey_engine::{Class as EngineClass, Error};
use serde_json::json;

use super::backup::{WhatArgs, labels, sources, summary};
use crate::args;
use crate::context::Context;
use crate::excludes::PresetName;
use crate::exit::Class;
use crate::failure::Failure;
use crate::folders;
use crate::founding::{self, Wishes};
use crate::location::RepositoryUrl;
use crate::opening::{self, Purpose};
use crate::read_back::{self, ReadBack};
use crate::session::Session;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// What to keep safe, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    wishes: Wishes,
}

/// Makes or opens the repository, backs up, reads back, and says what is safe now.
pub(crate) fn run(cx: &Context, args: &SetupArgs) -> Result<Class, Failure> {
    // A mistake in the paths should cost nobody a repository and a password.
    let sources = sources(cx, &args.what, PresetName::Home)?;
    let place = match cx.place_if_told()? {
        Some(place) => place,
        None => usual_place()?,
    };
    let mut session = made_or_opened(cx, args, place)?;
    session
        .repository
        .compress(args.what.compression.over(cx.profile.compression));
    session
        .repository
        .protect(args.what.parity.over(cx.profile.parity));
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Backup);
    let report = backup::run(
        &mut session.repository,
        &sources,
        &labels(cx, &args.what),
        &monitor,
    )?;
    let class = summary(cx, &monitor, &report)?;
    let snapshot = session
        .repository
        .find_snapshot(&report.snapshot.to_string())?;
    let read = read_back::sample(cx, &session, &snapshot)?;
    let paths: Vec<String> = sources
        .selection
        .paths()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let sentence = verdict(&session.place, &paths, report.counts.bytes, &read);
    cx.ui.line("")?;
    cx.ui.line(&sentence)?;
    cx.ui.json(
        "setup",
        json!({
            "repository": session.place.to_string(),
            "snapshot_id": report.snapshot.to_string(),
            "short_id": short_id(&report.snapshot),
            "files_read_back": read.files,
            "bytes_read_back": read.bytes,
            "verdict": sentence,
        }),
    )?;
    Ok(class)
}

/// Under the data folder, whose parents are made: nobody named them, so nobody misspelt them.
fn usual_place() -> Result<RepositoryUrl, Failure> {
    let folder = folders::default_repository(args::environment())?;
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above).map_err(|error| {
            Failure::other(format!("cannot make the folder {}", above.display())).caused_by(&error)
        })?;
    }
    Ok(RepositoryUrl::Folder(folder))
}

fn made_or_opened(
    cx: &Context,
    args: &SetupArgs,
    place: RepositoryUrl,
) -> Result<Session, Failure> {
    let room = cx.engine()?;
    let storage = match opening::open(cx, &room, &place, Purpose::Write) {
        Err(failure) if failure.class == Class::NoRepository => {
            return founding::found(cx, &args.wishes, place);
        }
        storage => storage?,
    };
    match enrolment(&room.environment, &storage) {
        Ok(_) => {
            if args.wishes.guard.kind() != GuardKind::Nothing {
                cx.ui.note("this machine's key is there already; to change what it is kept behind: ownkey device protect");
            }
            Session::unlock(cx, place, room, &storage)
        }
        Err(Error::NoRepository(_)) => founding::found(cx, &args.wishes, place),
        Err(error) if error.class() == EngineClass::NoRepository => {
            founding::found(cx, &args.wishes, place)
        }
        Err(error) => Err(error.into()),
    }
}

/// The one sentence: what is safe now, where, and what this machine's end would take with it.
fn verdict(place: &RepositoryUrl, paths: &[String], bytes: u64, read: &ReadBack) -> String {
    let proof = match read.files {
        0 => String::new(),
        files => format!(
            ", and {} read back from it {} right",
            show::counted(files, "file", "files"),
            if files == 1 { "was" } else { "were all" }
        ),
    };
    let what = format!(
        "{} of {} are safe at {place}{proof}",
        show::size(bytes),
        paths.join(" ")
    );
    let again = paths.join(" ");
    let Some(folder) = place.as_folder() else {
        return format!(
            "{what}; if this machine burned you would lose nothing of it, as long as you keep the recovery kit \
             somewhere else"
        );
    };
    if is_other_disk(folder, paths) {
        return format!(
            "{what}; that is another disk, so if this machine burned you would lose only what burned with the disk: \
             keep it, and the recovery kit, somewhere else"
        );
    }
    format!(
        "{what}; but that is a disk of this machine, so if it burned you would lose everything: put a second \
         repository on another disk or a server with `ownkey setup --repo PLACE {again}`"
    )
}

/// Whether the repository is on another file system than the first path and than `/`.
fn is_other_disk(folder: &Path, paths: &[String]) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Some(repository) = device(folder) else {
        return false;
    };
    let others = paths.iter().map(Path::new).chain([Path::new("/")]);
    others.map(device).all(|other| other != Some(repository))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_on_the_same_disk_says_what_a_fire_would_take() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = RepositoryUrl::Folder(folder.path().join("repo"));
        let paths = [folder.path().display().to_string()];
        let read = ReadBack {
            files: 3,
            bytes: 10,
        };
        let sentence = verdict(&place, &paths, 1 << 20, &read);
        assert!(sentence.contains("you would lose everything"), "{sentence}");
        assert!(sentence.contains("ownkey setup --repo"), "{sentence}");
        assert!(sentence.contains("3 files read back"), "{sentence}");
    }
}
