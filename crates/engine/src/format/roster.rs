//! Roster entries: who may do what (docs/format.md §12).

use ownkey_crypto::{Capabilities, DeviceId, Epoch, ObjectHash, PublicIdentity};

use super::FormatError;
use super::cbor::{Fields, MapReader, Reader, Record, Writer, read_all};
use super::position::read_hash;
use super::time::Timestamp;

const ENTRY_LIMIT: usize = 1 << 20;
const LABEL_LIMIT: usize = 255;
const IDENTITIES_LIMIT: usize = 1_024;
const POLICY_LIMIT: usize = 64 << 10;
const HISTORY_LIMIT: usize = 256;
const READ_KEM_BYTES: usize = 1_216;

/// What an identity is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A machine.
    Device,
    /// A way back for a human.
    Recovery,
}

/// An identity as the roster introduces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduced {
    /// Its public keys.
    pub public: PublicIdentity,
    /// What it is for.
    pub role: Role,
    /// What it may do.
    pub capabilities: Capabilities,
    /// What its owner calls it.
    pub label: String,
}

/// What entry 0 says. `repo_id` is the hash of this, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The identity that made the repository and signs this.
    pub founder: PublicIdentity,
    /// Makes every repository's id its own.
    pub nonce: [u8; 16],
    /// When.
    pub time: Timestamp,
    /// Features an ownkey must know to write here; 1.
    pub format_level: u32,
    /// The first identities, the founder among them.
    pub identities: Vec<Introduced>,
}

/// An entry after entry 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// Its number, from 1.
    pub n: u32,
    /// Hash of the entry before.
    pub previous: ObjectHash,
    /// Who signed it.
    pub signer: DeviceId,
    /// When, by the signer's clock.
    pub time: Timestamp,
    /// What changes.
    pub change: Change,
}

/// A change of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new identity.
    AddIdentity(Box<Introduced>),
    /// An identity is out; a [`Change::Cut`] follows.
    Remove(DeviceId),
    /// Entries of a removed device's log from `next` on are void.
    Cut {
        /// Whose log.
        device: DeviceId,
        /// The first void entry.
        next: u64,
        /// Hash of the last entry that stands; zeros if none.
        last: ObjectHash,
    },
    /// Other capabilities for an identity.
    Capabilities {
        /// Whose.
        device: DeviceId,
        /// All it has from now on.
        capabilities: Capabilities,
    },
    /// New root keys.
    NewEpoch {
        /// Its number.
        epoch: Epoch,
        /// X-Wing public key to which write-only devices seal.
        read_kem: Vec<u8>,
        /// The read key of the epoch before, sealed.
        read_history: Vec<u8>,
        /// The log key of the epoch before, sealed.
        log_history: Vec<u8>,
    },
    /// Settings that hold for all devices, opaque here.
    Policy(Vec<u8>),
    /// Features an ownkey must know to write here.
    FormatLevel(u32),
    /// An admin accepts that a log is as it is shown, and goes on from there.
    Accept {
        /// Whose log; [`super::entry::ROSTER`] for the roster.
        device: DeviceId,
        /// The number behind the last entry that is shown.
        next: u64,
        /// Hash of that entry; zeros if there is none.
        last: ObjectHash,
    },
    /// A slot was added or removed.
    Slot {
        /// The recovery identity it is for.
        device: DeviceId,
        /// Its name.
        slot: ObjectHash,
        /// Whether it is there from now on.
        added: bool,
    },
    /// Another label for an identity.
    Label {
        /// Whose.
        device: DeviceId,
        /// What its owner calls it.
        label: String,
    },
    /// A kind this version does not know and need not understand.
    Unknown(u64),
}

