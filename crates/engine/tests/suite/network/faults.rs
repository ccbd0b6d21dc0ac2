//! Every fault, at every request of every kind, during every verb.
//!
//! One test for each verb, so that they run beside each other; each prints what it counted.

use std::collections::BTreeMap;

use ownkey_testkit::faults::{Asking, Fault, Plan};

use super::machine::{Ended, Machine, Verb};

/// The requests of a kind that are struck, one in each run.
const MOST: u64 = 30;

/// What a verb may come to under a fault.
///
/// What passes is tried again until it has passed. A refusal is an answer: it fails, as a failure of
/// no special class, for neither the storage's bytes nor its reachability are in doubt. Under anything
/// else the storage tells something false: that may be noticed as damage, as a lie, or as an answer
/// that never came whole, or make no difference. A page that hides this machine's key grant looks as if
/// the machine had been removed, and the error says that it may be either.
fn may_end(fault: Fault, ended: Ended) -> bool {
    match ended {
        Ended::Well => true,
        Ended::Told => !fault.passes() && !fault.refuses(),
        Ended::Failed("failure") => fault.refuses(),
        Ended::Failed("damage" | "the storage lied" | "unreachable") => {
            !fault.passes() && !fault.refuses()
        }
        Ended::Failed("wrong credential") => matches!(fault, Fault::Page(_)),
        Ended::Failed(_) => false,
    }
}

fn every_fault_during(verb: Verb) {
    let machine = Machine::new(1000 + verb as u64);
    let mut tally: BTreeMap<Ended, u64> = BTreeMap::new();
    let mut by_fault: BTreeMap<String, BTreeMap<Ended, u64>> = BTreeMap::new();
    let mut cases = 0;
    for asking in Asking::ALL {
        for fault in Fault::ALL {
            for at in (0..MOST).take_while(|_| fault.can_strike(asking)) {
                let what = format!("{verb:?}, {asking:?} {at}, {fault:?}");
                let plan = Plan::once(asking, at, fault);
                let Some(ended) = machine.under(verb, |faulty| faulty.arm(plan), &what) else {
                    break;
                };
                assert!(may_end(fault, ended), "{what}: {ended:?}");
                cases += 1;
                *tally.entry(ended).or_default() += 1;
                if !fault.passes() {
                    let name = format!("{asking:?} {fault:?}");
                    *by_fault.entry(name).or_default().entry(ended).or_default() += 1;
                }
            }
        }
    }
    println!("{verb:?}: {cases} cases: {tally:?}");
    for (fault, ended) in by_fault {
        println!("  {fault}: {ended:?}");
    }
    assert!(cases > 200, "{verb:?}: {cases} cases");
}

#[test]
fn every_fault_at_every_request_of_a_backup_ends_well_or_with_a_clear_error() {
    every_fault_during(Verb::Backup);
}

#[test]
fn every_fault_at_every_request_of_a_backup_without_changes_ends_well_or_with_a_clear_error() {
    every_fault_during(Verb::Unchanged);
}

#[test]
fn every_fault_at_every_request_of_a_restore_ends_well_or_with_a_clear_error() {
    every_fault_during(Verb::Restore);
}

#[test]
fn every_fault_at_every_request_of_a_check_ends_well_or_with_a_clear_error() {
    every_fault_during(Verb::Check);
}
