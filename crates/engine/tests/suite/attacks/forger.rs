//! A writer who holds valid keys and does not keep to the rules.
//!
//! It is made of the crypto core's public face and of docs/format.md, not of the engine: a stolen
//! device, a compromised one, or a program of somebody's own. What it stores is sealed and signed
//! as it should be; what it says is whatever a test wants.

use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, ChunkType, Codec, DeviceId, Epoch, FrameInput, Grant, Hedge, Identity,
    IdentitySeed, LogKeys, NameKeys, ObjectHash, PackInput, PackKind, PackPadding, PublicIdentity,
    ReaderKeys, RecoveryKey, RepoId, SealedPack, Slot, UncheckedGrant, WriterKeys, log_name,
    object_hash, roster_label, seal_pack,
};
use ownkey_engine::format::entry::{LogPosition, PackName};
use ownkey_engine::format::layout;
use ownkey_engine::format::segment::{self, IndexedPack};
use ownkey_storage::{ObjectName, Storage};

use super::cbor::Cbor;
pub(crate) use super::objects::{get, names_under, put, ready};
pub(crate) use super::records::{
    Planted, Said, directory, file, hashes, link, node, record, stream,
};
use super::records::{pack_bytes, seen};
use crate::world::{TestRandom, World};

/// One identity and its keys, beside a storage that takes everything.
pub(crate) struct Forger {
    pub(crate) repo: RepoId,
    pub(crate) identity: Identity,
    pub(crate) grant: Grant,
    pub(crate) hedge: Hedge,
    seed: [u8; 32],
    storage: Arc<dyn Storage>,
}

impl Forger {
    /// Whoever copied the key file of `world`'s device.
    pub(crate) fn of_device(world: &World, storage: &Arc<dyn Storage>) -> Self {
        let repo = header(storage);
        let path = world
            .environment
            .state
            .join("repositories")
            .join(repo.to_string())
            .join("device-key");
        let bytes = std::fs::read(path).expect("a device key");
        let seed: [u8; 32] = bytes[16..].try_into().expect("a seed");
        let founder = Identity::from_seed(&IdentitySeed::from_file_bytes(&seed));
        Self::from_seed(seed, founder.public(), storage)
    }

    /// Whoever found the recovery key.
    pub(crate) fn of_recovery_key(
        key: &RecoveryKey,
        founder: &PublicIdentity,
        storage: &Arc<dyn Storage>,
    ) -> Self {
        let repo = header(storage);
        let seed = names_under(storage, "keys/slot/").iter().find_map(|name| {
            let bytes = get(storage, name);
            let slot = Slot::parse(&bytes, &object_hash(&bytes), &repo).ok()?;
            slot.open_with_recovery_key(key).ok()
        });
        Self::from_seed(
            *seed
                .expect("the slot of the recovery key")
                .seed
                .expose_for_file(),
            founder,
            storage,
        )
    }

    /// The identity of a seed, with the newest grant it has; `admin` signed that.
    pub(crate) fn from_seed(
        seed: [u8; 32],
        admin: &PublicIdentity,
        storage: &Arc<dyn Storage>,
    ) -> Self {
        let repo = header(storage);
        let identity_seed = IdentitySeed::from_file_bytes(&seed);
        let identity = Identity::from_seed(&identity_seed);
        let hedge = Hedge::new(
            &identity_seed,
            Arc::new(TestRandom::of(u64::from(seed[0]) + 1000)),
        );
        let folder = format!("keys/{}/", identity.public().grant_name(&repo));
        let name = names_under(storage, &folder).pop().expect("a grant");
        let epoch = &name.as_str()[folder.len()..folder.len() + 8];
        let epoch = u32::from_str_radix(epoch, 16).expect("an epoch");
        let epoch = Epoch::new(epoch).expect("an epoch");
        let grant = UncheckedGrant::open(&get(storage, &name), &repo, epoch, &identity)
            .expect("a grant that opens");
        let grant = grant
            .check(|_| Some(admin.clone()))
            .expect("a grant that the admin signed");
        Self {
            repo,
            identity,
            grant,
            hedge,
            seed,
            storage: Arc::clone(storage),
        }
    }

    /// The same identity, writing elsewhere: into a fork, or with a grant that came later.
    pub(crate) fn at(&self, admin: &PublicIdentity, storage: &Arc<dyn Storage>) -> Self {
        Self::from_seed(self.seed, admin, storage)
    }

