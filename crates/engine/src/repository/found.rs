//! Making a repository.

use std::sync::Arc;

use ownkey_crypto::{
    Capabilities, DedupKey, Epoch, Grant, Identity, IdentitySeed, LogKey, LogKeys, NameKeys,
    ReadKey, ReaderKeys, RecoveryKey, RepoId, Signed, SlotContent,
};
use ownkey_storage::Storage;

use super::device::DeviceKey;
use super::open::open_new;
use super::way::{PasswordWay, Way};
use super::{Repository, put};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::format::entry::Event;
use crate::format::roster::{Change, Genesis, Introduced, Role, RosterEntry};
use crate::format::time::Timestamp;
use crate::format::{cbor, header, layout};
use crate::guard::Guard;
use crate::io::{Created, Io, Outgoing};
use crate::keyring::Holder;
use crate::log::Draft;
use crate::monitor::Monitor;
use crate::roster::FORMAT_LEVEL;
use crate::state::{State, unpin_location};

/// How a repository begins: this machine and one or two ways back.
pub struct Founding<'a> {
    /// What this machine is called.
    pub device_label: String,
    /// What this machine's key is kept behind.
    pub guard: Guard<'a>,
    /// A password to open it with elsewhere.
    pub password: Option<PasswordWay<'a>>,
}

/// A new repository and the recovery key that its kit must show.
pub struct Founded {
    /// Unlocked with this machine's key.
    pub repository: Repository,
    /// Opens it without password.
    pub recovery_key: RecoveryKey,
}

/// Makes a repository in `storage`. The header is put last, as the very last thing that can fail:
/// before it there is no repository and an interrupted run can be repeated, after it the caller
/// has the recovery key to show.
pub fn init(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    founding: &Founding<'_>,
    monitor: &dyn Monitor,
) -> Result<Founded> {
    let io = Io::new(Arc::clone(storage), environment);
    let exists = || Error::RepositoryExists(io.location().to_string());
    if io.find(&layout::header())?.is_some() {
        return Err(exists());
    }
    let founder = Founder::new(environment, founding)?;
    let (repo, key) = (founder.repo, DeviceKey(founder.seed.duplicate()));
    let random = environment.random.as_ref();
    State::of(environment, &repo, io.location()).store_device_key(
        &key.0,
        founding.guard,
        random,
    )?;
    let recovery_key = founder.store(&io, founding)?;
    // Whatever was here before is gone: its owner is making a new one in its place.
    unpin_location(environment, io.location())?;
    let mut repository = open_new(environment, io.clone(), (repo, &key), monitor)?;
    let first = Draft {
        event: Event::Heartbeat,
        record: None,
        time: environment.clock.now(),
    };
    repository.append(&first)?;
    if put_header(&io.undisturbed(), &header::to_bytes(&repo))? == Created::Existed {
        unpin_location(environment, io.location())?;
        return Err(exists());
    }
    Ok(Founded {
        repository,
        recovery_key,
    })
}

/// Puts the header. If the answer is an error or lost, the header may be there all the same, and
/// then there is a repository whose recovery key somebody has to be shown.
fn put_header(io: &Io, header: &[u8]) -> Result<Created> {
    let name = layout::header();
    let ours = |io: &Io| matches!(io.find(&name), Ok(Some(found)) if found == header);
    match io.create(&name, Outgoing::Header(header.to_vec())) {
        Ok(Created::New) => Ok(Created::New),
        // Every repository has an id of its own: the same bytes are ours.
        Ok(Created::Existed) | Err(_) if ours(io) => Ok(Created::New),
        Ok(Created::Existed) => Ok(Created::Existed),
        Err(error) => Err(error.into()),
    }
}

/// Everything that is drawn before the first object is stored.
struct Founder<'e> {
    environment: &'e Environment,
    time: Timestamp,
    seed: IdentitySeed,
    holder: Arc<Holder>,
    recovery_key: RecoveryKey,
    /// Seeds of the recovery identities: the recovery key's, then the password's if there is one.
    ways_back: Vec<SlotContent>,
    read: ReadKey,
    log: LogKey,
    dedup: DedupKey,
    genesis: Vec<u8>,
    repo: RepoId,
}

