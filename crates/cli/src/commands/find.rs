//! `ownkey find PATTERN...`

use std::ffi::OsString;
use std::path::Path;

use ownkey_engine::find::{self, Patterns};
use ownkey_engine::format::node::Node;
use ownkey_engine::repository::Snapshot;
use ownkey_engine::source::Case;
use ownkey_engine::tree::Browser;

use super::ls::json_node;
use crate::clock;
use crate::context::Context;
use crate::excludes;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::relay::Relay;
use crate::session::Session;
use crate::spec::Spec;
use crate::spec::short_id;
use crate::ui::progress::{Progress, Work};
use crate::ui::{Format, Ui, sanitize, show};

/// What to look for, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct FindArgs {
    /// Names such as `*.jpg`, or whole paths such as `/home/*/notes`
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
    /// Look only there; without it in all snapshots
    #[arg(short, long, value_name = "SNAPSHOT[:PATH]")]
    snapshot: Option<OsString>,
    /// Upper and lower case are the same
    #[arg(short, long)]
    ignore_case: bool,
    #[command(flatten)]
    earlier: Earlier,
}

/// Looks, oldest snapshot first.
pub(crate) fn run(cx: &Context, args: &FindArgs) -> Result<Class, Failure> {
    let case = if args.ignore_case {
        Case::Ignored
    } else {
        Case::Distinct
    };
    let patterns =
        Patterns::new(&args.patterns, case).map_err(|error| excludes::invalid(&error))?;
    let spec = args.snapshot.as_deref().map(Spec::read).transpose()?;
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let snapshots = match &spec {
        Some(spec) => vec![spec.find(&session.repository)?],
        None => session.repository.snapshots(),
    };
    let path = spec.as_ref().and_then(Spec::path);
    let browser = Browser::new(&session.repository)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let relay = Relay::default();
    let (mut number, mut latest) = (0u64, None);
    let found = find::run(
        &browser,
        &snapshots,
        (&patterns, path),
        &monitor,
        |snapshot, path, node| {
            number += 1;
            if latest != Some(snapshot.id) {
                latest = Some(snapshot.id);
                relay.pass(heading(&cx.ui, snapshot))?;
            }
            relay.pass(show_match(&cx.ui, snapshot, path, node))
        },
    );
    let report = relay.settle(found)?;
    if number == 0 {
        cx.ui.line("nothing was found")?;
    }
    cx.ui.remark(&show::counted(number, "match", "matches"))?;
    Ok(if report.broken == 0 {
        Class::Ok
    } else {
        Class::Damage
    })
}

fn heading(ui: &Ui, snapshot: &Snapshot) -> Result<(), Failure> {
    let started = snapshot.record.started;
    let time = clock::local(started.seconds, started.nanoseconds);
    ui.line(&format!(
        "snapshot {} of {time}, {}:",
        short_id(&snapshot.id),
        snapshot.record.host
    ))
}

fn show_match(ui: &Ui, snapshot: &Snapshot, path: &Path, node: &Node) -> Result<(), Failure> {
    if ui.format() != Format::Json {
        return ui.line(&sanitize::path(path));
    }
    let mut fields = json_node(path, node);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("snapshot".to_owned(), snapshot.id.to_string().into());
    }
    ui.json("match", fields)
}
