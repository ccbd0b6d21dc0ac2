//! Reading a record in step with a walk.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Take};

use zstd::stream::read::Decoder;

use super::record::Record;
use crate::format::entry::PackName;

/// Bytes decompressed at once.
const BLOCK: usize = 64 << 10;
/// Longest record read: a path and a node.
const RECORD_LIMIT: usize = (16 << 20) + (1 << 20);

/// Reads a record in step with the walk.
pub(crate) struct ParentReader {
    entries: BufReader<Decoder<'static, BufReader<Take<File>>>>,
    /// The next entry; empty at the end.
    next: Vec<u8>,
    relied: HashSet<PackName>,
}

impl ParentReader {
    /// A reader of the data that a seal covers.
    pub(super) fn of(data: Take<File>, relied: HashSet<PackName>) -> io::Result<Self> {
        let mut reader = Self {
            entries: BufReader::with_capacity(BLOCK, Decoder::new(data)?),
            next: Vec::new(),
            relied,
        };
        reader.advance();
        Ok(reader)
    }

    /// Packs on which what it records relies.
    pub(crate) fn relied(&self) -> &HashSet<PackName> {
        &self.relied
    }

    /// What is recorded of `path`. Paths must be asked for in the order of the walk.
    pub(crate) fn find(&mut self, path: &[u8]) -> Option<Record<'_>> {
        loop {
            match Record::parse(&self.next)?.compared_with(path) {
                Ordering::Less => self.advance(),
                Ordering::Equal => return Record::parse(&self.next),
                Ordering::Greater => return None,
            }
        }
    }

    fn advance(&mut self) {
        // The data was compared with its seal, so what cannot be read is the end.
        if self.read().is_err() {
            self.next.clear();
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.entries.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > RECORD_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.next.resize(length, 0);
        self.entries.read_exact(&mut self.next)
    }
}
