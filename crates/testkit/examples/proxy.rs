//! The proxy as a program, for measurements and for trying things by hand:
//! `cargo run -p ownkey-testkit --example proxy -- --listen 127.0.0.1:9000 --to 127.0.0.1:8333
//! --delay 10ms --rate 20mbit [--stale]`.
//!
//! The delay is added in each direction, so that a round trip takes twice that. Commands come on
//! standard input, one a line: `counts` prints requests and bytes so far as one line of JSON, `lost`
//! and `clear` end and restore the signal, `delay 50ms` and `rate 20mbit` (or `rate none`) change the
//! line. At the end of input it goes away.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ownkey_testkit::proxy::{Counts, Line, Proxy, Signal, Way};

struct Wanted {
    listen: SocketAddr,
    to: SocketAddr,
    line: Line,
    way: Way,
}

fn main() -> ExitCode {
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("proxy: {error}");
            return ExitCode::from(2);
        }
    };
    let proxy = Proxy::listening(wanted.listen, wanted.to, wanted.way);
    proxy.set(wanted.line);
    println!("{}", proxy.address());
    let mut line = wanted.line;
    for command in std::io::stdin().lock().lines().map_while(Result::ok) {
        match obey(&command, &mut line) {
            Ok(Said::Counts) => println!("{}", as_json(&proxy.counts())),
            Ok(Said::Line) => {
                proxy.set(line);
                println!("ok");
            }
            Err(error) => println!("proxy: {error}"),
        }
    }
    ExitCode::SUCCESS
}

fn wanted(mut words: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let (mut listen, mut to) = (SocketAddr::from(([127, 0, 0, 1], 0)), None);
    let (mut line, mut way) = (Line::default(), Way::Straight);
    while let Some(option) = words.next() {
        if option == "--stale" {
            way = Way::Stale;
            continue;
        }
        let value = words.next().ok_or(format!("{option} needs a value"))?;
        match option.as_str() {
            "--listen" => listen = address(&value)?,
            "--to" => to = Some(address(&value)?),
            "--delay" => line.delay = duration(&value)?,
            "--rate" => line.rate = rate(&value)?,
            _ => return Err(format!("no such option: {option}")),
        }
    }
    let to = to.ok_or("say --to ADDRESS:PORT")?;
    Ok(Wanted {
        listen,
        to,
        line,
        way,
    })
}

enum Said {
    Counts,
    Line,
}

fn obey(command: &str, line: &mut Line) -> Result<Said, String> {
    let (word, value) = command.split_once(' ').unwrap_or((command, ""));
    match word {
        "counts" => return Ok(Said::Counts),
        "lost" => line.signal = Signal::Lost,
        "clear" => line.signal = Signal::Clear,
        "delay" => line.delay = duration(value)?,
        "rate" => line.rate = rate(value)?,
        _ => return Err(format!("no such command: {word}")),
    }
    Ok(Said::Line)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text} is no ADDRESS:PORT"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let number = text
        .strip_suffix("ms")
        .and_then(|number| number.parse().ok());
    let duration = number.map(Duration::from_millis);
    duration.ok_or(format!("{text} is no number of ms"))
}

/// Bytes a second, of so many bits.
fn rate(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    let number = text
        .strip_suffix("mbit")
        .and_then(|number| number.parse::<u64>().ok());
    let rate = number.map(|mbit| mbit * 125_000);
    rate.map(Some).ok_or(format!("{text} is no number of mbit"))
}

fn as_json(counts: &Counts) -> String {
    let requests: Vec<String> = counts
        .requests
        .iter()
        .map(|(method, number)| format!("\"{method}\": {number}"))
        .collect();
    let total: u64 = counts.requests.values().sum();
    format!(
        "{{\"requests\": {total}, \"up\": {}, \"down\": {}, \"by_method\": {{{}}}}}",
        counts.up,
        counts.down,
        requests.join(", ")
    )
}
