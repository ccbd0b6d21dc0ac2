//! A second encoder of canonical CBOR, written from docs/format.md §1 alone: hostile writers do not
//! use ours, and what it makes is read only if both understood the page in the same way.

/// One value.
pub(crate) enum Cbor {
    Unsigned(u64),
    Signed(i64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    Map(Vec<(u64, Self)>),
}

impl Cbor {
    pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A list of byte strings.
    pub(crate) fn hashes<H: AsRef<[u8]>>(hashes: &[H]) -> Self {
        Self::Array(hashes.iter().map(Self::bytes).collect())
    }

    /// `[seconds, nanoseconds]`.
    pub(crate) fn time(seconds: i64) -> Self {
        Self::Array(vec![Self::Signed(seconds), Self::Unsigned(0)])
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unsigned(number) => head(0, *number, out),
            Self::Signed(number) => match u64::try_from(*number) {
                Ok(number) => head(0, number, out),
                Err(_) => head(1, (-1 - number) as u64, out),
            },
            Self::Bytes(bytes) => {
                head(2, bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(3, text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Array(items) => {
                head(4, items.len() as u64, out);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(fields) => {
                head(5, fields.len() as u64, out);
                for (key, value) in fields {
                    head(0, *key, out);
                    value.write(out);
                }
            }
        }
    }
}

/// Major type and number, in the shortest form.
fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match number {
        0..24 => out.push(major | number as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[test]
fn the_second_encoder_writes_the_examples_of_rfc_8949() {
    let cases: [(Cbor, &[u8]); 7] = [
        (Cbor::Unsigned(23), &[0x17]),
        (Cbor::Unsigned(100), &[0x18, 0x64]),
        (Cbor::Unsigned(1_000_000), &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
        (Cbor::Signed(-1000), &[0x39, 0x03, 0xe7]),
        (Cbor::text("IETF"), &[0x64, 0x49, 0x45, 0x54, 0x46]),
        (
            Cbor::Array(vec![Cbor::Unsigned(1), Cbor::bytes([1, 2])]),
            &[0x82, 0x01, 0x42, 0x01, 0x02],
        ),
        (
            Cbor::Map(vec![(1, Cbor::Unsigned(2)), (3, Cbor::Unsigned(4))]),
            &[0xa2, 0x01, 0x02, 0x03, 0x04],
        ),
    ];
    for (value, bytes) in cases {
        assert_eq!(value.encode(), bytes);
    }
}
