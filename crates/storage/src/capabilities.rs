//! What a storage can do. What it lacks is said here, and is an `Unsupported` error when asked for
//! all the same; it is never a panic and never silently something else.

/// What one storage can do, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether two creators of one name can both believe they won.
    pub create_if_absent: CreateIfAbsent,
    /// Whether what returned survives a loss of power.
    pub durable: Durability,
    /// Whether a read sees every write that ended before it.
    pub read_after_write: ReadAfterWrite,
    /// Whether earlier states can be read.
    pub versions: VersionSupport,
    /// Whether objects can be locked against deletion for a time.
    pub retention: RetentionSupport,
}

/// How well a storage refuses to create what exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateIfAbsent {
    /// Of racing creators exactly one wins.
    Atomic,
    /// Looked up first: two at the same moment can both succeed, and the later one's bytes stay.
    Checked,
}

/// Whether the storage can say that bytes survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What returned is kept.
    Yes,
    /// The storage cannot say, for example because its file system cannot flush folders.
    Unknown,
    /// Nothing outlives the process.
    No,
}

/// Whether reads are as fresh as the prune protocol needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAfterWrite {
    /// A read after a completed write sees it, even of a name that was read absent before.
    Always,
    /// There may be a cache on the way; it must be probed.
    Unknown,
}

/// Whether a storage keeps what was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSupport {
    /// Earlier versions are kept and can be read.
    Kept,
    /// Only the present state exists.
    None,
}

/// Whether a storage can lock objects against deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionSupport {
    /// It can.
    Kept,
    /// It cannot.
    None,
}
