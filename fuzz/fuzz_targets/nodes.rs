//! Trees: the nodes of a directory, however they are cut into chunks; encoded back the same, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ownkey_engine::format::tree::{NodeReader, append_node, extents_from_bytes, extents_to_bytes};
use ownkey_fuzz::opened;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    if let Ok(extents) = extents_from_bytes(bytes) {
        assert_eq!(extents_to_bytes(&extents), bytes);
    }
    let whole = read([bytes]);
    let (head, tail) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let parts = read([head, tail]);
    assert_eq!(whole, parts, "where a directory is cut makes no difference");
    if let Some(encoded) = whole {
        assert_eq!(encoded, bytes);
    }
});

/// The nodes, encoded again; `None` if they were refused.
fn read<'b>(chunks: impl IntoIterator<Item = &'b [u8]>) -> Option<Vec<u8>> {
    let mut reader = NodeReader::default();
    let mut encoded = Vec::new();
    for chunk in chunks {
        for node in reader.push(&opened(chunk)).ok()? {
            append_node(&node, &mut encoded);
        }
    }
    reader.finish().ok()?;
    Some(encoded)
}
