//! `ownkey witness`: other places that remember what the storage showed.

use std::ffi::OsString;
use std::path::Path;

use clap::Subcommand;
use ownkey_engine::repository;
use ownkey_engine::witness;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::location::RepositoryUrl;
use crate::opening::Purpose;
use crate::session::Session;
use crate::ui::show;
use crate::witnesses;

/// What to do with witnesses.
#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Keep the newest entries at another place too, and compare with it from now on
    Add(PlaceArgs),
    /// List this machine's witnesses
    List,
    /// Ask a witness no more; what it has stays there
    Remove(PlaceArgs),
    /// Compare with one place, or with all witnesses of this machine, now
    Check(CheckArgs),
}

/// A place.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// A path or URL, away from the repository
    place: OsString,
}

/// Which.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// A path or URL; else all that were added
    place: Option<OsString>,
}

/// Does it.
pub(crate) fn run(cx: &Context, command: &WitnessCommand) -> Result<Class, Failure> {
    match command {
        WitnessCommand::Add(args) => add(cx, args),
        WitnessCommand::List => list(cx),
        WitnessCommand::Remove(args) => remove(cx, args),
        WitnessCommand::Check(args) => check(cx, args),
    }
}

fn read(cx: &Context, written: &OsString) -> Result<RepositoryUrl, Failure> {
    cx.read_place(written, std::env::current_dir().ok().as_deref())
}

fn add(cx: &Context, args: &PlaceArgs) -> Result<Class, Failure> {
    let place = read(cx, &args.place)?;
    let mut session = Session::open(cx)?;
    if place == session.place || is_inside(&place, &session.place) {
        return Err(Failure::usage(format!(
            "{place} is where the repository is: a storage is no witness of itself"
        ))
        .hint("choose a place that somebody else runs, or a disk of your own"));
    }
    let (room, storage) = witnesses::open(cx, &place, Purpose::Make)?;
    if repository::announced(&room.environment, &storage).is_ok() {
        return Err(Failure::usage(format!("there is a repository at {place}"))
            .hint("give a folder of its own for the witness, beside it or below it"));
    }
    let compared = witnesses::compare(cx, &mut session.repository, (&room, &storage));
    let (mut witness, _) = compared?;
    witness.tell(&session.repository)?;
    let mut places = witness::places(&session.repository)?;
    let text = place.to_string();
    if !places.contains(&text) {
        places.push(text);
        witness::keep_places(&session.repository, &places)?;
    }
    cx.ui.line(&format!(
        "{place} is a witness now: whatever is newest here is kept there too, and compared whenever this machine opens the repository"
    ))?;
    cx.ui.remark(
        "it sees how many machines write, and when; it opens nothing and can make nothing up. Add it on your other machines too.",
    )?;
    cx.ui
        .json("witness_added", json!({ "place": place.to_string() }))?;
    Ok(Class::Ok)
}

fn is_inside(place: &RepositoryUrl, repository: &RepositoryUrl) -> bool {
    match (place, repository) {
        (RepositoryUrl::Folder(place), RepositoryUrl::Folder(repository)) => {
            place.starts_with(repository)
        }
        _ => false,
    }
}

fn list(cx: &Context) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    let places = witness::places(&session.repository)?;
    for place in &places {
        cx.ui.line(place)?;
        cx.ui.json("witness", json!({ "place": place }))?;
    }
    if places.is_empty() {
        cx.ui
            .line("this machine has no witness; add one with: ownkey witness add PLACE")?;
    }
    Ok(Class::Ok)
}

fn remove(cx: &Context, args: &PlaceArgs) -> Result<Class, Failure> {
    let place = read(cx, &args.place)?.to_string();
    let session = Session::open(cx)?;
    let mut places = witness::places(&session.repository)?;
    let before = places.len();
    places.retain(|known| *known != place);
    if places.len() == before {
        return Err(
            Failure::usage(format!("{place} is no witness of this machine"))
                .hint("`ownkey witness list` shows them"),
        );
    }
    witness::keep_places(&session.repository, &places)?;
    cx.ui.line(&format!(
        "{place} is asked no more; what it has stays there"
    ))?;
    cx.ui.json("witness_removed", json!({ "place": place }))?;
    Ok(Class::Ok)
}

fn check(cx: &Context, args: &CheckArgs) -> Result<Class, Failure> {
    let mut session = Session::open(cx)?;
    let places = match &args.place {
        Some(written) => vec![read(cx, written)?],
        None => witness::places(&session.repository)?
            .iter()
            .map(|place| cx.read_place(place.as_ref(), Some(Path::new("/"))))
            .collect::<Result<_, _>>()?,
    };
    if places.is_empty() {
        return Err(
            Failure::usage("this machine has no witness").hint("name a place to compare with")
        );
    }
    for place in &places {
        let (room, storage) = witnesses::open(cx, place, Purpose::Use)?;
        let compared = witnesses::compare(cx, &mut session.repository, (&room, &storage));
        let (_, shown) = compared?;
        cx.ui.line(&match shown as u64 {
            0 => format!("{place} has nothing of this repository and cannot tell"),
            shown => format!(
                "{place} has {}, and the storage shows what it should",
                show::counted(shown, "entry", "entries")
            ),
        })?;
        cx.ui.json(
            "witness",
            json!({ "place": place.to_string(), "entries": shown }),
        )?;
    }
    Ok(Class::Ok)
}
