//! How fast chunk boundaries are found, on this machine: `cargo run --release --example boundaries_speed`.

use ownkey_crypto::{DedupKey, End, NameKeys, OsRandom, Profile, Random as _, RepoId};

/// Processor time of this thread in seconds (Linux), which other work on the machine does not disturb.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = times.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = NameKeys::new(
        &DedupKey::generate(&OsRandom)?,
        &RepoId::from_bytes([1; 32]),
    );
    let mut data = vec![0; 256 << 20];
    OsRandom.fill(&mut data)?;
    for profile in [Profile::Content, Profile::Tree] {
        let boundaries = names.chunker(profile);
        for _ in 0..3 {
            let (started, mut rest, mut chunks, mut searched) =
                (processor_seconds()?, &data[..], 0, 0);
            while let Some(length) = boundaries.cut(rest, End::Known) {
                rest = rest.get(length..).unwrap_or_default();
                chunks += 1;
                searched += length.saturating_sub(if profile == Profile::Content {
                    512 << 10
                } else {
                    32 << 10
                });
            }
            let seconds = processor_seconds()? - started;
            let rate = |bytes: usize| bytes as f64 / seconds / 1e9;
            println!(
                "{profile:?}: {:.3} GB/s of input, {:.3} searched, {chunks} chunks",
                rate(data.len()),
                rate(searched)
            );
        }
    }
    Ok(())
}
