//! Names and ids: fixed-size values that are public to whoever holds the repository's keys, or to everybody.
//!
//! It promises that ids of different kinds cannot be mixed up and that hex is lower case in both directions. None is a secret.

use std::fmt;

/// Text that is not the hex of an id: wrong length, or a character other than `0-9a-f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case hex id of the right length")]
pub struct BadHex;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $length;

            /// From its bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// From lower-case hex of exactly the right length.
            ///
            /// # Errors
            /// [`BadHex`] for anything else.
            pub fn parse(hex: &str) -> Result<Self, BadHex> {
                let mut bytes = [0u8; $length];
                parse_hex(hex.as_bytes(), &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadHex;

            fn from_str(hex: &str) -> Result<Self, BadHex> {
                Self::parse(hex)
            }
        }
    };
}

id! {
    /// A repository: the hash of its genesis (docs/format.md §4).
    RepoId, 32
}
id! {
    /// BLAKE3 of all bytes of an object: its name, and the link of every chain.
    ObjectHash, 32
}
id! {
    /// A chunk: keyed hash of its type and plaintext, never visible to the storage (docs/format.md §9).
    ChunkId, 32
}
id! {
    /// An identity inside one repository (docs/format.md §4).
    DeviceId, 16
}
id! {
    /// Where an identity's grants lie; found by who holds its seed, linked to no log (docs/format.md §4).
    GrantName, 16
}
id! {
    /// Where a request to be enrolled lies; found by who knows its code (docs/format.md §16).
    RequestName, 16
}

fn parse_hex(hex: &[u8], out: &mut [u8]) -> Result<(), BadHex> {
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != out.len() || !rest.is_empty() {
        return Err(BadHex);
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
    }
    Ok(())
}

fn hex_digit(character: u8) -> Result<u8, BadHex> {
    match character {
        b'0'..=b'9' => Ok(character.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(character.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(BadHex),
    }
}

impl RepoId {
    /// `BLAKE3("ownkey/1 genesis" ‖ genesis)`.
    #[must_use]
    pub fn of_genesis(genesis: &[u8]) -> Self {
        Self(
            *blake3::Hasher::new()
                .update(b"ownkey/1 genesis")
                .update(genesis)
                .finalize()
                .as_bytes(),
        )
    }
}

/// An epoch of the keys, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch a repository begins with.
    pub const FIRST: Self = Self(1);

    /// `None` for 0.
    #[must_use]
    pub const fn new(epoch: u32) -> Option<Self> {
        if epoch == 0 { None } else { Some(Self(epoch)) }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after; `None` at the end of u32.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The one before; `None` for the first.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).and_then(Self::new)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// BLAKE3 of all of `bytes`.
#[must_use]
pub fn object_hash(bytes: &[u8]) -> ObjectHash {
    ObjectHash(*blake3::hash(bytes).as_bytes())
}

/// [`object_hash`] of bytes that arrive in pieces.
#[derive(Default)]
pub struct ObjectHasher(blake3::Hasher);

impl ObjectHasher {
    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    #[must_use]
    pub fn finish(&self) -> ObjectHash {
        ObjectHash(*self.0.finalize().as_bytes())
    }
}

/// The logical name of roster entry `n`, mixed into its key and its signature: `roster/<n, 8 hex>`.
#[must_use]
pub fn roster_label(n: u32) -> String {
    format!("roster/{n:08x}")
}

/// The name of a log entry: `log/<device id>/<seq, 16 hex>`.
#[must_use]
pub fn log_name(device: &DeviceId, seq: u64) -> String {
    format!("log/{device}/{seq:016x}")
}

/// The name of a request to be enrolled: `keys/request/<32 hex>`.
#[must_use]
pub fn request_label(request: &RequestName) -> String {
    format!("keys/request/{request}")
}

/// The logical name of a grant, mixed into its key and its signature: `keys/<grant name>/<epoch, 8 hex>`.
#[must_use]
pub fn grant_label(grant: &GrantName, epoch: Epoch) -> String {
    format!("keys/{grant}/{:08x}", epoch.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_survives_the_way_there_and_back() {
        let id = DeviceId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(DeviceId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn upper_case_short_long_and_foreign_hex_is_refused() {
        let good = "00".repeat(16);
        assert!(DeviceId::parse(&good).is_ok());
        for bad in [
            good.replace("00", "0A"),
            "00".repeat(15),
            format!("{good}0"),
            "0g".repeat(16),
            String::new(),
        ] {
            assert_eq!(DeviceId::parse(&bad), Err(BadHex), "{bad}");
        }
    }

    #[test]
    fn epochs_begin_at_one() {
        assert_eq!(Epoch::new(0), None);
        assert_eq!(Epoch::FIRST.previous(), None);
        assert_eq!(
            Epoch::FIRST.next().and_then(Epoch::previous),
            Some(Epoch::FIRST)
        );
        assert_eq!(Epoch::new(u32::MAX).and_then(Epoch::next), None);
    }

    #[test]
    fn a_hash_in_pieces_is_the_hash_of_the_whole() {
        let mut hasher = ObjectHasher::new();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.finish(), object_hash(b"abc"));
    }

    #[test]
    fn logical_names_have_fixed_widths() {
        let device = DeviceId::from_bytes([0xab; 16]);
        assert_eq!(
            log_name(&device, 10),
            format!("log/{}/000000000000000a", "ab".repeat(16))
        );
        assert_eq!(roster_label(255), "roster/000000ff");
    }
}