impl Change {
    const fn number(&self) -> u64 {
        match self {
            Self::AddIdentity(_) => 1,
            Self::Remove(_) => 2,
            Self::Cut { .. } => 3,
            Self::Capabilities { .. } => 4,
            Self::NewEpoch { .. } => 5,
            Self::Policy(_) => 6,
            Self::FormatLevel(_) => 7,
            Self::Accept { .. } => 8,
            Self::Slot { .. } => 9,
            Self::Label { .. } => 10,
            Self::Unknown(kind) => *kind,
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.map(|f| self.put_fields(f));
        writer.into_bytes()
    }

    fn put_fields(&self, f: &mut Fields<'_>) {
        match self {
            Self::AddIdentity(identity) => f.put(0, |w| w.record(identity.as_ref())),
            Self::Remove(device) => put_device(f, device),
            Self::Cut { device, next, last } | Self::Accept { device, next, last } => {
                put_device(f, device);
                f.put(1, |w| w.unsigned(*next));
                f.put(2, |w| w.bytes(last.as_bytes()));
            }
            Self::Capabilities {
                device,
                capabilities,
            } => {
                put_device(f, device);
                f.put(1, |w| w.unsigned(u64::from(capabilities.bits())));
            }
            Self::NewEpoch {
                epoch,
                read_kem,
                read_history,
                log_history,
            } => {
                f.put(0, |w| w.unsigned(u64::from(epoch.get())));
                f.put(1, |w| w.bytes(read_kem));
                f.put(2, |w| w.bytes(read_history));
                f.put(3, |w| w.bytes(log_history));
            }
            Self::Policy(bytes) => f.put(0, |w| w.bytes(bytes)),
            Self::FormatLevel(level) => f.put(0, |w| w.unsigned(u64::from(*level))),
            Self::Slot {
                device,
                slot,
                added,
            } => {
                put_device(f, device);
                f.put(1, |w| w.bytes(slot.as_bytes()));
                f.put(2, |w| w.unsigned(u64::from(*added)));
            }
            Self::Label { device, label } => {
                put_device(f, device);
                f.put(1, |w| w.text(label));
            }
            Self::Unknown(_) => {}
        }
    }
}

fn put_device(f: &mut Fields<'_>, device: &DeviceId) {
    f.put(0, |w| w.bytes(device.as_bytes()));
}

fn device(m: &mut MapReader<'_, '_>) -> Result<DeviceId, FormatError> {
    Ok(DeviceId::from_bytes(m.required(0, Reader::array_of_bytes)?))
}

fn read_change(kind: u64, from: &mut Reader<'_>) -> Result<Change, FormatError> {
    from.map(|m| {
        Ok(match kind {
            1 => Change::AddIdentity(Box::new(m.required(0, Reader::record)?)),
            2 => Change::Remove(device(m)?),
            3 => Change::Cut {
                device: device(m)?,
                next: m.required(1, Reader::unsigned)?,
                last: m.required(2, read_hash)?,
            },
            4 => Change::Capabilities {
                device: device(m)?,
                capabilities: m.required(1, read_capabilities)?,
            },
            5 => Change::NewEpoch {
                epoch: m.required(0, read_epoch)?,
                read_kem: m.required(1, read_read_kem)?,
                read_history: m.required(2, |r| r.bytes(HISTORY_LIMIT).map(<[u8]>::to_vec))?,
                log_history: m.required(3, |r| r.bytes(HISTORY_LIMIT).map(<[u8]>::to_vec))?,
            },
            6 => Change::Policy(m.required(0, |r| r.bytes(POLICY_LIMIT).map(<[u8]>::to_vec))?),
            7 => Change::FormatLevel(m.required(0, Reader::narrow)?),
            8 => Change::Accept {
                device: device(m)?,
                next: m.required(1, Reader::unsigned)?,
                last: m.required(2, read_hash)?,
            },
            9 => Change::Slot {
                device: device(m)?,
                slot: m.required(1, read_hash)?,
                added: m.required(2, Reader::flag)?,
            },
            10 => Change::Label {
                device: device(m)?,
                label: m.required(1, |r| r.text(LABEL_LIMIT))?,
            },
            kind => {
                return Err(FormatError::UnknownKind {
                    what: RosterEntry::WHAT,
                    kind,
                });
            }
        })
    })
}

fn read_capabilities(r: &mut Reader<'_>) -> Result<Capabilities, FormatError> {
    Capabilities::from_bits(r.narrow()?).ok_or_else(|| r.malformed())
}

fn read_epoch(r: &mut Reader<'_>) -> Result<Epoch, FormatError> {
    Epoch::new(r.narrow()?).ok_or_else(|| r.malformed())
}

fn read_read_kem(r: &mut Reader<'_>) -> Result<Vec<u8>, FormatError> {
    let bytes = r.bytes(READ_KEM_BYTES)?;
    if bytes.len() == READ_KEM_BYTES {
        Ok(bytes.to_vec())
    } else {
        Err(r.malformed())
    }
}

fn read_public(r: &mut Reader<'_>) -> Result<PublicIdentity, FormatError> {
    PublicIdentity::parse(r.bytes(PublicIdentity::LEN)?).map_err(|_| r.malformed())
}

impl Record for RosterEntry {
    const WHAT: &'static str = "roster entry";
    const LIMIT: usize = ENTRY_LIMIT;

