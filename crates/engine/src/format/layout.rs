//! Names of objects (docs/format.md §2).

use ownkey_crypto::{
    DeviceId, Epoch, GrantName, ObjectHash, PackKind, RepoId, RequestName, grant_label,
    request_label,
};
use ownkey_storage::{ObjectName, Prefix};

use super::entry::{EntryRef, LogPosition, PackName};

fn name(text: String) -> ObjectName {
    // Every caller below spells names from hexadecimal and fixed words.
    ObjectName::new(text).expect("fixed words and hex digits make a valid name")
}

fn prefix(text: &str) -> Prefix {
    Prefix::new(text).expect("fixed words and hex digits make a valid prefix")
}

/// The header.
pub fn header() -> ObjectName {
    name("ownkey".to_owned())
}

/// All slots, grants and requests.
pub fn keys() -> Prefix {
    prefix("keys/")
}

/// All slots.
pub fn slots() -> Prefix {
    prefix("keys/slot/")
}

/// A slot.
pub fn slot(hash: &ObjectHash) -> ObjectName {
    name(format!("keys/slot/{hash}"))
}

/// All grants of one identity.
pub fn grants(of: &GrantName) -> Prefix {
    prefix(&format!("keys/{of}/"))
}

/// A grant of one identity for one epoch.
pub fn grant(of: &GrantName, epoch: Epoch, hash: &ObjectHash) -> ObjectName {
    name(format!("{}-{hash}", grant_label(of, epoch)))
}

/// A machine's request to be enrolled.
pub fn request(of: &RequestName) -> ObjectName {
    name(request_label(of))
}

/// The whole roster.
pub fn roster() -> Prefix {
    prefix("roster/")
}

/// Entry `n` of the roster.
pub fn roster_entry(n: u32, hash: &ObjectHash) -> ObjectName {
    name(format!("roster/{n:08x}-{hash}"))
}

/// All logs.
pub fn logs() -> Prefix {
    prefix("log/")
}

/// One device's log.
pub fn log(device: &DeviceId) -> Prefix {
    prefix(&format!("log/{device}/"))
}

/// One entry of a device's log.
pub fn log_entry(device: &DeviceId, seq: u64) -> ObjectName {
    name(format!("log/{device}/{seq:016x}"))
}

/// All index segments.
pub fn segments() -> Prefix {
    prefix("index/")
}

/// An index segment.
pub fn segment(hash: &ObjectHash) -> ObjectName {
    name(format!("index/{hash}"))
}

/// All packs of one kind.
pub fn packs(kind: PackKind) -> Prefix {
    prefix(&format!("{}/", folder(kind)))
}

/// A pack.
pub fn pack(pack: &PackName) -> ObjectName {
    let hex = pack.hash.to_string();
    let (first, _) = hex.split_at(2);
    name(format!("{}/{first}/{hex}", folder(pack.kind)))
}

const fn folder(kind: PackKind) -> &'static str {
    match kind {
        PackKind::Data => "data",
        PackKind::Meta => "meta",
    }
}

/// What a witness keeps of a repository.
pub fn witnessed(repo: &RepoId) -> Prefix {
    prefix(&format!("witness/{repo}/"))
}

/// A witness's copy of an entry (docs/format.md §19).
pub fn witnessed_entry(repo: &RepoId, entry: &EntryRef) -> ObjectName {
    let EntryRef { device, at } = entry;
    name(format!(
        "witness/{repo}/{device}/{:016x}-{}",
        at.seq, at.hash
    ))
}

/// Reads the name of such a copy.
pub fn parse_witnessed(repo: &RepoId, of: &ObjectName) -> Option<EntryRef> {
    let parts: Vec<&str> = of.segments().collect();
    let ["witness", of_repo, device, entry] = parts.as_slice() else {
        return None;
    };
    let (seq, hash) = entry.split_once('-')?;
    let at = LogPosition {
        seq: hex(seq, 16)?,
        hash: ObjectHash::parse(hash).ok()?,
    };
    let device = DeviceId::parse(device).ok()?;
    (*of_repo == repo.to_string()).then_some(EntryRef { device, at })
}