    /// A machine with this identity's key file.
    pub(crate) fn move_in(&self, world: World) -> World {
        let repository = self.repo.to_string();
        let folder = world
            .environment
            .state
            .join("repositories")
            .join(repository);
        std::fs::create_dir_all(&folder).expect("a folder");
        let key = [&b"ownkey device 1\n"[..], &self.seed].concat();
        std::fs::write(folder.join("device-key"), key).expect("a key file");
        world
    }

    pub(crate) fn names(&self) -> NameKeys {
        NameKeys::new(&self.grant.dedup, &self.repo)
    }

    pub(crate) fn me(&self) -> DeviceId {
        self.names().device_id(self.identity.public())
    }

    pub(crate) fn log_keys(&self) -> LogKeys {
        LogKeys::new(&self.grant.log, &self.repo, self.grant.epoch)
    }

    pub(crate) fn reader(&self) -> ReaderKeys {
        ReaderKeys::new(
            self.grant.read.as_ref().expect("an identity that may read"),
            &self.repo,
            self.grant.epoch,
        )
    }

    pub(crate) fn writer(&self) -> WriterKeys {
        match &self.grant.read {
            Some(_) => self.reader().writer(),
            None => WriterKeys::write_only(&self.grant.read_kem, &self.repo, self.grant.epoch),
        }
    }

    pub(crate) fn put(&self, name: &ObjectName, bytes: Vec<u8>) {
        put(&self.storage, name, bytes);
    }

    /// The newest roster entry: its number and hash stand in its name.
    pub(crate) fn roster_tip(&self) -> (u32, ObjectHash) {
        let name = names_under(&self.storage, "roster/")
            .pop()
            .expect("a roster");
        let (n, hash) = name.as_str()["roster/".len()..]
            .split_once('-')
            .expect("a name of a roster entry");
        (
            u32::from_str_radix(n, 16).expect("a number"),
            ObjectHash::parse(hash).expect("a hash"),
        )
    }

    /// The newest entry of a log.
    pub(crate) fn tip(&self, device: &DeviceId) -> Option<LogPosition> {
        let name = names_under(&self.storage, &format!("log/{device}/")).pop()?;
        let seq =
            u64::from_str_radix(&name.as_str()[name.as_str().len() - 16..], 16).expect("a number");
        Some(LogPosition {
            seq,
            hash: object_hash(&get(&self.storage, &name)),
        })
    }

    // Roster.

    /// A roster entry that may follow anything.
    pub(crate) fn roster_entry_at(
        &self,
        n: u32,
        previous: ObjectHash,
        kind: u64,
        body: &Cbor,
    ) -> ObjectHash {
        let entry = Cbor::Map(vec![
            (0, Cbor::Unsigned(u64::from(n))),
            (1, Cbor::bytes(previous.as_bytes())),
            (2, Cbor::bytes(self.me().as_bytes())),
            (3, Cbor::time(1)),
            (4, Cbor::Unsigned(kind)),
            (5, Cbor::Unsigned(1)),
            (6, Cbor::Bytes(body.encode())),
        ]);
        self.roster_bytes(n, &entry.encode())
    }

    /// Anything in the place of a roster entry.
    pub(crate) fn roster_bytes(&self, n: u32, body: &[u8]) -> ObjectHash {
        let sealed = self
            .log_keys()
            .seal_roster(n, body, &self.identity, &self.hedge)
            .expect("a sealed entry");
        let hash = sealed.hash();
        assert!(
            layout::roster_entry(n, &hash)
                .as_str()
                .starts_with(&roster_label(n))
        );
        self.put(&layout::roster_entry(n, &hash), sealed.into_bytes());
        hash
    }

    /// A roster entry in its place.
    pub(crate) fn roster_entry(&self, kind: u64, body: &Cbor) -> ObjectHash {
        let (n, previous) = self.roster_tip();
        self.roster_entry_at(n + 1, previous, kind, body)
    }

    /// Adds an identity and grants it this epoch's keys; RK only to who may read.
    pub(crate) fn add_identity(&self, seed: [u8; 32], capabilities: Capabilities) -> Self {
        let public = Identity::from_seed(&IdentitySeed::from_file_bytes(&seed))
            .public()
            .clone();
        let identity = Cbor::Map(vec![
            (0, Cbor::bytes(public.to_bytes())),
            (1, Cbor::Unsigned(0)),
            (2, Cbor::Unsigned(u64::from(capabilities.bits()))),
            (3, Cbor::text("added")),
        ]);
        self.roster_entry(1, &Cbor::Map(vec![(0, identity)]));
        let mut own = self.at(self.identity.public(), &self.storage).grant;
        if !capabilities.contain(Capabilities::READ) {
            own.read = None;
        }
        let grant = Grant {
            capabilities,
            roster: self.roster_tip(),
            signer: self.me(),
            ..own
        };
        self.put_grant(&grant, &public);
        Self::from_seed(seed, self.identity.public(), &self.storage)
    }

