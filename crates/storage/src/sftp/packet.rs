//! The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) that we send and understand.
//!
//! Promise: whatever bytes come, decoding ends in an answer or in [`Nonsense`]: no panic, and no memory taken
//! beyond that of the packet, whose length its reader has bounded.

use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The version spoken, which every server speaks.
pub(super) const VERSION: u32 = 3;

/// The longest packet read: servers send at most 256 KiB.
pub(super) const MAX_PACKET: usize = (256 << 10) + 1024;

/// Packet types of the beginning, which carry no request number.
pub(super) const INIT: u8 = 1;
pub(super) const HELLO: u8 = 2;

/// What is asked, by its number in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verb {
    Open = 3,
    Close = 4,
    Read = 5,
    Write = 6,
    Lstat = 7,
    Fstat = 8,
    Opendir = 11,
    Readdir = 12,
    Remove = 13,
    Mkdir = 14,
    Stat = 17,
    Rename = 18,
    Extended = 200,
}

/// The codes of a status that mean something to us.
pub(super) mod status {
    pub(in super::super) const OK: u32 = 0;
    pub(in super::super) const EOF: u32 = 1;
    pub(in super::super) const NO_SUCH_FILE: u32 = 2;
    pub(in super::super) const PERMISSION_DENIED: u32 = 3;
    pub(in super::super) const UNSUPPORTED: u32 = 8;
}

/// Something that no server of this protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer that is not SFTP: {0}")]
pub(super) struct Nonsense(pub(super) &'static str);

/// The fields of a request, in the protocol's encoding.
#[derive(Debug, Default)]
pub(super) struct Fields(BytesMut);

impl Fields {
    pub(super) fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        // Paths, handles and words of ours: far below 4 GiB.
        self.0
            .put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.put_slice(text);
        self
    }

    pub(super) fn u32(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    pub(super) fn u64(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    /// The whole packet up to a payload, which follows it on the wire.
    pub(super) fn packet(self, verb: Verb, id: u32, payload: usize) -> Bytes {
        let length = 5 + self.0.len() + payload;
        let mut packet = BytesMut::with_capacity(9 + self.0.len());
        packet.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        packet.put_u8(verb as u8);
        packet.put_u32(id);
        packet.put(self.0);
        packet.freeze()
    }
}

/// What a server answered to one request.
#[derive(Debug)]
pub(super) enum Answer {
    Status { code: u32, words: Bytes },
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<(Bytes, Attributes)>),
    Attributes(Attributes),
    Extended(Bytes),
}

/// What a server tells of a file; it may leave out anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    pub(super) mode: Option<u32>,
    /// Seconds since 1970.
    seconds: Option<u32>,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Other,
}

impl Attributes {
    /// When it was last written, by the server's clock.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(u64::from(self.seconds?));
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    }

    /// The kind, where the server tells.
    pub(super) fn kind(&self) -> Option<Kind> {
        Some(match self.mode? & 0o170_000 {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Folder,
            _ => Kind::Other,
        })
    }
}

/// Decodes the packet of an answer, without its length: its request's number, and what it says.
pub(super) fn answer(packet: Bytes) -> Result<(u32, Answer), Nonsense> {
    let mut fields = Decoder(packet);
    let kind = fields.u8()?;
    let id = fields.u32()?;
    let answer = match kind {
        101 => Answer::Status {
            code: fields.u32()?,
            // Servers of the first days send no words.
            words: fields.text().unwrap_or_default(),
        },
        102 => Answer::Handle(fields.text()?),
        103 => Answer::Data(fields.text()?),
        104 => Answer::Names(names(&mut fields)?),
        105 => Answer::Attributes(attributes(&mut fields)?),
        201 => Answer::Extended(fields.0),
        _ => return Err(Nonsense("a packet of no known type")),
    };
    Ok((id, answer))
}

/// The names of the extensions that a server's first packet offers.
pub(super) fn hello(packet: Bytes) -> Result<Vec<Bytes>, Nonsense> {
    let mut fields = Decoder(packet);
    if fields.u8()? != HELLO || fields.u32()? < VERSION {
        return Err(Nonsense("no greeting of version 3"));
    }
    let mut extensions = Vec::new();
    while !fields.0.is_empty() {
        extensions.push(fields.text()?);
        fields.text()?;
    }
    Ok(extensions)
}

/// The numbers of an answer that holds nothing else.
pub(super) fn numbers(bytes: Bytes) -> Vec<u64> {
    let mut fields = Decoder(bytes);
    std::iter::from_fn(|| fields.u64().ok()).collect()
}