    fn write(&self, to: &mut Writer) {
        let known = !matches!(self.change, Change::Unknown(_));
        to.map(|f| {
            f.put(0, |w| w.unsigned(u64::from(self.n)));
            f.put(1, |w| w.bytes(self.previous.as_bytes()));
            f.put(2, |w| w.bytes(self.signer.as_bytes()));
            f.put(3, |w| w.record(&self.time));
            f.put(4, |w| w.unsigned(self.change.number()));
            f.put(5, |w| w.unsigned(u64::from(known)));
            f.put(6, |w| w.bytes(&self.change.body()));
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        const NEWEST: u64 = 10;
        from.map(|m| {
            let n = m.required(0, Reader::narrow)?;
            let previous = m.required(1, read_hash)?;
            let signer = DeviceId::from_bytes(m.required(2, Reader::array_of_bytes)?);
            let time = m.required(3, Reader::record)?;
            let kind = m.required(4, Reader::unsigned)?;
            let must_understand = m.required(5, Reader::flag)?;
            let body = m.required(6, |r| r.bytes(ENTRY_LIMIT))?;
            let change = if kind <= NEWEST {
                read_all(body, Self::WHAT, |r| read_change(kind, r))?
            } else if must_understand {
                return Err(FormatError::UnknownKind {
                    what: Self::WHAT,
                    kind,
                });
            } else {
                Change::Unknown(kind)
            };
            Ok(Self {
                n,
                previous,
                signer,
                time,
                change,
            })
        })
    }
}

impl Record for Genesis {
    const WHAT: &'static str = "genesis";
    const LIMIT: usize = ENTRY_LIMIT;

    fn write(&self, to: &mut Writer) {
        to.map(|f| {
            f.put(0, |w| w.bytes(&self.founder.to_bytes()));
            f.put(1, |w| w.bytes(&self.nonce));
            f.put(2, |w| w.record(&self.time));
            f.put(3, |w| w.unsigned(u64::from(self.format_level)));
            f.put(4, |w| w.array(&self.identities, Writer::record));
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        let genesis = from.map(|m| {
            Ok(Self {
                founder: m.required(0, read_public)?,
                nonce: m.required(1, Reader::array_of_bytes)?,
                time: m.required(2, Reader::record)?,
                format_level: m.required(3, Reader::narrow)?,
                identities: m.required(4, |r| r.array(IDENTITIES_LIMIT, Reader::record))?,
            })
        })?;
        let known = genesis
            .identities
            .iter()
            .any(|identity| identity.public == genesis.founder);
        if known {
            Ok(genesis)
        } else {
            Err(FormatError::Malformed { what: Self::WHAT })
        }
    }
}

impl Record for Introduced {
    const WHAT: &'static str = "identity";
    const LIMIT: usize = 4_096;

    fn write(&self, to: &mut Writer) {
        to.map(|f| {
            f.put(0, |w| w.bytes(&self.public.to_bytes()));
            f.put(1, |w| w.unsigned(u64::from(self.role == Role::Recovery)));
            f.put(2, |w| w.unsigned(u64::from(self.capabilities.bits())));
            f.put(3, |w| w.text(&self.label));
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError> {
        from.map(|m| {
            Ok(Self {
                public: m.required(0, read_public)?,
                role: if m.required(1, Reader::flag)? {
                    Role::Recovery
                } else {
                    Role::Device
                },
                capabilities: m.required(2, read_capabilities)?,
                label: m.required(3, |r| r.text(LABEL_LIMIT))?,
            })
        })
    }
}