    pub(crate) fn put_grant(&self, grant: &Grant, to: &PublicIdentity) {
        let sealed = grant
            .seal(to, &self.repo, &self.identity, &self.hedge)
            .expect("a sealed grant");
        let name = layout::grant(&to.grant_name(&self.repo), grant.epoch, &sealed.hash());
        self.put(&name, sealed.into_bytes());
    }

    pub(crate) fn remove(&self, device: &DeviceId) {
        self.roster_entry(2, &Cbor::Map(vec![(0, Cbor::bytes(device.as_bytes()))]));
    }

    /// Ends a removed device's log behind its newest entry.
    pub(crate) fn cut(&self, device: &DeviceId) {
        let tip = self.tip(device);
        let body = Cbor::Map(vec![
            (0, Cbor::bytes(device.as_bytes())),
            (1, Cbor::Unsigned(tip.map_or(0, |tip| tip.seq + 1))),
            (
                2,
                Cbor::bytes(tip.map_or([0; 32], |tip| *tip.hash.as_bytes())),
            ),
        ]);
        self.roster_entry(3, &body);
    }

    // The log.

    /// The body of an entry, as docs/format.md §13 has it.
    pub(crate) fn entry_body(&self, at: (u64, ObjectHash), said: Said) -> Vec<u8> {
        let (n, roster) = said.roster.unwrap_or_else(|| self.roster_tip());
        let name = log_name(&self.me(), at.0);
        let seal = |record: Vec<u8>| {
            Cbor::Bytes(
                self.writer()
                    .seal_body(&name, &record, &self.hedge)
                    .expect("a sealed body")
                    .into_bytes(),
            )
        };
        let seal_fold = |fold: Vec<u8>| {
            Cbor::Bytes(
                self.writer()
                    .seal_fold(&name, &fold, &self.hedge)
                    .expect("a sealed fold")
                    .into_bytes(),
            )
        };
        let mut fields = vec![
            (0, Cbor::bytes(self.me().as_bytes())),
            (1, Cbor::Unsigned(said.seq.unwrap_or(at.0))),
            (2, Cbor::bytes(at.1.as_bytes())),
            (
                3,
                Cbor::Array(vec![
                    Cbor::Unsigned(u64::from(n)),
                    Cbor::bytes(roster.as_bytes()),
                ]),
            ),
            (4, Cbor::Array(said.seen.into_iter().map(seen).collect())),
            (5, Cbor::time(1)),
            (6, Cbor::Unsigned(said.kind)),
            (7, Cbor::Unsigned(u64::from(said.kind < 9))),
            (8, Cbor::Bytes(said.open.encode())),
        ];
        fields.extend(said.record.map(|record| (9, seal(record))));
        fields.extend(said.fold.map(|fold| (10, seal_fold(fold))));
        Cbor::Map(fields).encode()
    }

    /// Stores bytes as an entry of the own log, sealed and signed.
    pub(crate) fn entry_bytes(&self, seq: u64, body: &[u8]) -> LogPosition {
        let name = log_name(&self.me(), seq);
        let sealed = self
            .log_keys()
            .seal_log(&name, body, &self.identity, &self.hedge)
            .expect("a sealed entry");
        let hash = sealed.hash();
        self.put(&ObjectName::new(name).expect("a name"), sealed.into_bytes());
        LogPosition { seq, hash }
    }

    /// An entry at any place.
    pub(crate) fn say_at(&self, seq: u64, previous: ObjectHash, said: Said) -> LogPosition {
        let body = self.entry_body((seq, previous), said);
        self.entry_bytes(seq, &body)
    }

    /// The next entry of the own log.
    pub(crate) fn say(&self, said: Said) -> LogPosition {
        let (seq, previous) = match self.tip(&self.me()) {
            Some(tip) => (tip.seq + 1, tip.hash),
            None => (0, ObjectHash::from_bytes([0; 32])),
        };
        self.say_at(seq, previous, said)
    }

    pub(crate) fn heartbeat(&self) -> LogPosition {
        self.say(Said::of(7, Cbor::Map(vec![])))
    }

