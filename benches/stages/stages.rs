//! The stages, each as the engine does it.

use std::sync::Arc;

use bytes::Bytes;
use ownkey_crypto::{
    ChunkType, Codec, DedupKey, End, Epoch, FrameInput, Hedge, IdentitySeed, NameKeys, Opened,
    OsRandom, PackInput, PackKind, PackOpener, PackPadding, Profile, ReadKey, ReaderKeys, RepoId,
    SealedPack, object_hash, seal_pack,
};
use ownkey_engine::format::name::Name;
use ownkey_engine::format::node::{Metadata, Node, NodeKind, Stream};
use ownkey_engine::format::tree::{NodeReader, append_node};
use ownkey_engine::{Compression, FrameCompressor};
use ownkey_storage::{LocalStorage, ObjectName, Storage as _};

use super::measure;

/// Plaintext of a frame.
const FRAME: usize = 1 << 20;
/// Frames of a pack.
const PACK: usize = 16;

/// Runs every stage over `data`.
pub(crate) fn all(data: &[u8]) {
    // Frames of one length keep the sums simple.
    let data = &data[..data.len() / FRAME * FRAME];
    let keys = Keys::new();
    let total = data.len();
    measure("floor: memcpy", total, || copy(data));
    measure("floor: BLAKE3 of 1 MiB", total, || {
        data.chunks(FRAME).map(object_hash).collect::<Vec<_>>()
    });
    measure("boundaries", total, || keys.cut(data));
    for length in [8 << 10, FRAME] {
        let what = format!("chunk id of {} KiB", length >> 10);
        measure(&what, total, || keys.name(data, length));
    }
    compression(data);
    packs(&keys, data);
    trees(&keys);
}

fn copy(data: &[u8]) -> usize {
    let mut room = vec![0; FRAME];
    let mut parts = data.chunks_exact(FRAME);
    let copied = parts.by_ref().map(|part| room.copy_from_slice(part));
    copied.count()
}

fn compression(data: &[u8]) {
    let frames = data.chunks(FRAME);
    let mut compressor = FrameCompressor::new(Compression::AUTO).expect("zstd");
    let mut compress = |frame| {
        compressor
            .compress(frame)
            .expect("zstd")
            .map(<[u8]>::to_vec)
    };
    measure("compress", data.len(), || {
        frames.clone().filter_map(&mut compress).count()
    });
    let packed: Vec<Vec<u8>> = frames.clone().filter_map(&mut compress).collect();
    let saved: usize = packed.iter().map(|packed| FRAME - packed.len()).sum();
    println!("    saves {:.3} of it", saved as f64 / data.len() as f64);
    let mut decompressor = zstd::bulk::Decompressor::new().expect("zstd");
    measure("decompress", packed.len() * FRAME, || {
        let plain = packed
            .iter()
            .map(|packed| decompressor.decompress(packed, FRAME));
        plain
            .collect::<Result<Vec<_>, _>>()
            .expect("its own output")
    });
}

