//! Canonical CBOR (docs/format.md §1): one byte string for one value, and the other way round.
//!
//! A decoder reads leniently within its bounds, and then the value is encoded again: bytes
//! that differ are refused. So canonical form is checked in one place, for every record.

use minicbor::{Decoder, Encoder};
use ownkey_crypto::Opened;

use super::FormatError;

/// A value with a canonical encoding.
pub(crate) trait Record: Sized {
    /// Named in errors.
    const WHAT: &'static str;
    /// Longest encoding that is read, in bytes.
    const LIMIT: usize;
    fn write(&self, to: &mut Writer);
    fn read(from: &mut Reader<'_>) -> Result<Self, FormatError>;
}

/// The canonical bytes of `record`.
pub(crate) fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut writer = Writer::default();
    record.write(&mut writer);
    writer.into_bytes()
}

/// Decodes authenticated bytes.
pub(crate) fn decode<R: Record>(bytes: &Opened) -> Result<R, FormatError> {
    decode_inner(bytes.as_bytes())
}

/// Decodes what opened but was not verified yet, to find by whom it claims to be signed. The
/// caller verifies before it believes anything.
pub(crate) fn decode_claim<R: Record>(bytes: &[u8]) -> Result<R, FormatError> {
    decode_inner(bytes)
}

/// Decodes bytes that were part of a decoded record, and so authenticated with it.
pub(in crate::format) fn decode_inner<R: Record>(bytes: &[u8]) -> Result<R, FormatError> {
    if bytes.len() > R::LIMIT {
        return Err(FormatError::TooLarge { what: R::WHAT });
    }
    let record = read_all(bytes, R::WHAT, R::read)?;
    if encode(&record) != bytes {
        return Err(FormatError::NotCanonical { what: R::WHAT });
    }
    Ok(record)
}

/// Reads one value from `bytes`, without the check of canonical form.
pub(in crate::format) fn read_all<T>(
    bytes: &[u8],
    what: &'static str,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, FormatError>,
) -> Result<T, FormatError> {
    read(&mut Reader {
        decoder: Decoder::new(bytes),
        what,
    })
}

