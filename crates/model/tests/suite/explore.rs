//! Runs the checker and prints what it walked, so that the counts in the decision record can be repeated.

use std::time::Instant;

use ownkey_model::checks::Reach;
use ownkey_model::{Config, LookRule, Mistake};
use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

/// Walks every reachable state; panics if something is lost or a claimed state is not reached.
pub(crate) fn holds(name: &str, config: Config, reaches: &[Reach]) {
    let begun = Instant::now();
    let checker = LookRule::new(config, reaches)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    println!(
        "{name}: {states} states, {} steps deep, {:.1?}",
        checker.max_depth(),
        begun.elapsed()
    );
    for (property, path) in checker.discoveries() {
        if let DiscoveryClassification::Counterexample = checker.discovery_classification(property)
        {
            let steps = path
                .into_actions()
                .iter()
                .fold(String::new(), |all, step| format!("{all}\n  {step:?}"));
            panic!("{name}: violated: {property}{steps}");
        }
    }
    checker.assert_properties();
}

/// Looks for a state in which something is lost; panics if the mistake goes unnoticed.
pub(crate) fn is_caught(sound: &Config, mistake: Mistake) {
    let begun = Instant::now();
    let model = LookRule::new(sound.with(mistake), &[]);
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let found = checker.discoveries();
    let steps = found
        .values()
        .map(|path| path.clone().into_actions().len())
        .min();
    println!(
        "{mistake:?}: {steps:?} steps, {states} states, {:.1?}",
        begun.elapsed()
    );
    assert!(
        steps.is_some(),
        "{mistake:?} loses nothing in {states} states"
    );
}
