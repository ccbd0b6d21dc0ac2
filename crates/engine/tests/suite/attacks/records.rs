//! What a forger says: entries, records, nodes and streams, as docs/format.md §11 and §13 spell them.

use ownkey_crypto::{ChunkId, DeviceId, ObjectHash, PackKind};
use ownkey_engine::format::entry::{LogPosition, PackName};

use super::cbor::Cbor;

/// A chunk that lies in a pack of the forger's.
pub(crate) struct Planted {
    pub(crate) id: ChunkId,
    pub(crate) length: u32,
}

/// What an entry says.
pub(crate) struct Said {
    pub(crate) kind: u64,
    pub(crate) open: Cbor,
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) fold: Option<Vec<u8>>,
    pub(crate) seen: Vec<(DeviceId, LogPosition)>,
    /// Another number inside than outside.
    pub(crate) seq: Option<u64>,
    /// Another roster than the one that is there.
    pub(crate) roster: Option<(u32, ObjectHash)>,
}

impl Said {
    pub(crate) fn of(kind: u64, open: Cbor) -> Self {
        Self {
            kind,
            open,
            record: None,
            fold: None,
            seen: Vec::new(),
            seq: None,
            roster: None,
        }
    }
}

pub(super) fn seen((device, at): (DeviceId, LogPosition)) -> Cbor {
    Cbor::Array(vec![
        Cbor::bytes(device.as_bytes()),
        Cbor::Unsigned(at.seq),
        Cbor::bytes(at.hash.as_bytes()),
    ])
}

pub(crate) fn hashes(hashes: &[ObjectHash]) -> Cbor {
    Cbor::Array(
        hashes
            .iter()
            .map(|hash| Cbor::bytes(hash.as_bytes()))
            .collect(),
    )
}

pub(super) fn pack_bytes(pack: &PackName) -> Vec<u8> {
    let mut bytes = vec![u8::from(pack.kind == PackKind::Meta)];
    bytes.extend_from_slice(pack.hash.as_bytes());
    bytes
}

/// A stream of these chunks.
pub(crate) fn stream(chunks: &[Planted]) -> Cbor {
    let length = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    let ids: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| *chunk.id.as_bytes())
        .collect();
    Cbor::Array(vec![
        Cbor::Unsigned(length),
        Cbor::Unsigned(0),
        Cbor::Bytes(ids),
    ])
}

/// A snapshot record with this root and nothing else to say.
pub(crate) fn record(root: Cbor) -> Cbor {
    let none = || Cbor::Array(vec![]);
    Cbor::Map(vec![
        (0, root),
        (1, Cbor::text("forged")),
        (2, Cbor::text("forger")),
        (3, none()),
        (4, none()),
        // Newer than all honest ones, so that it is the latest.
        (5, Cbor::time(1 << 40)),
        (6, Cbor::Array((0..5).map(|_| Cbor::Unsigned(0)).collect())),
        (7, Cbor::Unsigned(0)),
        (8, none()),
        (9, Cbor::text("forged")),
    ])
}

/// A node with these further fields; `kind` as in docs/format.md §11.
pub(crate) fn node(name: &[u8], kind: u64, mode: u64, further: Vec<(u64, Cbor)>) -> Vec<u8> {
    let mut fields = vec![
        (0, Cbor::bytes(name)),
        (1, Cbor::Unsigned(kind)),
        (2, Cbor::Unsigned(mode)),
        (3, Cbor::Unsigned(0)),
        (4, Cbor::Unsigned(0)),
        (8, Cbor::time(1)),
    ];
    fields.extend(further);
    fields.sort_by_key(|(key, _)| *key);
    let bytes = Cbor::Map(fields).encode();
    [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
}

/// A file of these chunks.
pub(crate) fn file(name: &[u8], chunks: &[Planted]) -> Vec<u8> {
    let length = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    node(
        name,
        0,
        0o644,
        vec![(7, Cbor::Unsigned(length)), (16, stream(chunks))],
    )
}

/// A directory with this content.
pub(crate) fn directory(name: &[u8], content: Cbor) -> Vec<u8> {
    node(name, 1, 0o755, vec![(16, content)])
}

/// A link to `target`.
pub(crate) fn link(name: &[u8], target: &[u8]) -> Vec<u8> {
    node(name, 2, 0o777, vec![(11, Cbor::bytes(target))])
}
