//! The newest entries this machine has seen: what a storage cannot take back unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use ownkey_crypto::{DeviceId, ObjectHash};

use crate::format::entry::{LogPosition, RosterPosition};

/// The newest roster entry, and the newest entry of every log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tips {
    pub(crate) roster: RosterPosition,
    pub(crate) logs: BTreeMap<DeviceId, LogPosition>,
    /// The roster entries by which an admin accepted less than was seen, as far as they were followed: each once.
    pub(crate) accepted: BTreeSet<ObjectHash>,
}

const ROSTER_BYTES: usize = 4 + 32;
const LOG_BYTES: usize = 16 + 8 + 32;
/// More than an admin accepts in a life.
const ACCEPTED: usize = 1_024;

impl Tips {
    /// Longest encoding: 1,024 identities.
    pub(crate) const LIMIT: u64 = (ROSTER_BYTES + 2 + ACCEPTED * 32 + 1_024 * LOG_BYTES) as u64;

    /// `u32 n ‖ hash`, `u16 accepted`, as many hashes, then per log `device ‖ u64 seq ‖ hash`, ascending.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.roster.n.to_le_bytes().to_vec();
        bytes.extend_from_slice(self.roster.hash.as_bytes());
        let accepted = self.accepted.iter().take(ACCEPTED);
        bytes.extend_from_slice(&(accepted.len() as u16).to_le_bytes());
        for hash in accepted {
            bytes.extend_from_slice(hash.as_bytes());
        }
        for (device, at) in &self.logs {
            bytes.extend_from_slice(device.as_bytes());
            bytes.extend_from_slice(&at.seq.to_le_bytes());
            bytes.extend_from_slice(at.hash.as_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (n, rest) = bytes.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let roster = RosterPosition {
            n: u32::from_le_bytes(*n),
            hash: ObjectHash::from_bytes(*hash),
        };
        let (accepted, rest) = rest.split_first_chunk::<2>()?;
        let accepted = usize::from(u16::from_le_bytes(*accepted));
        let (hashes, rest) = rest.split_at_checked(accepted * 32)?;
        let (hashes, _) = hashes.as_chunks::<32>();
        let accepted = hashes.iter().map(|hash| ObjectHash::from_bytes(*hash));
        let (logs, rest) = rest.as_chunks::<LOG_BYTES>();
        let logs = logs.iter().map(decode_log).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self {
            roster,
            logs,
            accepted: accepted.collect(),
        })
    }
}

fn decode_log(bytes: &[u8; LOG_BYTES]) -> Option<(DeviceId, LogPosition)> {
    let (device, rest) = bytes.split_first_chunk::<16>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let hash = ObjectHash::from_bytes(*rest.first_chunk()?);
    Some((
        DeviceId::from_bytes(*device),
        LogPosition {
            seq: u64::from_le_bytes(*seq),
            hash,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tips_are_read_back() {
        let at = |seq| LogPosition {
            seq,
            hash: ObjectHash::from_bytes([9; 32]),
        };
        let tips = Tips {
            roster: RosterPosition {
                n: 3,
                hash: ObjectHash::from_bytes([1; 32]),
            },
            logs: [
                (DeviceId::from_bytes([1; 16]), at(7)),
                (DeviceId::from_bytes([2; 16]), at(u64::MAX)),
            ]
            .into(),
            accepted: [ObjectHash::from_bytes([4; 32])].into(),
        };
        let bytes = tips.encode();
        assert_eq!(Tips::decode(&bytes), Some(tips));
        assert_eq!(Tips::decode(&bytes[..bytes.len() - 1]), None);
    }
}
