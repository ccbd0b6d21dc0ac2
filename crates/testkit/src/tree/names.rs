//! Names that programs get wrong.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// File names that are legal and hostile: to terminals, shells, encodings, and other systems.
#[must_use]
pub fn hostile_names() -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = [
        &b"\xff\xfe not UTF-8"[..],
        b"\xc3\x28 broken UTF-8",
        b"latin-1 \xe9t\xe9",
        b"line\nbreak",
        b"carriage\rreturn",
        b"tab\there",
        b"\x1b[31mred\x1b[0m",
        b"\x1b]0;title\x07",
        b"\x01\x02\x7f controls",
        b" leading and trailing ",
        b"-rf",
        b"--help",
        b"...",
        b"..hidden",
        b".hidden",
        b"~",
        b"~root",
        b"$(touch pwned)",
        b"`id`",
        b"a;b&c|d>e<f",
        b"quote ' and \" both",
        b"back\\slash",
        b"*?[glob]{a,b}",
        b"#comment",
        b"%41%00%2f",
        b"C:colon",
        b"CON",
        b"nul.txt",
        b"trailing.dot.",
        b"=SUM(A1)",
        "ünïcödé ☃ 🔑".as_bytes(),
        "right-to-left \u{202e}gpj.exe".as_bytes(),
        "zero\u{200b}width".as_bytes(),
        "\u{feff}byte order mark".as_bytes(),
        // One letter, composed and not: two names on most file systems.
        "caf\u{e9}".as_bytes(),
        "cafe\u{301}".as_bytes(),
        b"Case",
        b"case",
    ]
    .map(<[u8]>::to_vec)
    .into();
    // The longest name there is, and one whose last letter would be cut in two.
    names.push(vec![b'n'; 255]);
    let mut wide = "é".repeat(127).into_bytes();
    wide.push(b'x');
    names.push(wide);
    names.into_iter().map(OsString::from_vec).collect()
}
