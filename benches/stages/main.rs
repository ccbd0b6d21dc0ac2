//! What each stage of a backup costs, alone, on one thread.
//!
//! `cargo bench -p ownkey-engine --bench stages [-- FILE...]` — GB/s of input, the best of seven. Without files, text made
//! up from a seeded word model, and random bytes. Machines are noisy: read the ratios.

mod data;
mod stages;

use data::Data;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 7;

fn main() {
    let files: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let samples = if files.is_empty() {
        vec![Data::text(), Data::random()]
    } else {
        files.iter().map(|path| Data::read(path)).collect()
    };
    for sample in &samples {
        println!("\n{}, {} MiB", sample.name, sample.bytes.len() >> 20);
        stages::all(&sample.bytes);
    }
}

/// Prints how fast `work` goes through `bytes` bytes.
fn measure<T>(what: &str, bytes: usize, mut work: impl FnMut() -> T) {
    let times = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        black_box(work());
        started.elapsed().as_secs_f64()
    });
    let best = times.fold(f64::INFINITY, f64::min);
    println!("  {what:34} {:8.3} GB/s", bytes as f64 / best / 1e9);
}