fn packs(keys: &Keys, data: &[u8]) {
    let data = &data[..data.len().min(PACK * FRAME)];
    measure("seal pack, frames copied before", data.len(), || {
        keys.seal(data)
    });
    let pack = keys.seal(data);
    measure("open pack", data.len(), || keys.open(&pack).len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let storage = runtime
        .block_on(LocalStorage::create_root(&folder.path().join("storage")))
        .expect("a storage");
    let body = Bytes::copy_from_slice(pack.sealed.as_bytes());
    let mut count = 0;
    measure("local put with fsync", body.len(), || {
        count += 1;
        let name = ObjectName::new(format!("data/00/{count:064x}")).expect("a name");
        runtime
            .block_on(storage.create(&name, body.clone()))
            .expect("stored");
    });
}

fn trees(keys: &Keys) {
    let nodes: Vec<Node> = (0..2_000).map(|number| keys.node(number)).collect();
    let encode = || {
        let mut bytes = Vec::new();
        for node in &nodes {
            append_node(node, &mut bytes);
        }
        bytes
    };
    let encoded = encode();
    println!("    {} bytes a node", encoded.len() / nodes.len());
    measure("tree encode", encoded.len(), encode);
    let opened = keys.open(&keys.seal(&encoded));
    measure("tree decode", encoded.len(), || {
        let mut reader = NodeReader::default();
        let read: usize = opened
            .iter()
            .map(|chunk| reader.push(chunk).expect("nodes").len())
            .sum();
        assert_eq!(read, nodes.len());
    });
}

/// The keys of a repository that is not there.
struct Keys {
    names: NameKeys,
    reader: ReaderKeys,
    hedge: Hedge,
}

impl Keys {
    fn new() -> Self {
        let repo = RepoId::of_genesis(b"stages");
        let dedup = DedupKey::generate(&OsRandom).expect("randomness");
        let read = ReadKey::generate(&OsRandom).expect("randomness");
        let seed = IdentitySeed::generate(&OsRandom).expect("randomness");
        Self {
            names: NameKeys::new(&dedup, &repo),
            reader: ReaderKeys::new(&read, &repo, Epoch::FIRST),
            hedge: Hedge::new(&seed, Arc::new(OsRandom)),
        }
    }

    fn cut(&self, data: &[u8]) -> usize {
        let boundaries = self.names.chunker(Profile::Content);
        let (mut rest, mut chunks) = (data, 0);
        while let Some(length) = boundaries.cut(rest, End::Known) {
            rest = &rest[length..];
            chunks += 1;
        }
        chunks
    }

    fn name(&self, data: &[u8], length: usize) -> usize {
        let chunks = data.chunks(length);
        let ids = chunks.map(|chunk| self.names.chunk_id(ChunkType::Content, chunk));
        ids.map(std::hint::black_box).count()
    }

    fn node(&self, number: usize) -> Node {
        let name = format!("file-{number:06}.txt");
        let id = self.names.chunk_id(ChunkType::Content, name.as_bytes());
        Node {
            name: Name::new(name.as_bytes()).expect("a name"),
            metadata: Metadata {
                mode: 0o644,
                user: Some("ann".to_owned()),
                group: Some("staff".to_owned()),
                ..Metadata::default()
            },
            kind: NodeKind::File {
                size: 5_000,
                content: Stream {
                    length: 5_000,
                    depth: 0,
                    ids: vec![id],
                },
                extents: None,
            },
        }
    }

    fn seal(&self, data: &[u8]) -> SealedPack {
        let frames = data.chunks(FRAME).map(|frame| {
            let length = u32::try_from(frame.len()).expect("a frame");
            FrameInput {
                chunk_type: ChunkType::Content,
                codec: Codec::Stored,
                plain_len: length,
                // Naming is a stage of its own.
                chunks: vec![(self.names.chunk_id(ChunkType::Content, b""), length)],
                stored: frame.to_vec(),
            }
        });
        let writer = self.reader.writer();
        let padding = PackPadding::Padme;
        seal_pack(
            &writer,
            PackInput {
                parity: None,
                kind: PackKind::Data,
                padding,
                frames: frames.collect(),
            },
            &self.hedge,
        )
        .expect("a pack")
    }

    fn open(&self, pack: &SealedPack) -> Vec<Opened> {
        let bytes = pack.sealed.as_bytes();
        let opener = PackOpener::new(&self.reader, PackKind::Data, bytes).expect("a pack");
        let directory = opener.open_whole(bytes).expect("a directory");
        let frames = (0..).zip(directory.frames());
        let open = |(number, frame): (u32, &ownkey_crypto::FrameEntry)| {
            let range = frame.range();
            let stored = &bytes[range.start as usize..range.end as usize];
            opener.open_frame(number, stored).expect("a frame")
        };
        frames.map(open).collect()
    }
}
