//! `ownkey device request`

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ownkey_engine::access::{self, Asked, Before, Wish};
use ownkey_engine::repository::{self, Credential, DeviceKey, Enrolment, GuardKind};
use ownkey_engine::{Error, abilities};
use ownkey_storage::Storage;
use serde_json::json;

use super::must_be_name;
use crate::context::{Context, EngineRoom, host_name};
use crate::exit::Class;
use crate::failure::Failure;
use crate::guard::{self, GuardArgs};
use crate::opening::{self, Purpose};
use crate::phrase;
use crate::ui::progress::{Progress, Work};

/// How to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// What this machine should be called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Do not wait until somebody has approved it
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    guard: GuardArgs,
    /// Put the key that this machine has aside, whatever it opens: its passphrase is lost
    #[arg(long)]
    new_key: bool,
}

/// How often the storage is asked whether there is an answer.
const PAUSE: Duration = Duration::from_secs(3);

/// Asks, and waits for the answer.
pub(super) fn run(cx: &Context, args: &RequestArgs) -> Result<Class, Failure> {
    let name = args.name.clone().unwrap_or_else(host_name);
    must_be_name(&name)?;
    let place = cx.place()?;
    let room = cx.engine()?;
    let storage = opening::open(cx, &room, &place, Purpose::Write)?;
    let before = match args.new_key {
        true => None,
        false => key_so_far(cx, &room, &storage)?,
    };
    let chosen = args.guard.choose(cx, &*room.environment.random)?;
    let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
    let wish = Wish {
        label: &name,
        guard: chosen.guard(),
    };
    let before = match args.new_key {
        true => Before::PutAside,
        false => Before::Tried(before.as_ref()),
    };
    let Asked { code, words, key } =
        access::ask(&room.environment, &storage, (&wish, before), &monitor)?;
    monitor.finish();
    let (code, words) = (code.to_groups(), phrase::of(&words));
    cx.ui.json(
        "device_request",
        json!({ "name": name, "code": code.as_str(), "words": words }),
    )?;
    cx.ui.lines(&format!(
        "{name} asks to be let into {place}.\n\n\
         On a machine that is let in already, type:\n\n    ownkey device approve {}\n\n\
         It will show six words. They must be these:\n\n    {words}\n",
        code.as_str()
    ))?;
    cx.ui.flush()?;
    if args.no_wait {
        cx.ui.remark(&format!(
            "once it is approved, every command here works with {}",
            guard::needed(args.guard.kind())
        ))?;
        return Ok(Class::Ok);
    }
    cx.ui.tell_person(
        "waiting for the approval… (Ctrl-C stops the waiting, not the request: it can be approved later)",
    );
    wait(cx, &room, &storage, &key)
}

/// The key that this machine has, if something guards it: it is asked for anew only if it opens nothing.
fn key_so_far(
    cx: &Context,
    room: &EngineRoom,
    storage: &Arc<dyn Storage>,
) -> Result<Option<DeviceKey>, Failure> {
    match repository::enrolment(&room.environment, storage)? {
        Enrolment::Own(kind) if kind != GuardKind::Nothing => {
            guard::own_key(cx, &room.environment, storage, kind).map(Some)
        }
        _ => Ok(None),
    }
}

fn wait(
    cx: &Context,
    room: &EngineRoom,
    storage: &Arc<dyn Storage>,
    key: &DeviceKey,
) -> Result<Class, Failure> {
    loop {
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        let opened = repository::open(
            &room.environment,
            storage,
            Credential::DeviceKey(key),
            &monitor,
        );
        monitor.finish();
        match opened {
            Ok(repository) => {
                let me = repository.roster().member(&repository.me());
                let may = me.map_or_else(Vec::new, |me| abilities(me.capabilities));
                let name = me.map_or("", |me| &me.label);
                let own = repository.own_key()?.unwrap_or(GuardKind::Nothing);
                cx.ui.line(&format!(
                    "approved: {name} may {} here, with {}",
                    may.join(", "),
                    guard::needed(own)
                ))?;
                cx.ui.json(
                    "device_approved",
                    json!({ "id": repository.me().to_string(), "name": name, "capabilities": may }),
                )?;
                return Ok(Class::Ok);
            }
            Err(Error::NoGrant) => {}
            Err(error) => return Err(error.into()),
        }
        let mut left = PAUSE;
        let step = Duration::from_millis(100);
        while !left.is_zero() {
            cx.interrupt.check()?;
            thread::sleep(step);
            left = left.saturating_sub(step);
        }
    }
}
