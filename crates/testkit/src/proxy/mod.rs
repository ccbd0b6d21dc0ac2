//! A TCP proxy on loopback that makes a line of its own: latency, a rate, silence, cuts, and a cache
//! that serves what was true before.
//!
//! It knows nothing of slow starts, windows or losses: a real line of the same latency and rate is
//! slower, never faster. What it does can be changed while it runs.

mod count;
mod line;
mod stale;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::run::background;
pub use count::Counts;
use count::Ledger;
use line::Lane;
use stale::Memory;

/// What the line is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line {
    /// What it adds to the way of each byte, in each direction. A new connection waits twice that,
    /// for its handshake.
    pub delay: Duration,
    /// Bytes a second, in each direction, for all connections together.
    pub rate: Option<u64>,
    /// Whether anything comes through.
    pub signal: Signal,
    /// After how many more bytes, of both directions together, connections break.
    pub cut_after: Option<u64>,
}

/// Whether anything comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signal {
    /// Everything does.
    #[default]
    Clear,
    /// Nothing does, and nobody is told: what was on its way arrives when the signal is back.
    Lost,
}

/// How answers come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Byte by byte, whatever they mean.
    Straight,
    /// Through a cache that answers a GET or HEAD as it was answered before, absence included.
    Stale,
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    line: watch::Sender<Line>,
    up: Lane,
    down: Lane,
    /// Bytes that passed since the line was last changed.
    passed: AtomicU64,
    ledger: Ledger,
    memory: Memory,
}

impl Proxy {
    /// A proxy on a free port of loopback with a perfect line.
    ///
    /// # Panics
    /// When the system gives no port or no thread.
    #[must_use]
    pub fn start(to: SocketAddr, way: Way) -> Self {
        Self::listening(([127, 0, 0, 1], 0).into(), to, way)
    }

    /// A proxy on a port of choice with a perfect line.
    ///
    /// # Panics
    /// When the port is taken or the system gives no thread.
    #[must_use]
    pub fn listening(at: SocketAddr, to: SocketAddr, way: Way) -> Self {
        let runtime = background();
        let listener = runtime
            .block_on(TcpListener::bind(at))
            .expect("the port of the proxy");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to,
            line: watch::Sender::new(Line::default()),
            up: Lane::default(),
            down: Lane::default(),
            passed: AtomicU64::new(0),
            ledger: Ledger::default(),
            memory: Memory::default(),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared), way));
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the line, for connections that are open too.
    pub fn set(&self, line: Line) {
        self.shared.passed.store(0, Ordering::Relaxed);
        self.shared.line.send_replace(line);
    }

    /// Changes only whether anything comes through.
    pub fn signal(&self, signal: Signal) {
        self.shared.line.send_modify(|line| line.signal = signal);
    }

    /// The requests and bytes so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.ledger.counts()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, way: Way) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A connection that breaks is what this is for; both ends notice by themselves.
            let _ = match way {
                Way::Straight => straight(client, &shared).await,
                Way::Stale => stale::serve(client, &shared).await,
            };
        });
    }
}

async fn straight(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let handshake = shared.line.borrow().delay * 2;
    tokio::time::sleep(handshake).await;
    let server = TcpStream::connect(shared.to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let counter = shared.ledger.connection();
    let up = line::carry(from_client, to_server, &shared.up, shared, Some(counter));
    let down = line::carry(from_server, to_client, &shared.down, shared, None);
    tokio::try_join!(up, down).map(drop)
}
