//! `ownkey fingerprint`: eight words for the telephone, which say whether two machines are shown the same.

use ownkey_engine::fingerprint::{self, Compared};
use ownkey_engine::format::entry::{EntryRef, ROSTER};
use ownkey_engine::repository::Repository;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::DeviceId;
use crate::kit;
use crate::phrase;
use crate::session::Session;
use crate::ui::show;

/// What to do with the words.
#[derive(Debug, clap::Args)]
pub(crate) struct FingerprintArgs {
    /// Compare with the words of another machine or of a kit
    #[arg(long, value_name = "WORDS")]
    compare: Option<String>,
}

/// Shows or compares them.
pub(crate) fn run(cx: &Context, args: &FingerprintArgs) -> Result<Class, Failure> {
    let session = Session::open(cx)?;
    match &args.compare {
        Some(words) => compare(cx, &session.repository, words),
        None => show(cx, &session.repository),
    }
}

fn show(cx: &Context, repository: &Repository) -> Result<Class, Failure> {
    let newest = fingerprint::newest(repository)?;
    for entry in &newest {
        let words = phrase::of(&fingerprint::fingerprint(&repository.id(), entry));
        cx.ui.line(&format!("{}:", place(repository, entry)))?;
        cx.ui.line(&format!("  {words}"))?;
        let mut fields = described(repository, entry);
        fields["words"] = json!(words);
        cx.ui.json("fingerprint", fields)?;
    }
    if newest.len() > 1 {
        cx.ui
            .remark("no machine has seen all of these yet, so each has words of its own")?;
    }
    cx.ui.remark(
        "another machine compares them with: ownkey fingerprint --compare \"WORDS\"; ask for the words over the telephone",
    )?;
    Ok(Class::Ok)
}

fn compare(cx: &Context, repository: &Repository, typed: &str) -> Result<Class, Failure> {
    let (entry, since) = match fingerprint::compare(repository, &kit::fingerprint(typed)?)? {
        Compared::Known { entry, since } => (entry, since),
        Compared::Misread { words } => {
            return Err(Failure::usage(format!(
                "{} of these eight {} not that of an entry which has the others",
                words,
                if words == 1 { "is" } else { "are" },
            ))
            .hint("have them read to you once more"));
        }
    };
    let place = place(repository, &entry);
    let lacks: Vec<String> = since
        .iter()
        .map(|(device, count)| lacking(repository, device, *count))
        .collect();
    cx.ui.line(&match lacks.is_empty() {
        true => format!("the same: these words name the {place}, and nothing newer is shown here"),
        false => format!(
            "older: these words name the {place}, which this machine is shown too, and behind it {}",
            lacks.join(", ")
        ),
    })?;
    if !lacks.is_empty() {
        cx.ui.remark(
            "if the other machine shows these words now, as its newest, it lags by that much: it has to look again",
        )?;
    }
    let mut fields = described(repository, &entry);
    fields["result"] = json!(if lacks.is_empty() { "same" } else { "older" });
    fields["since"] = since
        .iter()
        .map(|(device, count)| json!({ "log": log(device), "entries": count }))
        .collect();
    cx.ui.json("comparison", fields)?;
    Ok(Class::Ok)
}

/// The entry in words.
fn place(repository: &Repository, entry: &EntryRef) -> String {
    match entry.device == ROSTER {
        true => format!("change {} of who has access", entry.at.seq),
        false => format!(
            "entry {} of the log of {}",
            entry.at.seq,
            name(repository, &entry.device)
        ),
    }
}

fn lacking(repository: &Repository, device: &DeviceId, count: u64) -> String {
    if *device == ROSTER {
        return show::counted(
            count,
            "change of who has access",
            "changes of who has access",
        );
    }
    let entries = show::counted(count, "entry", "entries");
    format!("{entries} of {}", name(repository, device))
}

fn name(repository: &Repository, device: &DeviceId) -> String {
    let member = repository.roster().member(device);
    member.map_or_else(
        || device.to_string(),
        |member| format!("{:?}", member.label),
    )
}

fn described(repository: &Repository, entry: &EntryRef) -> serde_json::Value {
    json!({
        "repository": repository.id().to_string(),
        "log": log(&entry.device),
        "seq": entry.at.seq,
        "hash": entry.at.hash.to_string(),
    })
}

fn log(device: &DeviceId) -> String {
    match *device == ROSTER {
        true => "roster".to_owned(),
        false => device.to_string(),
    }
}
