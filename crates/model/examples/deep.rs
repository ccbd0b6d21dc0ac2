//! Walks the larger worlds, which are too slow for the test suite: `cargo run --release --example deep`.
//!
//! An argument selects worlds by a part of their name. Every world is given a time limit; the last word of a
//! line says whether it was walked to its end.

use std::time::{Duration, Instant};

use ownkey_model::config::{Plans, Reads};
use ownkey_model::{Config, LookRule, houses};
use stateright::{Checker, Model};

const LIMIT: Duration = Duration::from_secs(240);

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, config) in worlds() {
        if name.contains(&wanted) {
            walk(name, config);
        }
    }
}

fn worlds() -> Vec<(&'static str, Config)> {
    let pairs = houses::garbage_wanted_again(2, 2);
    vec![
        (
            "segments, two pruners, a writer",
            houses::segments_two_pruners(),
        ),
        ("movers and folds", houses::movers_and_folds()),
        ("removed mover", houses::removed_mover()),
        (
            "removed pruner and folds",
            houses::removed_pruner_and_folds(),
        ),
        (
            "removed pruner and writer",
            houses::removed_pruner_and_writer(),
        ),
        (
            "removed writer and writer",
            houses::removed_writer_and_writer(),
        ),
        ("checkpoint, two pruners", houses::checkpoint_two_pruners()),
        ("forget and dedup", houses::forget_and_dedup()),
        ("restarted, two pruners", houses::restarted()),
        ("three pruners, three copies", houses::three_pruners()),
        (
            "two chunks, two pruners",
            Config {
                plans: Plans::Greedy,
                ..houses::two_chunks()
            },
        ),
        (
            "pairs, atomic looks, 2 passes",
            Config {
                reads: Reads::Atomic,
                passes: 2,
                ..pairs.clone()
            },
        ),
        (
            "pairs, log by log, 2 passes",
            Config {
                passes: 2,
                ..pairs.clone()
            },
        ),
        (
            "pairs, atomic looks, packs alone, 3 passes",
            Config {
                reads: Reads::Atomic,
                plans: Plans::GreedyPacksAlone,
                ..pairs
            },
        ),
        (
            "folds, two pruners, a writer",
            houses::folds_pruners_and_writer(),
        ),
    ]
}

fn walk(name: &str, config: Config) {
    let begun = Instant::now();
    let checker = LookRule::new(config, &[])
        .checker()
        .threads(2)
        .timeout(LIMIT)
        .spawn_bfs()
        .join();
    let took = begun.elapsed();
    let states = checker.unique_state_count();
    let end = if took < LIMIT { "complete" } else { "cut off" };
    println!(
        "{name}: {states} states, {} steps deep, {took:.1?}, {end}",
        checker.max_depth()
    );
    for (property, path) in checker.discoveries() {
        println!("  LOST: {property}");
        for step in path.into_actions() {
            println!("    {step:?}");
        }
    }
}
