//! `ownkey forget`

mod verdicts;

use std::collections::BTreeSet;
use std::ffi::OsString;

use jiff::tz::TimeZone;
use ownkey_engine::forget::{self, By, Group, Placed, Policy, place};
use ownkey_engine::format::entry::EntryRef;
use ownkey_engine::repository::Snapshot;
use serde_json::json;

use super::prune;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::members::{self, Wanted};
use crate::opening::Purpose;
use crate::retention::Retention;
use crate::session::Session;
use crate::spec::Spec;
use crate::ui::progress::{Progress, Work};
use crate::ui::show;

/// Which, or which not.
#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// These snapshots: latest~1, or the beginning of an id; else what a policy does not keep
    #[arg(value_name = "SNAPSHOT")]
    snapshots: Vec<OsString>,
    /// Only say what would be forgotten, and why the rest stays
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Judge only snapshots of this machine
    #[arg(short = 'H', long, value_name = "NAME")]
    host: Option<String>,
    /// Judge only snapshots with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Judge only what this device put there (ownkey device list)
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Forget also where the policy keeps no snapshot of a group
    #[arg(long)]
    even_the_last: bool,
    /// Afterwards give back the space, as `ownkey prune` does; then nothing can be had back
    #[arg(long, conflicts_with = "dry_run")]
    prune: bool,
    /// Keep the space of what earlier runs forgot; else a run with a policy gives it back where that is a tenth of all
    #[arg(long, conflicts_with = "prune")]
    no_prune: bool,
    #[command(flatten)]
    retention: Retention,
}

/// Forgets.
pub(crate) fn run(cx: &Context, args: &ForgetArgs) -> Result<Class, Failure> {
    let retention = args.retention.over(&cx.profile.retention);
    let by_policy = args.snapshots.is_empty();
    if by_policy && retention.policy().is_empty() {
        return Err(no_policy());
    }
    if !by_policy && !args.says_only_names() {
        return Err(
            Failure::usage("either snapshots are named, or a policy chooses them")
                .hint("leave the options out to forget what you name"),
        );
    }
    let purpose = match args.prune {
        true => Purpose::Prune,
        false => Purpose::Write,
    };
    let mut session = Session::open_to(cx, purpose)?;
    if by_policy && !args.dry_run && !args.prune && !args.no_prune {
        // Before anything is judged: what this run forgets is not meant.
        prune::when_worth_it(cx, &mut session).map_err(|failure| {
            failure.hint("nothing was forgotten; with --no-prune, `forget` leaves the space alone")
        })?;
    }
    let going = match by_policy {
        true => args.judged(cx, &session, &retention.policy())?,
        false => args.named(cx, &session)?,
    };
    if !args.dry_run && !going.is_empty() {
        let monitor = Progress::start(&cx.ui, &cx.interrupt, Work::Opening);
        forget::run(&mut session.repository, &going, &monitor)?;
        monitor.finish();
    }
    args.summary(cx, &session, &going)?;
    if args.prune {
        prune::prune(cx, &mut session, prune::Limits::default())?;
    }
    Ok(Class::Ok)
}

impl ForgetArgs {
    fn says_only_names(&self) -> bool {
        self.retention == Retention::default()
            && (&self.host, &self.tag, &self.device) == (&None, &None, &None)
    }