fn names(fields: &mut Decoder) -> Result<Vec<(Bytes, Attributes)>, Nonsense> {
    let mut names = Vec::new();
    // The count is only believed as long as there are bytes for it.
    for _ in 0..fields.u32()? {
        let name = fields.text()?;
        // The same again for people, as `ls -l` shows it.
        fields.text()?;
        names.push((name, attributes(fields)?));
    }
    Ok(names)
}

fn attributes(fields: &mut Decoder) -> Result<Attributes, Nonsense> {
    const SIZE: u32 = 1;
    const OWNER: u32 = 2;
    const MODE: u32 = 4;
    const TIMES: u32 = 8;
    const EXTENDED: u32 = 1 << 31;
    let mut found = Attributes::default();
    let present = fields.u32()?;
    if present & SIZE != 0 {
        found.size = Some(fields.u64()?);
    }
    if present & OWNER != 0 {
        fields.u64()?;
    }
    if present & MODE != 0 {
        found.mode = Some(fields.u32()?);
    }
    if present & TIMES != 0 {
        fields.u32()?;
        found.seconds = Some(fields.u32()?);
    }
    if present & EXTENDED != 0 {
        for _ in 0..fields.u32()? {
            fields.text()?;
            fields.text()?;
        }
    }
    Ok(found)
}

struct Decoder(Bytes);

impl Decoder {
    const SHORT: Nonsense = Nonsense("a packet cut short");

    fn u8(&mut self) -> Result<u8, Nonsense> {
        self.0.try_get_u8().map_err(|_| Self::SHORT)
    }

    fn u32(&mut self) -> Result<u32, Nonsense> {
        self.0.try_get_u32().map_err(|_| Self::SHORT)
    }

    fn u64(&mut self) -> Result<u64, Nonsense> {
        self.0.try_get_u64().map_err(|_| Self::SHORT)
    }

    fn text(&mut self) -> Result<Bytes, Nonsense> {
        let length = usize::try_from(self.u32()?).map_err(|_| Self::SHORT)?;
        if length > self.0.len() {
            return Err(Self::SHORT);
        }
        Ok(self.0.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing of two names with all kinds of attributes.
    fn listing() -> Vec<u8> {
        let fields = Fields::default()
            .u32(2)
            .text("a")
            .text("-rw a")
            .u32(1 | 2 | 4 | 8)
            .u64(5)
            .u64(0)
            .u32(0o100_600)
            .u32(1)
            .u32(2)
            .text("b")
            .text("drw b")
            .u32(4 | 1 << 31)
            .u32(0o040_700)
            .u32(1)
            .text("x@y")
            .text("z");
        let mut packet = vec![104, 0, 0, 0, 9];
        packet.extend_from_slice(&fields.0);
        packet
    }

    #[test]
    fn a_listing_is_understood() {
        let (id, found) = answer(listing().into()).expect("an answer");
        let Answer::Names(names) = found else {
            panic!("{found:?}");
        };
        assert_eq!((id, names.len()), (9, 2));
        assert_eq!(names[0].1.kind(), Some(Kind::File));
        assert_eq!((names[0].1.size, names[0].1.seconds), (Some(5), Some(2)));
        assert_eq!(names[1].0, "b");
        assert_eq!(names[1].1.kind(), Some(Kind::Folder));
    }

    #[test]
    fn every_cut_and_every_changed_byte_ends_in_an_answer_or_an_error() {
        let whole = listing();
        for length in 0..whole.len() {
            let cut = answer(Bytes::copy_from_slice(&whole[..length]));
            assert!(cut.is_err(), "{length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 101, 103, 105, 201, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = answer(changed.into());
            }
        }
    }

    #[test]
    fn counts_and_lengths_that_the_bytes_cannot_hold_are_refused() {
        for packet in [
            &[104, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff][..],
            &[103, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 1],
            &[102, 0, 0, 0, 1, 0, 0, 0, 2, 1],
            &[105, 0, 0, 0, 1, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(answer(Bytes::copy_from_slice(packet)).is_err());
        }
    }

    #[test]
    fn a_greeting_tells_extensions_and_an_old_one_is_refused() {
        let hello_of = |version: u8, rest: &[u8]| {
            let mut packet = vec![HELLO, 0, 0, 0, version];
            packet.extend_from_slice(rest);
            hello(packet.into())
        };
        let pair = Fields::default().text("fsync@openssh.com").text("1").0;
        assert_eq!(hello_of(3, &pair).expect("it"), ["fsync@openssh.com"]);
        assert!(hello_of(2, &pair).is_err());
        assert!(hello_of(3, &[0, 0]).is_err());
        assert!(hello(Bytes::from_static(b"Welcome to")).is_err());
    }
}
