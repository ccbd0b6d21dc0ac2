//! `ownkey diff SNAPSHOT[:PATH] SNAPSHOT[:PATH]`

use std::ffi::OsString;
use std::path::Path;

use ownkey_engine::diff::{self, Change, DiffReport, Difference, Place, Side};
use ownkey_engine::tree::Browser;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::moment::Earlier;
use crate::opening::Purpose;
use crate::relay::Relay;
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::progress::{Progress, Work};
use crate::ui::{Ui, json as lines, sanitize, show};

/// Which two.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// The first: latest~1, or the beginning of an id; with :PATH only that part
    #[arg(value_name = "BEFORE[:PATH]")]
    before: OsString,
    /// The second
    #[arg(value_name = "AFTER[:PATH]", default_value = "latest")]
    after: OsString,
    /// Also what differs in owner, mode, time or attributes only (U)
    #[arg(long)]
    metadata: bool,
    #[command(flatten)]
    earlier: Earlier,
}

/// Shows what was added (+), removed (-), changed (M) and became something else (T).
pub(crate) fn run(cx: &Context, args: &DiffArgs) -> Result<Class, Failure> {
    let (before, after) = (Spec::read(&args.before)?, Spec::read(&args.after)?);
    let session = Session::open_at(cx, args.earlier.as_of, Purpose::Use)?;
    let first = before.find(&session.repository)?;
    let second = after.find(&session.repository)?;
    let browser = Browser::new(&session.repository)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let relay = Relay::default();
    let places = (
        Place {
            snapshot: &first,
            path: before.path(),
        },
        Place {
            snapshot: &second,
            path: after.path(),
        },
    );
    let compared = diff::run(&browser, places, &monitor, |path, change| {
        let mark = mark(&change);
        if mark == "U" && !args.metadata {
            return Ok(());
        }
        relay.pass(show_change(&cx.ui, path, mark))
    });
    let report = relay.settle(compared)?;
    summary(&cx.ui, &report)?;
    Ok(if report.broken == 0 {
        Class::Ok
    } else {
        Class::Damage
    })
}

/// restic's letters.
fn mark(change: &Change<'_>) -> &'static str {
    match change {
        Change::Added(_) => "+",
        Change::Removed(_) => "-",
        Change::Modified {
            what: Difference::Kind,
            ..
        } => "T",
        Change::Modified {
            what: Difference::Content,
            ..
        } => "M",
        Change::Modified {
            what: Difference::Metadata,
            ..
        } => "U",
    }
}

fn show_change(ui: &Ui, path: &Path, mark: &str) -> Result<(), Failure> {
    let mut fields = json!({ "modifier": mark });
    lines::put_bytes(&mut fields, "path", path.as_os_str().as_encoded_bytes());
    ui.json("change", fields)?;
    ui.line(&format!("{mark} {}", sanitize::path(path)))
}

fn summary(ui: &Ui, report: &DiffReport) -> Result<(), Failure> {
    ui.remark(&format!(
        "added: {}; removed: {}",
        side(&report.added),
        side(&report.removed)
    ))?;
    ui.remark(&format!(
        "{} changed, {} became something else, {} differ in metadata only",
        show::count(report.content),
        show::count(report.kind),
        show::count(report.metadata),
    ))?;
    ui.json(
        "statistics",
        json!({
            "added": json_side(&report.added),
            "removed": json_side(&report.removed),
            "changed_files": report.content,
            "changed_types": report.kind,
            "changed_metadata": report.metadata,
        }),
    )
}

fn side(side: &Side) -> String {
    format!(
        "{}, {}, {}",
        show::counted(side.files, "file", "files"),
        show::counted(side.directories, "folder", "folders"),
        show::size(side.bytes)
    )
}

fn json_side(side: &Side) -> Value {
    json!({
        "files": side.files,
        "dirs": side.directories,
        "others": side.others,
        "bytes": side.bytes,
    })
}
