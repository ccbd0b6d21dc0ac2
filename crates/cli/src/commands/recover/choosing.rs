//! Which machine, and which of its snapshots: listed for somebody whose machine is gone.

use ownkey_engine::repository::Snapshot;
use serde_json::json;

use super::Recovery;
use crate::clock;
use crate::failure::Failure;
use crate::prompt::Prompt;
use crate::ui::show;
use crate::ui::table::{Align, Table};

impl Recovery<'_> {
    /// The snapshot to restore. Nobody is asked for the name of a machine that burned: they are listed.
    pub(super) fn choose(&self, snapshots: &[Snapshot]) -> Result<Option<Snapshot>, Failure> {
        if let Some(id) = &self.args.snapshot {
            let id = id.to_lowercase();
            let mut fitting = snapshots
                .iter()
                .filter(|snapshot| snapshot.id.to_string().starts_with(&id));
            return match (fitting.next(), fitting.next()) {
                (Some(one), None) => Ok(Some(one.clone())),
                _ => Err(
                    Failure::usage(format!("{id:?} is not the beginning of one snapshot id"))
                        .hint("leave --snapshot out to be shown what there is"),
                ),
            };
        }
        let mut newest: Vec<(&Snapshot, usize)> = Vec::new();
        for snapshot in snapshots {
            match newest
                .iter_mut()
                .find(|(other, _)| other.record.host == snapshot.record.host)
            {
                Some(known) => *known = (snapshot, known.1 + 1),
                None => newest.push((snapshot, 1)),
            }
        }
        newest.sort_by_key(|(snapshot, _)| std::cmp::Reverse(snapshot.record.started));
        self.show(&newest)?;
        let chosen = match (&self.args.machine, &self.prompt, newest.len()) {
            (Some(machine), ..) => {
                let of_it = |(snapshot, _): &&(&Snapshot, usize)| snapshot.record.host == *machine;
                let found = newest.iter().find(of_it);
                Some(found.ok_or_else(|| {
                    Failure::usage(format!("no snapshot is of a machine called {machine:?}"))
                        .hint("the names are in the list above")
                })?)
            }
            (None, Some(prompt), 2..) => Some(ask_which(prompt, &newest)?),
            _ => newest.first(),
        };
        Ok(chosen.map(|(snapshot, _)| (*snapshot).clone()))
    }

    fn show(&self, newest: &[(&Snapshot, usize)]) -> Result<(), Failure> {
        let mut table = Table::new(&[
            ("", Align::Right),
            ("machine", Align::Left),
            ("last backup", Align::Left),
            ("size", Align::Right),
            ("snapshots", Align::Right),
            ("paths", Align::Left),
        ]);
        for (number, (snapshot, count)) in (1..).zip(newest) {
            let record = &snapshot.record;
            let paths: Vec<_> = record
                .paths
                .iter()
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect();
            table.row([
                number.to_string(),
                record.host.clone(),
                clock::local(record.started.seconds, record.started.nanoseconds),
                show::size(record.counts.bytes),
                count.to_string(),
                paths.join(" "),
            ]);
            self.cx.ui.json(
                "machine",
                json!({
                    "host": record.host,
                    "snapshot_id": snapshot.id.to_string(),
                    "time": clock::rfc3339(record.started.seconds, record.started.nanoseconds),
                    "snapshots": count,
                    "paths": paths,
                }),
            )?;
        }
        for line in table.lines() {
            self.cx.ui.line(&line)?;
        }
        Ok(())
    }
}

fn ask_which<'s, 'r>(
    prompt: &Prompt<'_>,
    newest: &'s [(&'r Snapshot, usize)],
) -> Result<&'s (&'r Snapshot, usize), Failure> {
    loop {
        let typed = prompt.ask(&format!("which machine (1 to {})? ", newest.len()))?;
        let number: Option<usize> = typed.trim().parse().ok();
        match number.and_then(|number| newest.get(number.checked_sub(1)?)) {
            Some(chosen) => return Ok(chosen),
            None => prompt.show("type the number at the beginning of a line")?,
        }
    }
}
