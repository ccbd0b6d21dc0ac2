//! Log entries: what a device says, in order (docs/format.md §13).

use ownkey_crypto::{DeviceId, ObjectHash, PackKind};

use super::FormatError;
use super::cbor::{Fields, MapReader, Reader, Record, Writer, encode, read_all};
use super::position::read_hash;
use super::record::SnapshotRecord;
use super::time::Timestamp;

pub use super::position::{EntryRef, LogPosition, ROSTER, RosterPosition};

const ENTRY_LIMIT: usize = 16 << 20;
const BODY_LIMIT: usize = 8 << 20;
const DEVICES_LIMIT: usize = 1_024;
const OBJECTS_LIMIT: usize = 1 << 17;

/// One pack, by where it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName {
    /// Data or meta.
    pub kind: PackKind,
    /// Hash of all its bytes.
    pub hash: ObjectHash,
}

/// Packs and index segments, as a `Condemn` or a `Spare` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Packs.
    pub packs: Vec<PackName>,
    /// Index segments.
    pub segments: Vec<ObjectHash>,
}

/// What an entry says to every enrolled device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A snapshot, provisional until confirmed; its record is in the sealed body.
    Backup {
        /// Index segments that nothing named before.
        segments: Vec<ObjectHash>,
    },
    /// The Backup or Repack at this place stands.
    Confirm(LogPosition),
    /// A backup in progress; the record of what is done is in the sealed body.
    Checkpoint {
        /// Index segments that nothing named before.
        segments: Vec<ObjectHash>,
    },
    /// These snapshots are no more.
    Forget(Vec<EntryRef>),
    /// Chunks were moved to new packs, or segments renewed; counts once it is confirmed.
    Repack {
        /// Index segments that nothing named before.
        segments: Vec<ObjectHash>,
    },
    /// Nobody may rely on these from now on.
    Condemn(Listed),
    /// Ends an own Condemn for what it lists.
    Spare {
        /// Number of that Condemn in the same log.
        condemn: u64,
        /// What is spared.
        spared: Listed,
    },
    /// A sign of life.
    Heartbeat,
    /// Snapshots that nobody is to forget, until another Pin ends this one.
    Pin {
        /// The snapshots.
        pinned: Vec<EntryRef>,
        /// Pins of any log that say nothing any more.
        ended: Vec<EntryRef>,
    },
    /// A kind this version does not know and need not understand.
    Unknown(u64),
}

/// One entry, as it is inside its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Whose log.
    pub device: DeviceId,
    /// Number in the log.
    pub seq: u64,
    /// Hash of the entry before; zeros at 0.
    pub previous: ObjectHash,
    /// Newest roster entry the author knew.
    pub roster: RosterPosition,
    /// Newest entry of every other log the author knew, ascending by device.
    pub seen: Vec<EntryRef>,
    /// When, by the author's clock. For display only: no safety rests on it.
    pub time: Timestamp,
    /// What it says.
    pub event: Event,
    /// Body for readers: an envelope of class body.
    pub sealed_body: Option<Vec<u8>>,
    /// State of this log before the entry: an envelope of class fold.
    pub fold: Option<Vec<u8>>,
}

/// Every entry whose number this divides carries a fold.
pub const FOLD_INTERVAL: u64 = 64;

/// A snapshot inside a [`Fold`]: an entry and what its sealed body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The Backup or Checkpoint entry.
    pub at: LogPosition,
    /// Its record.
    pub record: SnapshotRecord,
}

/// The state of one log before an entry, so that a newcomer need not read it from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// The entry with the fold before this one: a chain in strides.
    pub previous: Option<LogPosition>,
    /// Confirmed snapshots that this log has not forgotten itself.
    pub confirmed: Vec<Recorded>,
    /// Index segments this log named and did not drop.
    pub segments: Vec<ObjectHash>,
    /// Condemns that stand, with what they still name.
    pub condemns: Vec<(u64, Listed)>,
    /// Snapshots this log forgot, its own and others'.
    pub forgotten: Vec<EntryRef>,
    /// A Backup that waits for its Confirm.
    pub provisional: Option<Recorded>,
    /// The newest Checkpoint since the last confirmed Backup.
    pub checkpoint: Option<Recorded>,
    /// Pins of this log that it did not end itself, with the snapshots they pin.
    pub pins: Vec<(LogPosition, Vec<EntryRef>)>,
    /// Pins of other logs that this one ended.
    pub ended_pins: Vec<EntryRef>,
    /// A Repack that waits for its Confirm, with the segments it names.
    pub repack: Option<(LogPosition, Vec<ObjectHash>)>,
}

