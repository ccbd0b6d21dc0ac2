//! Canonical CBOR (docs/format.md §1): one byte string for one value, and the other way round.
//!
//! A decoder reads leniently within its bounds, and then the value is encoded again: bytes
//! that differ are refused. So canonical form is checked in one place, for every record.

use minicbor::Decoder;
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
    let mut bytes = Vec::new();
    append(record, &mut bytes);
    bytes
}

/// Appends the canonical bytes of `record`.
pub(crate) fn append<R: Record>(record: &R, to: &mut Vec<u8>) {
    let mut writer = Writer(std::mem::take(to));
    record.write(&mut writer);
    *to = writer.into_bytes();
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
    let mut canonical = Vec::with_capacity(bytes.len());
    append(&record, &mut canonical);
    if canonical != bytes {
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

/// Writes canonical CBOR (RFC 8949): every head as short as it can be.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

/// Major types.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
/// A map of fewer fields has a head of one byte.
const SHORT: u8 = 24;

impl Writer {
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let [.., d, c, b, a] = value.to_be_bytes();
        match value {
            0..24 => self.0.push(major | a),
            24..0x100 => self.0.extend_from_slice(&[major | 24, a]),
            0x100..0x1_0000 => self.0.extend_from_slice(&[major | 25, b, a]),
            0x1_0000..0x1_0000_0000 => self.0.extend_from_slice(&[major | 26, d, c, b, a]),
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(UNSIGNED, value),
            // −1 − n is written as n.
            Err(_) => self.head(NEGATIVE, !value.cast_unsigned()),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Byte strings of one length, as one.
    pub(crate) fn joined<'b, const N: usize>(
        &mut self,
        parts: impl ExactSizeIterator<Item = &'b [u8; N]>,
    ) {
        self.head(BYTES, (parts.len() * N) as u64);
        parts.for_each(|part| self.0.extend_from_slice(part));
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
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
        self.head(ARRAY, length as u64);
    }

    /// A map: `fill` puts its fields in ascending order.
    pub(crate) fn map(&mut self, fill: impl FnOnce(&mut Fields<'_>)) {
        let at = self.0.len();
        self.head(MAP, 0);
        let mut fields = Fields {
            count: 0,
            body: self,
        };
        fill(&mut fields);
        let count = fields.count;
        debug_assert!(count < SHORT, "no record has so many fields");
        if let Some(head) = self.0.get_mut(at) {
            *head |= count;
        }
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
pub(crate) struct Fields<'w> {
    count: u8,
    body: &'w mut Writer,
}

impl Fields<'_> {
    pub(crate) fn put(&mut self, key: u64, write: impl FnOnce(&mut Writer)) {
        self.count += 1;
        self.body.unsigned(key);
        write(self.body);
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
        let mut map = MapReader {
            reader: self,
            left,
            next: None,
        };
        map.look_ahead();
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
    /// Fields that nobody took.
    left: u64,
    /// The key of the first of them.
    next: Option<u64>,
}

impl<'a> MapReader<'_, 'a> {
    /// What is no key is no field that anybody asks for, and so is left over.
    fn look_ahead(&mut self) {
        let key = (self.left > 0).then(|| self.reader.decoder.u64().ok());
        self.next = key.flatten();
    }

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
        if self.next != Some(key) {
            return Ok(None);
        }
        let value = read(self.reader)?;
        self.left -= 1;
        self.look_ahead();
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn numbers_are_written_as_in_the_examples_of_rfc_8949() {
        let unsigned: [(u64, &[u8]); 8] = [
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1_000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1 << 32, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
            (u64::MAX, &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ];
        for (value, bytes) in unsigned {
            assert_eq!(written(|w| w.unsigned(value)), bytes);
        }
        let signed: [(i64, &[u8]); 5] = [
            (10, &[0x0a]),
            (-1, &[0x20]),
            (-100, &[0x38, 0x63]),
            (-1_000, &[0x39, 0x03, 0xe7]),
            (i64::MIN, &[0x3b, 127, 255, 255, 255, 255, 255, 255, 255]),
        ];
        for (value, bytes) in signed {
            assert_eq!(written(|w| w.signed(value)), bytes);
        }
    }

    #[test]
    fn strings_arrays_and_maps_are_written_as_in_the_examples_of_rfc_8949() {
        assert_eq!(written(|w| w.bytes(&[1, 2, 3, 4])), [0x44, 1, 2, 3, 4]);
        let parts = [[1, 2], [3, 4]];
        assert_eq!(written(|w| w.joined(parts.iter())), [0x44, 1, 2, 3, 4]);
        assert_eq!(written(|w| w.text("IETF")), *b"\x64IETF");
        let array = written(|w| w.array(&[1, 2, 3], |w, item| w.unsigned(*item)));
        assert_eq!(array, [0x83, 1, 2, 3]);
        let map = written(|w| {
            w.map(|f| {
                f.put(1, |w| w.map(|f| f.put(2, |w| w.unsigned(3))));
                f.put_some(2, None::<&u64>, |w, value| w.unsigned(*value));
                f.put(3, |w| w.unsigned(4));
            });
        });
        assert_eq!(map, [0xa2, 0x01, 0xa1, 0x02, 0x03, 0x03, 0x04]);
    }

    #[test]
    fn what_is_written_into_a_buffer_leaves_what_is_there() {
        let mut bytes = vec![7];
        append(
            &crate::format::node::Device { major: 8, minor: 1 },
            &mut bytes,
        );
        assert_eq!(bytes, [7, 0x82, 8, 1]);
    }
}