    /// What a policy lets go; every snapshot is shown with what becomes of it.
    fn judged(
        &self,
        cx: &Context,
        session: &Session,
        policy: &Policy,
    ) -> Result<BTreeSet<EntryRef>, Failure> {
        let repository = &session.repository;
        // All of them are neighbours in time; only some are judged.
        let mut placed = place(repository.snapshots(), session.room.environment.clock.now());
        let device = self.device.as_ref();
        let device = device.map(|called| members::find(repository.roster(), called, Wanted::Ever));
        let device = device.transpose()?.map(|member| member.id);
        placed.retain(|placed| {
            device.is_none_or(|device| device == placed.snapshot.device) && self.wants(placed)
        });
        let usual = By::USUAL.into();
        let retention = self.retention.over(&cx.profile.retention);
        let said = self.retention.group_by().or_else(|| retention.group_by());
        let by = said.unwrap_or(&usual);
        let groups = policy.plan(placed, by, &repository.pinned(), &TimeZone::system());
        verdicts::show(cx, repository, &groups)?;
        if !self.even_the_last
            && let Some(group) = groups.iter().find(|group| group.would_be_empty())
        {
            return Err(would_be_empty(&verdicts::name(repository, &group.key)));
        }
        if !by.contains(&By::Device) && groups.iter().any(of_several) {
            cx.ui.note("snapshots of several devices were counted together: whoever can write as one of them can make those of the others go");
        }
        let verdicts = groups.into_iter().flat_map(|group| group.verdicts);
        let going = verdicts.filter(|verdict| !verdict.stays());
        Ok(going
            .map(|verdict| verdict.placed.snapshot.entry())
            .collect())
    }

    fn wants(&self, placed: &Placed) -> bool {
        let record = &placed.snapshot.record;
        let host = self.host.as_ref().is_none_or(|host| *host == record.host);
        let tag = self.tag.as_ref();
        host && tag.is_none_or(|tag| record.tags.contains(tag))
    }

    /// What was named.
    fn named(&self, cx: &Context, session: &Session) -> Result<BTreeSet<EntryRef>, Failure> {
        let snapshots = found(&self.snapshots, session)?;
        for snapshot in &snapshots {
            verdicts::going(cx, snapshot)?;
        }
        Ok(snapshots.iter().map(Snapshot::entry).collect())
    }

    fn summary(
        &self,
        cx: &Context,
        session: &Session,
        going: &BTreeSet<EntryRef>,
    ) -> Result<(), Failure> {
        let snapshots = session.repository.snapshots();
        let left = snapshots.iter().filter(|it| !going.contains(&it.entry()));
        let (gone, left) = (going.len() as u64, left.count() as u64);
        let verb = match self.dry_run {
            true => "would forget",
            false => "forgot",
        };
        cx.ui.line(&format!(
            "{verb} {}; {} of the repository stay",
            show::counted(gone, "snapshot", "snapshots"),
            show::count(left),
        ))?;
        if gone > 0 && !self.dry_run && !self.prune {
            cx.ui.remark("until `ownkey prune` or a later `forget` gives back their space, `ownkey unforget ID` has them back; `ownkey snapshots --forgotten` lists them")?;
        }
        cx.ui.json(
            "summary",
            json!({
                "dry_run": self.dry_run,
                "snapshots_forgotten": gone,
                "snapshots_kept": left,
            }),
        )
    }
}

/// The snapshots that a user named as wholes.
pub(super) fn found(names: &[OsString], session: &Session) -> Result<Vec<Snapshot>, Failure> {
    let find = |written: &OsString| {
        let spec = Spec::read(written)?;
        if spec.path().is_some() {
            return Err(Failure::usage("this is about snapshots as wholes")
                .hint("leave the path behind the colon away"));
        }
        spec.find(&session.repository)
    };
    names.iter().map(find).collect()
}

fn of_several(group: &Group) -> bool {
    let devices = group.verdicts.iter();
    let devices: BTreeSet<_> = devices.map(|it| it.placed.snapshot.device).collect();
    devices.len() > 1
}

fn no_policy() -> Failure {
    Failure::usage("nothing says which snapshots are to go, or which are to stay")
        .hint("name them: ownkey forget SNAPSHOT…")
        .hint("or say what stays: ownkey forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run")
        .hint("or write it down once, as [profile.default.retention] in config.toml: keep-daily = 7")
}

fn would_be_empty(group: &str) -> Failure {
    Failure::other(format!(
        "of {group} the policy keeps no snapshot, so nothing was forgotten"
    ))
    .hint("if tags keep snapshots, check how they are written")
    .hint("if that is what you want: --even-the-last")
}
