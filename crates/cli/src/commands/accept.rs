//! `ownkey accept`: an admin decides that what the storage shows is what counts, whatever was seen.

use ownkey_engine::Lie;
use ownkey_engine::access;
use ownkey_engine::format::entry::ROSTER;
use ownkey_engine::repository::Repository;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Whether to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct AcceptArgs {
    /// Ask nothing
    #[arg(long)]
    yes: bool,
}

/// Shows what contradicts what, and accepts it if somebody says so.
pub(crate) fn run(cx: &Context, args: &AcceptArgs) -> Result<Class, Failure> {
    let mut session = Session::open_in_doubt(cx)?;
    if session.repository.doubts().is_empty() {
        cx.ui
            .line("there is nothing to accept: the storage shows what was seen")?;
        cx.ui.json("accepted", json!({ "logs": 0 }))?;
        return Ok(Class::Ok);
    }
    explain(cx, &session.repository)?;
    if !args.yes {
        let Some(prompt) = cx.prompt() else {
            return Err(
                Failure::usage("nobody is here to be asked, and nothing was accepted")
                    .hint("run this on a terminal, or say --yes"),
            );
        };
        if !prompt.agrees("let every machine go on from what the storage shows?")? {
            cx.ui.line("nothing was accepted")?;
            return Ok(Class::Ok);
        }
    }
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let logs = access::accept(&mut session.repository, &monitor)?;
    monitor.finish();
    cx.ui.line(&format!(
        "accepted for {}: this machine goes on from there, and every other one when it next looks, and says so",
        show::counted(logs as u64, "log", "logs")
    ))?;
    cx.ui.json("accepted", json!({ "logs": logs }))?;
    Ok(Class::Ok)
}

fn explain(cx: &Context, repository: &Repository) -> Result<(), Failure> {
    cx.ui
        .line("What was seen and what is shown do not agree:")?;
    for lie in repository.doubts() {
        cx.ui.lines(&format!("\n  {lie}"))?;
        if let Some(shown) = shown(repository, lie) {
            cx.ui.line(&format!("  {shown}"))?;
        }
    }
    cx.ui.lines(
        "\nIf you know why (the storage was restored from a copy, a disk image came back), accepting it gives up\n\
         what is missing: snapshots made there, and changes of who has access. Every machine says so once and goes on.\n\
         If you do not know why, do not accept: somebody who can write to this storage hides your backups. Look for\n\
         a mirror first, and ask who has the keys of the storage. What is shown can be read with --despite-lies.\n",
    )
}

/// Where the log concerned ends now, in the names that people know.
fn shown(repository: &Repository, lie: &Lie) -> Option<String> {
    let log = lie.log()?;
    let name = match (log == ROSTER, repository.roster().member(&log)) {
        (true, _) => "the roster, which says who has access,".to_owned(),
        (false, Some(member)) => format!("the log of {:?}", member.label),
        (false, None) => return None,
    };
    Some(match repository.end_of(&log).checked_sub(1) {
        Some(last) => format!("{name} is shown up to entry {last}"),
        None => format!("nothing of {name} is shown"),
    })
}
