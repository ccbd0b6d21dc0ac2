//! `ownkey stats --requests`: how often this machine asked the storage for something.

use serde_json::{Map, json};

use crate::bills;
use crate::clock;
use crate::context::Context;
use crate::exit::Class;
use crate::failure::Failure;
use crate::folders::Folders;
use crate::location::RepositoryUrl;
use crate::remembered::{Bill, DAYS, Memory};
use crate::ui::show;
use crate::ui::table::{Align, Table};

/// Shows the ledger; opens nothing and costs no request.
pub(super) fn run(cx: &Context) -> Result<Class, Failure> {
    let place = cx.place()?;
    if let RepositoryUrl::Folder(_) = place {
        return Err(Failure::usage(format!(
            "{place} is a folder of this machine: nobody counts requests there"
        )));
    }
    let folders = Folders::find(crate::args::environment())?;
    let ledger = Memory::of(&folders.state, &place).ledger();
    let month = ledger.month(clock::now()).map_err(|error| {
        Failure::other("cannot read this machine's count of requests").caused_by(&error)
    })?;
    let mut table = Table::new(&[
        ("command", Align::Left),
        ("runs", Align::Right),
        ("put", Align::Right),
        ("get", Align::Right),
        ("list", Align::Right),
        ("delete", Align::Right),
        ("retention", Align::Right),
        ("sent", Align::Right),
        ("received", Align::Right),
    ]);
    let mut commands = Map::new();
    for (command, bill) in &month.commands {
        table.row(row(command, bill));
        let mut fields = bills::described(bill);
        fields["runs"] = bill.runs.into();
        commands.insert(command.clone(), fields);
    }
    let total = month.total();
    if month.commands.len() > 1 {
        table.row(row("all", &total));
    }
    cx.ui.line(&format!(
        "requests of this machine to {place} in {}",
        show::counted(month.days, "day", "days")
    ))?;
    for line in table.lines() {
        cx.ui.line(&line)?;
    }
    cx.ui.line(&match month.requests_a_month() {
        Some(requests) => format!(
            "at this pace about {} a month; services bill put, list and retention highest, get lower, delete nothing",
            show::counted(requests, "request", "requests")
        ),
        None => "what a month comes to can be told from tomorrow on".to_owned(),
    })?;
    cx.ui.json(
        "requests",
        json!({
            "repository": place.to_string(),
            "days": month.days,
            "days_kept": DAYS,
            "commands": commands,
            "total": bills::described(&total),
            "per_month": month.requests_a_month(),
        }),
    )?;
    Ok(Class::Ok)
}

fn row(command: &str, bill: &Bill) -> [String; 9] {
    [
        command.to_owned(),
        show::count(bill.runs),
        show::count(bill.creates),
        show::count(bill.gets),
        show::count(bill.lists),
        show::count(bill.deletes),
        show::count(bill.retention_reads + bill.retention_writes),
        show::size(bill.bytes_up),
        show::size(bill.bytes_down),
    ]
}