impl Fold {
    /// The fold as bytes; `None` if it has grown beyond what a reader takes (docs/format.md §14). Then the entry carries
    /// none, and reading begins at an earlier one.
    pub(crate) fn encoded(&self) -> Option<Vec<u8>> {
        const ENVELOPE: usize = 4 << 10;
        let bytes = encode(self);
        let is_readable = bytes.len() + ENVELOPE <= Self::LIMIT
            && read_all(&bytes, Self::WHAT, Self::read).is_ok();
        is_readable.then_some(bytes)
    }
}

impl Event {
    const fn number(&self) -> u64 {
        match self {
            Self::Backup { .. } => 0,
            Self::Confirm(_) => 1,
            Self::Checkpoint { .. } => 2,
            Self::Forget(_) => 3,
            Self::Repack { .. } => 4,
            Self::Condemn(_) => 5,
            Self::Spare { .. } => 6,
            Self::Heartbeat => 7,
            Self::Pin { .. } => 8,
            Self::Unknown(kind) => *kind,
        }
    }

    /// Index segments this entry is the first to name; those of a Repack once it is confirmed.
    pub fn segments(&self) -> &[ObjectHash] {
        match self {
            Self::Backup { segments }
            | Self::Checkpoint { segments }
            | Self::Repack { segments } => segments,
            _ => &[],
        }
    }
}

impl Event {
    /// The open body; its kind stands beside it in the entry.
    fn body(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(|f| match self {
            Self::Backup { segments }
            | Self::Checkpoint { segments }
            | Self::Repack { segments } => {
                f.put(0, |w| write_hashes(w, segments));
            }
            Self::Confirm(at) => {
                f.put(0, |w| w.unsigned(at.seq));
                f.put(1, |w| w.bytes(at.hash.as_bytes()));
            }
            Self::Forget(snapshots) => f.put(0, |w| w.array(snapshots, Writer::record)),
            Self::Condemn(listed) => write_listed(f, 0, listed),
            Self::Spare { condemn, spared } => {
                f.put(0, |w| w.unsigned(*condemn));
                write_listed(f, 1, spared);
            }
            Self::Pin { pinned, ended } => {
                f.put(0, |w| w.array(pinned, Writer::record));
                f.put(1, |w| w.array(ended, Writer::record));
            }
            Self::Heartbeat | Self::Unknown(_) => {}
        });
        writer.into_bytes()
    }
}

fn write_listed(f: &mut Fields<'_>, key: u64, listed: &Listed) {
    f.put(key, |w| w.array(&listed.packs, Writer::record));
    f.put(key + 1, |w| write_hashes(w, &listed.segments));
}

fn write_hashes(w: &mut Writer, hashes: &[ObjectHash]) {
    w.array(hashes, |w, hash| w.bytes(hash.as_bytes()));
}

fn read_hashes(r: &mut Reader<'_>) -> Result<Vec<ObjectHash>, FormatError> {
    r.array(OBJECTS_LIMIT, read_hash)
}

fn read_entries(r: &mut Reader<'_>) -> Result<Vec<EntryRef>, FormatError> {
    r.array(OBJECTS_LIMIT, Reader::record)
}