/// What a name in the storage stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// The header.
    Header,
    /// A slot.
    Slot(ObjectHash),
    /// A grant: whose, for which epoch, and its hash.
    Grant(GrantName, Epoch, ObjectHash),
    /// A request to be enrolled.
    Request(RequestName),
    /// A roster entry: its number and hash.
    RosterEntry(u32, ObjectHash),
    /// A log entry.
    LogEntry(DeviceId, u64),
    /// An index segment.
    Segment(ObjectHash),
    /// A pack.
    Pack(PackName),
}

impl Object {
    /// Reads a name; `None` is a foreign object.
    pub fn parse(of: &ObjectName) -> Option<Self> {
        let parts: Vec<&str> = of.segments().collect();
        let object = match parts.as_slice() {
            ["ownkey"] => Self::Header,
            ["keys", "slot", hash] => Self::Slot(ObjectHash::parse(hash).ok()?),
            ["keys", "request", of] => Self::Request(RequestName::parse(of).ok()?),
            ["keys", who, grant] => {
                let (epoch, hash) = grant.split_once('-')?;
                Self::Grant(
                    GrantName::parse(who).ok()?,
                    Epoch::new(hex(epoch, 8)? as u32)?,
                    ObjectHash::parse(hash).ok()?,
                )
            }
            ["roster", entry] => {
                let (n, hash) = entry.split_once('-')?;
                Self::RosterEntry(hex(n, 8)? as u32, ObjectHash::parse(hash).ok()?)
            }
            ["log", device, seq] => Self::LogEntry(DeviceId::parse(device).ok()?, hex(seq, 16)?),
            ["index", hash] => Self::Segment(ObjectHash::parse(hash).ok()?),
            [kind, first, hash] => {
                let kind = match *kind {
                    "data" => PackKind::Data,
                    "meta" => PackKind::Meta,
                    _ => return None,
                };
                if hash.get(..2) != Some(*first) {
                    return None;
                }
                Self::Pack(PackName {
                    kind,
                    hash: ObjectHash::parse(hash).ok()?,
                })
            }
            _ => return None,
        };
        Some(object)
    }

    /// The hash of its bytes, of objects that are named by it.
    pub const fn hash(&self) -> Option<ObjectHash> {
        match self {
            Self::Slot(hash)
            | Self::Grant(_, _, hash)
            | Self::RosterEntry(_, hash)
            | Self::Segment(hash) => Some(*hash),
            Self::Pack(pack) => Some(pack.hash),
            Self::Header | Self::Request(_) | Self::LogEntry(..) => None,
        }
    }

    /// The name it was read from.
    pub fn name(&self) -> ObjectName {
        match self {
            Self::Header => header(),
            Self::Slot(hash) => slot(hash),
            Self::Grant(of, epoch, hash) => grant(of, *epoch, hash),
            Self::Request(of) => request(of),
            Self::RosterEntry(n, hash) => roster_entry(*n, hash),
            Self::LogEntry(device, seq) => log_entry(device, *seq),
            Self::Segment(hash) => segment(hash),
            Self::Pack(of) => pack(of),
        }
    }
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u64> {
    let lower = text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() == digits && lower {
        u64::from_str_radix(text, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_its_neighbours_are_foreign() {
        let hash = ObjectHash::from_bytes([0xab; 32]);
        let device = DeviceId::from_bytes([0xcd; 16]);
        let pack_name = PackName {
            kind: PackKind::Meta,
            hash,
        };
        for name in [
            header(),
            slot(&hash),
            grant(&GrantName::from_bytes([1; 16]), Epoch::FIRST, &hash),
            request(&RequestName::from_bytes([2; 16])),
            roster_entry(7, &hash),
            log_entry(&device, u64::MAX),
            segment(&hash),
            pack(&pack_name),
        ] {
            let object = Object::parse(&name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(object.name(), name);
            let longer = ObjectName::new(format!("{name}0")).unwrap();
            assert_eq!(Object::parse(&longer), None, "{longer}");
        }
        let misplaced = ObjectName::new(format!("data/00/{hash}")).unwrap();
        assert_eq!(Object::parse(&misplaced), None);
    }
}