    pub(crate) fn condemn(&self, packs: &[PackName], segments: &[ObjectHash]) -> LogPosition {
        let packs: Vec<Vec<u8>> = packs.iter().map(pack_bytes).collect();
        let open = Cbor::Map(vec![(0, Cbor::hashes(&packs)), (1, hashes(segments))]);
        self.say(Said::of(5, open))
    }

    pub(crate) fn forget(&self, device: &DeviceId, at: LogPosition) -> LogPosition {
        let open = Cbor::Map(vec![(0, Cbor::Array(vec![seen((*device, at))]))]);
        self.say(Said::of(3, open))
    }

    /// A snapshot of `root`, confirmed.
    pub(crate) fn snapshot(&self, root: Cbor, segments: &[ObjectHash]) -> LogPosition {
        let backup = Said {
            record: Some(record(root).encode()),
            ..Said::of(0, Cbor::Map(vec![(0, hashes(segments))]))
        };
        self.confirmed(backup)
    }

    /// Says that these segments count.
    pub(crate) fn repack(&self, segments: &[ObjectHash]) {
        self.confirmed(Said::of(4, Cbor::Map(vec![(0, hashes(segments))])));
    }

    fn confirmed(&self, said: Said) -> LogPosition {
        let at = self.say(said);
        let confirm = Cbor::Map(vec![
            (0, Cbor::Unsigned(at.seq)),
            (1, Cbor::bytes(at.hash.as_bytes())),
        ]);
        self.say(Said::of(1, confirm));
        at
    }

    // Packs.

    /// A frame of honest chunks.
    pub(crate) fn frame(&self, kind: ChunkType, chunks: &[&[u8]]) -> FrameInput {
        let named = chunks
            .iter()
            .map(|chunk| (self.names().chunk_id(kind, chunk), chunk.len() as u32))
            .collect();
        let stored = chunks.concat();
        FrameInput {
            chunk_type: kind,
            codec: Codec::Stored,
            plain_len: stored.len() as u32,
            chunks: named,
            stored,
        }
    }

    /// Seals and stores a pack.
    pub(crate) fn pack(&self, kind: PackKind, frames: Vec<FrameInput>) -> (IndexedPack, Vec<u8>) {
        let SealedPack {
            sealed,
            hash,
            directory,
            ..
        } = seal_pack(
            &self.writer(),
            PackInput {
                parity: None,
                kind,
                padding: PackPadding::Padme,
                frames,
            },
            &self.hedge,
        )
        .expect("a sealed pack");
        let name = PackName { kind, hash };
        let bytes = sealed.into_bytes();
        self.put(&layout::pack(&name), bytes.clone());
        (
            IndexedPack {
                name,
                length: bytes.len() as u32,
                directory,
            },
            bytes,
        )
    }

    /// Seals and stores any bytes as an index segment.
    pub(crate) fn segment_bytes(&self, body: &[u8]) -> ObjectHash {
        let sealed = self
            .writer()
            .seal_segment(body, &self.hedge)
            .expect("a sealed segment");
        let hash = sealed.hash();
        self.put(&layout::segment(&hash), sealed.into_bytes());
        hash
    }

    pub(crate) fn segment(&self, packs: &[IndexedPack]) -> ObjectHash {
        self.segment_bytes(&segment::encode(packs))
    }

    /// Stores chunks of one type in a pack and a segment of their own.
    pub(crate) fn plant(&self, kind: ChunkType, chunks: &[&[u8]]) -> (Vec<Planted>, ObjectHash) {
        let frames = chunks
            .iter()
            .map(|chunk| self.frame(kind, &[chunk]))
            .collect();
        let pack_kind = if kind == ChunkType::Content {
            PackKind::Data
        } else {
            PackKind::Meta
        };
        let (pack, _) = self.pack(pack_kind, frames);
        let segment = self.segment(&[pack]);
        let plant = |chunk: &&[u8]| Planted {
            id: self.names().chunk_id(kind, chunk),
            length: chunk.len() as u32,
        };
        (chunks.iter().map(plant).collect(), segment)
    }

    /// A confirmed snapshot whose root directory has these bytes.
    pub(crate) fn snapshot_of_tree(
        &self,
        tree: &[u8],
        mut segments: Vec<ObjectHash>,
    ) -> LogPosition {
        let (planted, segment) = self.plant(ChunkType::Tree, &[tree]);
        segments.push(segment);
        self.snapshot(stream(&planted), &segments)
    }
}

fn header(storage: &Arc<dyn Storage>) -> RepoId {
    let bytes = get(storage, &layout::header());
    ownkey_engine::format::header::parse(&bytes).expect("a header")
}