impl<'e> Founder<'e> {
    fn new(environment: &'e Environment, founding: &Founding<'_>) -> Result<Self> {
        let random = environment.random.as_ref();
        let seed = IdentitySeed::generate(random)?;
        let holder = Holder::new(&seed, Arc::clone(&environment.random));
        let way = |label: &str| {
            Ok::<_, Error>(SlotContent {
                seed: IdentitySeed::generate(random)?,
                label: label.to_owned(),
            })
        };
        let mut ways_back = vec![way("recovery key")?];
        if founding.password.is_some() {
            ways_back.push(way("password")?);
        }
        let time = environment.clock.now();
        let mut genesis = Genesis {
            founder: holder.identity.public().clone(),
            nonce: [0; 16],
            time,
            format_level: FORMAT_LEVEL,
            identities: introduce(&holder.identity, &ways_back, founding),
        };
        random.fill(&mut genesis.nonce)?;
        let mut genesis = cbor::encode(&genesis);
        let signature = holder.identity.sign(&Signed::GENESIS, &genesis);
        genesis.extend_from_slice(signature.as_bytes());
        Ok(Self {
            environment,
            time,
            recovery_key: RecoveryKey::generate(random)?,
            ways_back,
            read: ReadKey::generate(random)?,
            log: LogKey::generate(random)?,
            dedup: DedupKey::generate(random)?,
            repo: RepoId::of_genesis(&genesis),
            seed,
            holder,
            genesis,
        })
    }

    /// Stores all but the header.
    fn store(self, io: &Io, founding: &Founding<'_>) -> Result<RecoveryKey> {
        let keys = LogKeys::new(&self.log, &self.repo, Epoch::FIRST);
        let names = NameKeys::new(&self.dedup, &self.repo);
        let Holder {
            identity, hedge, ..
        } = &*self.holder;
        let me = names.device_id(identity.public());
        let mut last =
            put::roster_entry(io, 0, keys.seal_roster(0, &self.genesis, identity, hedge)?)?;
        let mut newest = 0;
        for (n, way) in (1u32..).zip(&self.ways_back) {
            let random = self.environment.random.as_ref();
            let sealed = self.way(n, founding).seal(way, &self.repo, random)?;
            let slot = put::slot(io, sealed)?;
            let device = names.device_id(Identity::from_seed(&way.seed).public());
            let change = Change::Slot {
                device,
                slot,
                added: true,
            };
            let entry = RosterEntry {
                n,
                previous: last,
                signer: me,
                time: self.time,
                change,
            };
            last = put::roster_entry(
                io,
                n,
                keys.seal_roster(n, &cbor::encode(&entry), identity, hedge)?,
            )?;
            newest = n;
        }
        // Everybody who is here at the beginning may do everything, so one grant serves all.
        let grant = Grant {
            epoch: Epoch::FIRST,
            read_kem: ReaderKeys::new(&self.read, &self.repo, Epoch::FIRST).read_kem_public(),
            read: Some(self.read),
            log: self.log,
            dedup: self.dedup,
            capabilities: Capabilities::ALL,
            roster: (newest, last),
            signer: me,
        };
        let ways_back = self
            .ways_back
            .iter()
            .map(|way| Identity::from_seed(&way.seed).public().clone());
        for to in std::iter::once(identity.public().clone()).chain(ways_back) {
            let sealed = grant.seal(&to, &self.repo, identity, hedge)?;
            put::grant(io, &to.grant_name(&self.repo), Epoch::FIRST, sealed)?;
        }
        Ok(self.recovery_key)
    }

    /// The first way back is the recovery key, the second the password.
    fn way<'f>(&'f self, n: u32, founding: &'f Founding<'_>) -> Way<'f> {
        match founding.password.filter(|_| n > 1) {
            Some(password) => Way::Password(password),
            None => Way::RecoveryKey(&self.recovery_key),
        }
    }
}

/// This machine may do everything, and so may who comes back by a recovery method.
fn introduce(
    device: &Identity,
    ways_back: &[SlotContent],
    founding: &Founding<'_>,
) -> Vec<Introduced> {
    let introduced = |identity: &Identity, role, label: &str| Introduced {
        public: identity.public().clone(),
        role,
        capabilities: Capabilities::ALL,
        label: label.to_owned(),
    };
    let mut identities = vec![introduced(device, Role::Device, &founding.device_label)];
    identities.extend(
        ways_back
            .iter()
            .map(|way| introduced(&Identity::from_seed(&way.seed), Role::Recovery, &way.label)),
    );
    identities
}
