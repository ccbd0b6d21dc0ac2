//! What this machine remembers of storages: what they allow, and how often it asked them.

mod ledger;
mod memory;

use std::cell::RefCell;
use std::sync::Arc;

use ownkey_storage::Requests;

pub(crate) use ledger::{Bill, DAYS};
pub(crate) use memory::{FACTS_VERSION, Facts, Memory};

/// The storages opened in this run, for their bills.
#[derive(Default)]
pub(crate) struct Counted(RefCell<Vec<(Memory, Arc<Requests>)>>);

impl Counted {
    /// Counts what is asked of a storage from now on.
    pub(crate) fn add(&self, memory: Memory, requests: Arc<Requests>) {
        self.0.borrow_mut().push((memory, requests));
    }

    /// What was asked of each storage so far.
    pub(crate) fn bills(&self) -> Vec<(Memory, Bill)> {
        let bill = |(memory, requests): &(Memory, Arc<Requests>)| {
            (memory.clone(), Bill::of_run(requests.counts()))
        };
        self.0.borrow().iter().map(bill).collect()
    }
}
