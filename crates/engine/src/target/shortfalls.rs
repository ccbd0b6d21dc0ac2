//! What could not be restored for a reason that concerns many files: counted, told once.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters shared by all threads of a restore.
#[derive(Debug, Default)]
pub struct Shortfalls {
    owners: AtomicU64,
    set_ids: AtomicU64,
    devices: AtomicU64,
    privileged_xattrs: AtomicU64,
    privileged_flags: AtomicU64,
    unsupported_xattrs: AtomicU64,
    unsupported_flags: AtomicU64,
    sockets: AtomicU64,
}

/// The counters at one moment; each is a number of entries or attributes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ShortfallCounts {
    /// Entries that belong to whoever restored them: giving files away needs root (as root:
    /// the file system keeps no owners).
    pub owners: u64,
    /// Setuid and setgid bits left off because the owner or group they stand for was not restored.
    pub set_ids: u64,
    /// Devices that only root can make.
    pub devices: u64,
    /// Attributes only root can set, for example capabilities.
    pub privileged_xattrs: u64,
    /// Entries with flags only root can set, for example immutable.
    pub privileged_flags: u64,
    /// Attributes the file system of the target does not have.
    pub unsupported_xattrs: u64,
    /// Entries with flags the file system of the target does not have.
    pub unsupported_flags: u64,
    /// Sockets: a program makes its own when it starts.
    pub sockets: u64,
}

impl ShortfallCounts {
    /// Whether running as root would have restored more.
    pub fn needs_root(&self) -> bool {
        let privileged = [
            self.owners,
            self.set_ids,
            self.devices,
            self.privileged_xattrs,
            self.privileged_flags,
        ];
        privileged.iter().any(|count| *count > 0)
    }
}

/// What fell short.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shortfall {
    Owner,
    SetId,
    Device,
    PrivilegedXattr,
    PrivilegedFlags,
    UnsupportedXattr,
    UnsupportedFlags,
    Socket,
}

impl Shortfalls {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self, shortfall: Shortfall) {
        let counter = match shortfall {
            Shortfall::Owner => &self.owners,
            Shortfall::SetId => &self.set_ids,
            Shortfall::Device => &self.devices,
            Shortfall::PrivilegedXattr => &self.privileged_xattrs,
            Shortfall::PrivilegedFlags => &self.privileged_flags,
            Shortfall::UnsupportedXattr => &self.unsupported_xattrs,
            Shortfall::UnsupportedFlags => &self.unsupported_flags,
            Shortfall::Socket => &self.sockets,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn counts(&self) -> ShortfallCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShortfallCounts {
            owners: load(&self.owners),
            set_ids: load(&self.set_ids),
            devices: load(&self.devices),
            privileged_xattrs: load(&self.privileged_xattrs),
            privileged_flags: load(&self.privileged_flags),
            unsupported_xattrs: load(&self.unsupported_xattrs),
            unsupported_flags: load(&self.unsupported_flags),
            sockets: load(&self.sockets),
        }
    }
}
