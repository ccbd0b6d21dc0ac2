//! What a run asked of the storage, and what a month at that pace comes to.

use serde_json::{Value, json};

use crate::clock;
use crate::context::Context;
use crate::remembered::Bill;
use crate::ui::show;

/// Keeps the bills of a run of `command` in this machine's ledgers.
pub(crate) fn keep(cx: &Context, command: &str) {
    for (memory, bill) in cx.counted.bills() {
        if let Err(error) = memory.ledger().add(command, bill, clock::now()) {
            cx.ui
                .note(&format!("the count of requests could not be kept: {error}"));
        }
    }
}

/// The bill of this run so far, in one line; none where nothing is billed.
pub(crate) fn sentence(cx: &Context) -> Option<String> {
    let so_far = so_far(cx)?;
    let kinds = [
        (so_far.bill.creates, "put"),
        (so_far.bill.gets, "get"),
        (so_far.bill.lists, "list"),
        (so_far.bill.deletes, "delete"),
        (so_far.bill.retention_reads, "retention read"),
        (so_far.bill.retention_writes, "retention extended"),
    ];
    let kinds: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{} {kind}", show::count(count)))
        .collect();
    let all = show::counted(so_far.bill.requests(), "request", "requests");
    let month = so_far
        .month
        .map(|month| format!("; at this pace about {} a month", show::count(month)));
    Some(format!(
        "{all} ({}){}",
        kinds.join(", "),
        month.unwrap_or_default()
    ))
}

/// The same for programs.
pub(crate) fn fields(cx: &Context) -> Option<Value> {
    let so_far = so_far(cx)?;
    let mut fields = described(&so_far.bill);
    if let Value::Object(fields) = &mut fields {
        fields.insert("per_month".to_owned(), so_far.month.into());
    }
    Some(fields)
}

/// A bill for programs.
pub(crate) fn described(bill: &Bill) -> Value {
    json!({
        "total": bill.requests(),
        "put": bill.creates,
        "get": bill.gets,
        "list": bill.lists,
        "delete": bill.deletes,
        "retention_read": bill.retention_reads,
        "retention_extended": bill.retention_writes,
        "bytes_up": bill.bytes_up,
        "bytes_down": bill.bytes_down,
    })
}

struct SoFar {
    bill: Bill,
    month: Option<u64>,
}

/// A run that opens two storages is billed by each; the first is the one that it is about.
fn so_far(cx: &Context) -> Option<SoFar> {
    let (memory, bill) = cx.counted.bills().into_iter().next()?;
    let mut month = memory.ledger().month(clock::now()).unwrap_or_default();
    month.add("this run", &bill);
    Some(SoFar {
        bill,
        month: month.requests_a_month(),
    })
}
