//! `ownkey init`

use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::founding::{self, Wishes};

/// How to make the repository.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    wishes: Wishes,
}

/// Makes it.
pub(crate) fn run(cx: &Context, args: &InitArgs) -> Result<Class, Failure> {
    let place = cx.place()?;
    founding::found(cx, &args.wishes, place)?;
    cx.ui.remark("back up with: ownkey backup PATH…")?;
    Ok(Class::Ok)
}