fn read_body(kind: u64, from: &mut Reader<'_>) -> Result<Event, FormatError> {
    from.map(|m| {
        Ok(match kind {
            0 => Event::Backup {
                segments: m.required(0, read_hashes)?,
            },
            1 => Event::Confirm(LogPosition {
                seq: m.required(0, Reader::unsigned)?,
                hash: m.required(1, read_hash)?,
            }),
            2 => Event::Checkpoint {
                segments: m.required(0, read_hashes)?,
            },
            3 => Event::Forget(m.required(0, read_entries)?),
            4 => Event::Repack {
                segments: m.required(0, read_hashes)?,
            },
            5 => Event::Condemn(read_listed(m, 0)?),
            6 => Event::Spare {
                condemn: m.required(0, Reader::unsigned)?,
                spared: read_listed(m, 1)?,
            },
            7 => Event::Heartbeat,
            8 => Event::Pin {
                pinned: m.required(0, read_entries)?,
                ended: m.required(1, read_entries)?,
            },
            kind => {
                return Err(FormatError::UnknownKind {
                    what: LogEntry::WHAT,
                    kind,
                });
            }
        })
    })
}

fn read_listed(m: &mut MapReader<'_, '_>, key: u64) -> Result<Listed, FormatError> {
    Ok(Listed {
        packs: m.required(key, |r| r.array(OBJECTS_LIMIT, Reader::record))?,
        segments: m.required(key + 1, read_hashes)?,
    })
}

impl Record for LogEntry {
    const WHAT: &'static str = "log entry";
    const LIMIT: usize = ENTRY_LIMIT;

    fn write(&self, to: &mut Writer) {
        let known = !matches!(self.event, Event::Unknown(_));
        to.map(|f| {
            f.put(0, |w| w.bytes(self.device.as_bytes()));
            f.put(1, |w| w.unsigned(self.seq));
            f.put(2, |w| w.bytes(self.previous.as_bytes()));
            f.put(3, |w| w.record(&self.roster));
            f.put(4, |w| w.array(&self.seen, Writer::record));
            f.put(5, |w| w.record(&self.time));
            f.put(6, |w| w.unsigned(self.event.number()));
            f.put(7, |w| w.unsigned(u64::from(known)));
            f.put(8, |w| w.bytes(&self.event.body()));
            f.put_some(9, self.sealed_body.as_ref(), |w, body| w.bytes(body));
            f.put_some(10, self.fold.as_ref(), |w, fold| w.bytes(fold));
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            let device = DeviceId::from_bytes(m.required(0, Reader::array_of_bytes)?);
            let seq = m.required(1, Reader::unsigned)?;
            let previous = m.required(2, read_hash)?;
            let roster = m.required(3, Reader::record)?;
            let seen: Vec<EntryRef> = m.required(4, |r| r.array(DEVICES_LIMIT, Reader::record))?;
            let time = m.required(5, Reader::record)?;
            let kind = m.required(6, Reader::unsigned)?;
            let must_understand = m.required(7, Reader::flag)?;
            let body = m.required(8, |r| r.bytes(BODY_LIMIT))?;
            let event = read_event(kind, must_understand, body)?;
            let sealed_body = m.optional(9, |r| r.bytes(BODY_LIMIT).map(<[u8]>::to_vec))?;
            let fold = m.optional(10, |r| r.bytes(BODY_LIMIT).map(<[u8]>::to_vec))?;
            if !seen.is_sorted_by(|a, b| a.device < b.device) {
                return Err(FormatError::NotCanonical { what: Self::WHAT });
            }
            Ok(Self {
                device,
                seq,
                previous,
                roster,
                seen,
                time,
                event,
                sealed_body,
                fold,
            })
        })
    }
}

fn read_event(kind: u64, must_understand: bool, body: &[u8]) -> Result<Event, FormatError> {
    const NEWEST: u64 = 8;
    if kind > NEWEST {
        if must_understand {
            return Err(FormatError::UnknownKind {
                what: LogEntry::WHAT,
                kind,
            });
        }
        return Ok(Event::Unknown(kind));
    }
    let event = read_all(body, LogEntry::WHAT, |r| read_body(kind, r))?;
    if event.body() != body {
        return Err(FormatError::NotCanonical {
            what: LogEntry::WHAT,
        });
    }
    Ok(event)
}

impl Record for PackName {
    const WHAT: &'static str = "name of a pack";
    const LIMIT: usize = 40;

