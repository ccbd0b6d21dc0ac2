//! The newest entries this machine has seen: what a storage cannot take back unnoticed.

use std::collections::BTreeMap;

use ownkey_crypto::{DeviceId, ObjectHash};

use crate::format::entry::{LogPosition, RosterPosition};

/// The newest roster entry, and the newest entry of every log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tips {
    pub(crate) roster: RosterPosition,
    pub(crate) logs: BTreeMap<DeviceId, LogPosition>,
}

const ROSTER_BYTES: usize = 4 + 32;
const LOG_BYTES: usize = 16 + 8 + 32;

impl Tips {
    /// Longest encoding: 1,024 identities.
    pub(crate) const LIMIT: u64 = (ROSTER_BYTES + 1_024 * LOG_BYTES) as u64;

    /// `u32 n ‖ hash`, then per log `device ‖ u64 seq ‖ hash`, ascending.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.roster.n.to_le_bytes().to_vec();
        bytes.extend_from_slice(self.roster.hash.as_bytes());
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
        let (logs, rest) = rest.as_chunks::<LOG_BYTES>();
        let logs = logs.iter().map(decode_log).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self { roster, logs })
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
        };
        let bytes = tips.encode();
        assert_eq!(Tips::decode(&bytes), Some(tips));
        assert_eq!(Tips::decode(&bytes[..bytes.len() - 1]), None);
    }
}
