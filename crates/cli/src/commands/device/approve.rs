//! `ownkey device approve CODE`

use ownkey_engine::abilities;
use ownkey_engine::access::{Admin, find_request};
use serde_json::json;

use super::must_be_name;
use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::{Capabilities, EnrolmentCode, Request};
use crate::phrase;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Whom to let in, and for what.
#[derive(Debug, clap::Args)]
pub(crate) struct ApproveArgs {
    /// The code that the new machine shows
    code: String,
    /// It may back up, and read nothing, not even what it wrote itself
    #[arg(long, conflicts_with_all = ["read_only", "prune", "admin"])]
    write_only: bool,
    /// It may restore, and not back up
    #[arg(long)]
    read_only: bool,
    /// It may also forget snapshots and prune
    #[arg(long)]
    prune: bool,
    /// It may do everything, also let in and remove others
    #[arg(long)]
    admin: bool,
    /// Another name than it asks for
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The six words that the new machine shows, instead of being asked to compare them
    #[arg(long, value_name = "WORDS")]
    words: Option<String>,
}

impl ApproveArgs {
    fn capabilities(&self) -> Capabilities {
        if self.write_only {
            return Capabilities::WRITE;
        }
        let mut capabilities = Capabilities::READ;
        if !self.read_only {
            capabilities = capabilities.and(Capabilities::WRITE);
        }
        if self.prune {
            capabilities = capabilities.and(Capabilities::PRUNE);
        }
        if self.admin {
            capabilities = capabilities.and(Capabilities::ADMIN);
        }
        capabilities
    }
}

/// Shows who asks, has the words compared, and lets it in.
pub(super) fn run(cx: &Context, args: &ApproveArgs) -> Result<Class, Failure> {
    let code = read(&args.code)?;
    let mut session = Session::open(cx)?;
    let mut found = find_request(&session.repository, &code)?;
    let request = &mut found.request;
    if let Some(name) = &args.name {
        must_be_name(name)?;
        request.label.clone_from(name);
    }
    let capabilities = args.capabilities();
    let words = phrase::of(&request.identity.words(&session.repository.id()));
    match &args.words {
        Some(shown) if phrase::same(shown, &words) => {}
        Some(_) => return Err(other_words()),
        None => compare(cx, request, &words, capabilities)?,
    }
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let mut admin = Admin::of(&mut session.repository, &monitor)?;
    let device = admin.enrol(&found.request, capabilities)?;
    admin.clear(&found);
    monitor.finish();
    let may = abilities(capabilities);
    cx.ui.line(&format!(
        "{} is let in: it may {}",
        found.request.label,
        may.join(", ")
    ))?;
    cx.ui.remark(&format!(
        "your other machines will be told; to throw it out: ownkey device remove {}",
        device.to_string().chars().take(8).collect::<String>()
    ))?;
    cx.ui.json(
        "device_enrolled",
        json!({ "id": device.to_string(), "name": found.request.label, "capabilities": may }),
    )?;
    Ok(Class::Ok)
}

fn read(typed: &str) -> Result<EnrolmentCode, Failure> {
    let parsed = EnrolmentCode::parse(typed).map_err(|error| {
        Failure::usage("that is not a code as `ownkey device request` shows it")
            .caused_by(&error)
            .hint("it has two groups of five characters, like 7XK2M-9QD4T")
    })?;
    Ok(parsed.key)
}

fn other_words() -> Failure {
    Failure::new(
        Class::StorageLied,
        "the six words are not the same: somebody else's machine stands behind this code, or another repository behind that place",
    )
    .hint("nothing was changed; do not approve it, and ask for a new code on the new machine")
}

fn compare(
    cx: &Context,
    request: &Request,
    words: &str,
    capabilities: Capabilities,
) -> Result<(), Failure> {
    let Some(prompt) = cx.prompt() else {
        return Err(Failure::usage("the six words must be compared by somebody")
            .hint("run this on a terminal, or give what the new machine shows with --words"));
    };
    let age = clock::now().saturating_sub(request.time);
    let when = clock::local(request.time, 0);
    let old = match u64::try_from(age) {
        Ok(seconds) if seconds > 3_600 => format!(
            " That is {} ago: is anybody still waiting for it?",
            show::duration(std::time::Duration::from_secs(seconds))
        ),
        _ => String::new(),
    };
    prompt.show(&format!(
        "The machine {:?} asked on {when}.{old}\nIt will be able to {}.\n\nIt must show these six words:\n\n    {words}\n",
        request.label,
        abilities(capabilities).join(", ")
    ))?;
    match prompt.agrees("Does it show exactly these?")? {
        true => Ok(()),
        false => Err(other_words()),
    }
}