    fn write(&self, to: &mut Writer) {
        let mut bytes = vec![match self.kind {
            PackKind::Data => 0,
            PackKind::Meta => 1,
        }];
        bytes.extend_from_slice(self.hash.as_bytes());
        to.bytes(&bytes);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        let [kind, hash @ ..] = from.array_of_bytes::<33>()?;
        let kind = match kind {
            0 => PackKind::Data,
            1 => PackKind::Meta,
            _ => return Err(from.malformed()),
        };
        Ok(Self {
            kind,
            hash: ObjectHash::from_bytes(hash),
        })
    }
}

impl Record for Recorded {
    const WHAT: &'static str = "snapshot in a fold";
    const LIMIT: usize = BODY_LIMIT;

    fn write(&self, to: &mut Writer) {
        to.tuple(3);
        to.unsigned(self.at.seq);
        to.bytes(self.at.hash.as_bytes());
        to.record(&self.record);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.tuple(3)?;
        let at = LogPosition {
            seq: from.unsigned()?,
            hash: read_hash(from)?,
        };
        Ok(Self {
            at,
            record: from.record()?,
        })
    }
}

impl Record for Fold {
    const WHAT: &'static str = "fold";
    const LIMIT: usize = BODY_LIMIT;

    fn write(&self, to: &mut Writer) {
        to.map(|f| {
            f.put_some(0, self.previous.as_ref(), Writer::record);
            f.put(1, |w| w.array(&self.confirmed, Writer::record));
            f.put(2, |w| write_hashes(w, &self.segments));
            f.put(3, |w| {
                w.array(&self.condemns, |w, (seq, listed)| {
                    w.tuple(3);
                    w.unsigned(*seq);
                    w.array(&listed.packs, Writer::record);
                    write_hashes(w, &listed.segments);
                });
            });
            f.put(4, |w| w.array(&self.forgotten, Writer::record));
            f.put_some(5, self.provisional.as_ref(), Writer::record);
            f.put_some(6, self.checkpoint.as_ref(), Writer::record);
            f.put(7, |w| {
                w.array(&self.pins, |w, (at, snapshots)| {
                    w.tuple(3);
                    w.unsigned(at.seq);
                    w.bytes(at.hash.as_bytes());
                    w.array(snapshots, Writer::record);
                });
            });
            f.put(8, |w| w.array(&self.ended_pins, Writer::record));
            f.put_some(9, self.repack.as_ref(), |w, (at, segments)| {
                w.tuple(3);
                w.unsigned(at.seq);
                w.bytes(at.hash.as_bytes());
                write_hashes(w, segments);
            });
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            Ok(Self {
                previous: m.optional(0, Reader::record)?,
                confirmed: m.required(1, |r| r.array(OBJECTS_LIMIT, Reader::record))?,
                segments: m.required(2, read_hashes)?,
                condemns: m.required(3, |r| r.array(OBJECTS_LIMIT, read_condemn))?,
                forgotten: m.required(4, read_entries)?,
                provisional: m.optional(5, Reader::record)?,
                checkpoint: m.optional(6, Reader::record)?,
                pins: m.required(7, |r| r.array(OBJECTS_LIMIT, read_pin))?,
                ended_pins: m.required(8, read_entries)?,
                repack: m.optional(9, |r| Ok((read_position(r)?, read_hashes(r)?)))?,
            })
        })
    }
}

fn read_pin(r: &mut Reader<'_>) -> Result<(LogPosition, Vec<EntryRef>), FormatError> {
    Ok((read_position(r)?, read_entries(r)?))
}

/// The first two of three: what was said there follows.
fn read_position(r: &mut Reader<'_>) -> Result<LogPosition, FormatError> {
    r.tuple(3)?;
    Ok(LogPosition {
        seq: r.unsigned()?,
        hash: read_hash(r)?,
    })
}

fn read_condemn(r: &mut Reader<'_>) -> Result<(u64, Listed), FormatError> {
    r.tuple(3)?;
    let seq = r.unsigned()?;
    let packs = r.array(OBJECTS_LIMIT, Reader::record)?;
    Ok((
        seq,
        Listed {
            packs,
            segments: read_hashes(r)?,
        },
    ))
}