/// Writes canonical CBOR. Writing to memory cannot fail.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    fn emit(
        &mut self,
        write: impl FnOnce(
            &mut Encoder<&mut Vec<u8>>,
        ) -> Result<(), minicbor::encode::Error<core::convert::Infallible>>,
    ) {
        let done = write(&mut Encoder::new(&mut self.0));
        debug_assert!(done.is_ok(), "writing to a Vec does not fail");
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.emit(|e| e.u64(value).map(drop));
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.emit(|e| e.i64(value).map(drop));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.emit(|e| e.bytes(value).map(drop));
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.emit(|e| e.str(value).map(drop));
    }

    /// An array of `items`, each written by `write`.
    pub(crate) fn array<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.tuple(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// Opens an array of exactly `length` items, which the caller writes next.
    pub(crate) fn tuple(&mut self, length: usize) {
        self.emit(|e| e.array(length as u64).map(drop));
    }

    /// A map: `fill` puts its fields in ascending order.
    pub(crate) fn map(&mut self, fill: impl FnOnce(&mut Fields)) {
        let mut fields = Fields::default();
        fill(&mut fields);
        self.emit(|e| e.map(fields.count).map(drop));
        self.0.extend_from_slice(&fields.body.0);
    }

    /// A record inside this one.
    pub(crate) fn record<R: Record>(&mut self, record: &R) {
        record.write(self);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The fields of a map under construction.
#[derive(Default)]
pub(crate) struct Fields {
    count: u64,
    body: Writer,
}

impl Fields {
    pub(crate) fn put(&mut self, key: u64, write: impl FnOnce(&mut Writer)) {
        self.count += 1;
        self.body.unsigned(key);
        write(&mut self.body);
    }

    pub(crate) fn put_some<T>(
        &mut self,
        key: u64,
        value: Option<&T>,
        write: impl FnOnce(&mut Writer, &T),
    ) {
        if let Some(value) = value {
            self.put(key, |w| write(w, value));
        }
    }
}

/// Reads CBOR within bounds; every error names the record.
pub(crate) struct Reader<'a> {
    decoder: Decoder<'a>,
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn malformed(&self) -> FormatError {
        FormatError::Malformed { what: self.what }
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, FormatError> {
        self.decoder.u64().map_err(|_| self.malformed())
    }

    /// An unsigned integer that fits a narrower type.
    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, FormatError> {
        T::try_from(self.unsigned()?).map_err(|_| self.malformed())
    }

    pub(crate) fn signed(&mut self) -> Result<i64, FormatError> {
        self.decoder.i64().map_err(|_| self.malformed())
    }

    /// 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, FormatError> {
        match self.unsigned()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    pub(crate) fn bytes(&mut self, limit: usize) -> Result<&'a [u8], FormatError> {
        let bytes = self.decoder.bytes().map_err(|_| self.malformed())?;
        if bytes.len() > limit {
            return Err(FormatError::TooLarge { what: self.what });
        }
        Ok(bytes)
    }

    pub(crate) fn array_of_bytes<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.bytes(N)?.try_into().map_err(|_| self.malformed())
    }

    pub(crate) fn text(&mut self, limit: usize) -> Result<String, FormatError> {
        let text = self.decoder.str().map_err(|_| self.malformed())?;
        if text.len() > limit {
            return Err(FormatError::TooLarge { what: self.what });
        }
        Ok(text.to_owned())
    }

    /// An array of at most `limit` items. Nothing is reserved before an item was read, so a
    /// claimed length costs no memory.
    pub(crate) fn array<T>(
        &mut self,
        limit: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let length = self.length()?;
        if length > limit as u64 {
            return Err(FormatError::TooLarge { what: self.what });
        }
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Opens an array that must have exactly `length` items.
    pub(crate) fn tuple(&mut self, length: u64) -> Result<(), FormatError> {
        if self.length()? == length {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// Whether an array comes next.
    pub(crate) fn is_array(&self) -> bool {
        self.decoder
            .datatype()
            .is_ok_and(|kind| kind == minicbor::data::Type::Array)
    }

    fn length(&mut self) -> Result<u64, FormatError> {
        self.decoder
            .array()
            .ok()
            .flatten()
            .ok_or_else(|| self.malformed())
    }

    /// A map whose fields `read` takes in ascending order; none may be left over.
    pub(crate) fn map<T>(
        &mut self,
        read: impl FnOnce(&mut MapReader<'_, 'a>) -> Result<T, FormatError>,
    ) -> Result<T, FormatError> {
        let left = self
            .decoder
            .map()
            .ok()
            .flatten()
            .ok_or_else(|| self.malformed())?;
        let mut map = MapReader { reader: self, left };
        let value = read(&mut map)?;
        if map.left != 0 {
            return Err(FormatError::UnknownField { what: self.what });
        }
        Ok(value)
    }

    /// A record inside this one.
    pub(crate) fn record<R: Record>(&mut self) -> Result<R, FormatError> {
        R::read(self)
    }
}

/// The fields of a map being read.
pub(crate) struct MapReader<'m, 'a> {
    reader: &'m mut Reader<'a>,
    left: u64,
}

impl<'a> MapReader<'_, 'a> {
    pub(crate) fn required<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, FormatError>,
    ) -> Result<T, FormatError> {
        let malformed = self.reader.malformed();
        self.optional(key, read)?.ok_or(malformed)
    }

    pub(crate) fn optional<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        if self.left == 0 || self.reader.decoder.probe().u64().ok() != Some(key) {
            return Ok(None);
        }
        self.reader.unsigned()?;
        self.left -= 1;
        read(self.reader).map(Some)
    }
}
