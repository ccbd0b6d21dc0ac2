//! `ownkey rotate`

use ownkey_engine::access::Admin;
use serde_json::json;

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::progress::{Progress, Work};

/// Begins new keys.
pub(crate) fn run(cx: &Context) -> Result<Class, Failure> {
    let mut session = Session::open(cx)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let epoch = Admin::of(&mut session.repository, &monitor)?.begin_epoch()?;
    monitor.finish();
    cx.ui.line(&format!(
        "epoch {epoch} has begun: whoever has only earlier keys reads nothing that is written from the moment a machine \
         learns of this. What was written before stays as it is, and earlier keys open it wherever a copy of it is."
    ))?;
    cx.ui.json("rotated", json!({ "epoch": epoch.get() }))?;
    Ok(Class::Ok)
}
