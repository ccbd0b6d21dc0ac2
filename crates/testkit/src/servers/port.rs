//! Ports nobody listens on.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The range to choose from: above what systems use, below what they give to outgoing connections, one of which
/// could otherwise take the port before the server does.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// How many ports one process steps through before it meets those of the next process.
const STRIDE: u32 = 97;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that is free, and is not given again by this process for a long while.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    // Test binaries that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    let start = u16::try_from(start).expect("below the count");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(step) % COUNT);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
