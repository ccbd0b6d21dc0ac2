//! What is in the folder of an index: its tables, and which segments they cover.
//!
//! Read whole and verified under this device's key; whatever is wrong with it means that there is
//! no local index. Written last and put in place by a rename, so it never names what is not there
//! yet; what it does not name is removed by whoever writes the next one.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ownkey_crypto::{LocalStateKey, ObjectHash};

use super::table::TableName;
use crate::state::file;

const NAME: &str = "index";
const MAGIC: &[u8; 8] = b"ownkix1\n";
/// A hundred million segments are more than any repository has.
const LIMIT: u64 = 4 << 30;

/// A segment whose packs are in the files, numbered in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) segment: ObjectHash,
    /// Number of its first pack.
    pub(super) first: u32,
    /// How many packs it has.
    pub(super) count: u32,
}

impl Covered {
    /// Stands for packs whose segment no entry names any more. Their numbers are not used again.
    pub(super) const GONE: ObjectHash = ObjectHash::from_bytes([0; 32]);

    pub(super) fn end(&self) -> u32 {
        self.first.saturating_add(self.count)
    }
}

/// The contents of an index's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Part of the names of the files that grow, random.
    pub(super) stamp: u64,
    /// Length of the directories that count.
    pub(super) directories: u64,
    pub(super) tables: Vec<TableName>,
    /// In the order of their packs' numbers, without a gap.
    pub(super) segments: Vec<Covered>,
}

impl Manifest {
    /// Of an empty index.
    pub(super) fn empty(stamp: u64) -> Self {
        Self {
            stamp,
            directories: 0,
            tables: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// How many numbers of packs are taken.
    pub(super) fn packs(&self) -> u32 {
        self.segments.last().map_or(0, Covered::end)
    }

    pub(super) fn packs_file(&self) -> String {
        format!("packs-{:016x}", self.stamp)
    }

    pub(super) fn directories_file(&self) -> String {
        format!("directories-{:016x}", self.stamp)
    }

    /// What is in `folder`, if it is this device's and whole.
    pub(super) fn read(folder: &Path, key: &LocalStateKey) -> Option<Self> {
        let bytes = file::read_authentic(&folder.join(NAME), key, LIMIT);
        Self::decode(&bytes.ok()??)
    }

    /// Puts it in place and removes what it does not name.
    pub(super) fn write(&self, folder: &Path, key: &LocalStateKey) -> io::Result<()> {
        let body = self.encode();
        let fresh = folder.join("index.new");
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&key.tag(&body))?;
        file.write_all(&body)?;
        drop(file);
        fs::rename(&fresh, folder.join(NAME))?;
        let tables = self.tables.iter().map(TableName::file);
        let mut named: HashSet<String> = tables.collect();
        named.extend([self.packs_file(), self.directories_file()]);
        named.extend([NAME, super::LOCK].map(str::to_owned));
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_named = entry
                .file_name()
                .to_str()
                .is_some_and(|name| named.contains(name));
            if !is_named {
                // Whoever has it open goes on with it.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Makes the folder be read as empty.
    pub(super) fn discard(folder: &Path) {
        // A folder that cannot be written was not written by us either.
        let _ = fs::remove_file(folder.join(NAME));
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let counts = [self.tables.len() as u64, self.segments.len() as u64];
        for number in [self.stamp, self.directories].into_iter().chain(counts) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for table in &self.tables {
            bytes.extend_from_slice(&table.id.to_le_bytes());
            bytes.extend_from_slice(&table.records.to_le_bytes());
        }
        for covered in &self.segments {
            bytes.extend_from_slice(covered.segment.as_bytes());
            bytes.extend_from_slice(&covered.count.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (head, rest) = rest.split_first_chunk::<32>()?;
        let [stamp, directories, tables, segments] = numbers(head)?;
        let tables_length = usize::try_from(tables.checked_mul(16)?).ok()?;
        let (tables, rest) = rest.split_at_checked(tables_length)?;
        let (segment_bytes, rest) = rest.as_chunks::<36>();
        if !rest.is_empty() || segment_bytes.len() as u64 != segments {
            return None;
        }
        let mut first = 0u32;
        let mut covered = Vec::with_capacity(segment_bytes.len());
        for bytes in segment_bytes {
            let (hash, count) = bytes.split_first_chunk::<32>()?;
            let count = u32::from_le_bytes(count.try_into().ok()?);
            covered.push(Covered {
                segment: ObjectHash::from_bytes(*hash),
                first,
                count,
            });
            first = first.checked_add(count)?;
        }
        let tables = tables.as_chunks::<16>().0.iter().map(|bytes| {
            let [id, records] = numbers(bytes)?;
            Some(TableName { id, records })
        });
        Some(Self {
            stamp,
            directories,
            tables: tables.collect::<Option<_>>()?,
            segments: covered,
        })
    }
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    rest.is_empty().then(|| numbers.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_no_beginning_of_it_is() {
        let manifest = Manifest {
            stamp: 7,
            directories: 1 << 40,
            tables: vec![
                TableName { id: 1, records: 2 },
                TableName { id: 3, records: 4 },
            ],
            segments: vec![
                Covered {
                    segment: ObjectHash::from_bytes([1; 32]),
                    first: 0,
                    count: 5,
                },
                Covered {
                    segment: Covered::GONE,
                    first: 5,
                    count: 2,
                },
            ],
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Some(manifest));
        for length in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..length]), None, "{length}");
        }
    }
}
