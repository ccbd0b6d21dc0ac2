//! Places in logs and in the roster (docs/format.md §12, §13): an entry by its number and the hash of its bytes.

use ownkey_crypto::{DeviceId, ObjectHash};

use super::FormatError;
use super::cbor::{Reader, Record, Writer};

/// A place in one device's log: the entry there, by number and by hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Number of the entry, from 0.
    pub seq: u64,
    /// Hash of all bytes of its object.
    pub hash: ObjectHash,
}

/// A place in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RosterPosition {
    /// Number of the entry, from 0.
    pub n: u32,
    /// Hash of all bytes of its object.
    pub hash: ObjectHash,
}

/// An entry of some device's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// Whose log.
    pub device: DeviceId,
    /// Where in it.
    pub at: LogPosition,
}

/// Stands for the roster where a log is named; no identity hashes to it.
pub const ROSTER: DeviceId = DeviceId::from_bytes([0; 16]);

impl EntryRef {
    /// An entry of the roster as one of a log.
    #[must_use]
    pub const fn of_roster(at: RosterPosition) -> Self {
        Self {
            device: ROSTER,
            at: LogPosition {
                seq: at.n as u64,
                hash: at.hash,
            },
        }
    }

    /// Its place, if it is of the roster.
    #[must_use]
    pub fn in_roster(&self) -> Option<RosterPosition> {
        let n = u32::try_from(self.at.seq).ok()?;
        let hash = self.at.hash;
        (self.device == ROSTER).then_some(RosterPosition { n, hash })
    }
}
impl Record for RosterPosition {
    const WHAT: &'static str = "place in the roster";
    const LIMIT: usize = 64;

    fn write(&self, to: &mut Writer) {
        to.tuple(2);
        to.unsigned(u64::from(self.n));
        to.bytes(self.hash.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(2)?;
        Ok(Self {
            n: from.narrow()?,
            hash: read_hash(from)?,
        })
    }
}

impl Record for LogPosition {
    const WHAT: &'static str = "place in a log";
    const LIMIT: usize = 64;

    fn write(&self, to: &mut Writer) {
        to.tuple(2);
        to.unsigned(self.seq);
        to.bytes(self.hash.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(2)?;
        Ok(Self {
            seq: from.unsigned()?,
            hash: read_hash(from)?,
        })
    }
}

impl Record for EntryRef {
    const WHAT: &'static str = "reference to a log entry";
    const LIMIT: usize = 80;

    fn write(&self, to: &mut Writer) {
        to.tuple(3);
        to.bytes(self.device.as_bytes());
        to.unsigned(self.at.seq);
        to.bytes(self.at.hash.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(3)?;
        let device = DeviceId::from_bytes(from.array_of_bytes()?);
        Ok(Self {
            device,
            at: LogPosition {
                seq: from.unsigned()?,
                hash: read_hash(from)?,
            },
        })
    }
}

pub(super) fn read_hash(r: &mut Reader<'_>) -> Result<ObjectHash, FormatError> {
    Ok(ObjectHash::from_bytes(r.array_of_bytes()?))
}
