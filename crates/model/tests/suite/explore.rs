//! Runs the checker.

use std::time::{Duration, Instant};

use ownkey_model::checks::Reach;
use ownkey_model::{Config, LookRule};
use stateright::{Checker, HasDiscoveries, Model};

/// Walks every reachable state; panics if something is lost or a claimed state is not reached.
pub(crate) fn holds(name: &str, config: Config, reaches: &[Reach]) {
    let begun = Instant::now();
    let checker = LookRule::new(config, reaches).checker().threads(2).timeout(Duration::from_secs(40)).spawn_bfs().join();
    let took: Duration = begun.elapsed();
    println!("{name}: {} states, {} steps deep, {took:.1?}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

/// Looks for a state in which something is lost; panics if the mistake goes unnoticed.
pub(crate) fn is_caught(config: Config) {
    let name = format!("{:?}", config.mistake);
    let begun = Instant::now();
    let failures = HasDiscoveries::AnyFailures;
    let checker = LookRule::new(config, &[]).checker().threads(2).finish_when(failures).spawn_bfs().join();
    let found = checker.discoveries();
    println!("{name}: {} states, {:.1?}", checker.unique_state_count(), begun.elapsed());
    assert!(!found.is_empty(), "{name} loses nothing in {} states", checker.unique_state_count());
    if std::env::var_os("TRACE").is_some() {
        for (property, path) in found {
            println!("  {property}");
            for action in path.into_actions() {
                println!("    {action:?}");
            }
        }
    }
}

pub(crate) fn trace(config: Config) {
    let failures = HasDiscoveries::AnyFailures;
    let checker = LookRule::new(config, &[]).checker().threads(2).finish_when(failures).spawn_bfs().join();
    for (property, path) in checker.discoveries() {
        println!("  {property}");
        for action in path.into_actions() { println!("    {action:?}"); }
    }
}
