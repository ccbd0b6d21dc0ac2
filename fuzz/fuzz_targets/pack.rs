//! Packs: any bytes are refused, and a pack that was changed anywhere does not open whole.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ownkey_crypto::{
    ChunkType, Codec, FrameInput, PackInput, PackKind, PackOpener, PackPadding, object_hash,
    seal_pack,
};
use ownkey_fuzz::{Keys, disturbed};

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::known);
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let frame = |byte: u8| FrameInput {
        chunk_type: ChunkType::Content,
        codec: Codec::Stored,
        plain_len: 500,
        chunks: vec![(KEYS.names.chunk_id(ChunkType::Content, &[byte; 500]), 500)],
        stored: vec![byte; 500],
    };
    let frames = vec![frame(1), frame(2)];
    let input = PackInput {
        parity: None,
        kind: PackKind::Data,
        padding: PackPadding::Padme,
        frames,
    };
    let pack = seal_pack(&KEYS.reader.writer(), input, &KEYS.hedge);
    pack.expect("a pack").sealed.into_bytes()
});

/// Whether all of it opens: directory, padding and every frame.
fn opens(bytes: &[u8]) -> bool {
    let Ok(opener) = PackOpener::new(&KEYS.reader, PackKind::Data, bytes) else {
        return false;
    };
    let Ok(directory) = opener.open_whole(bytes) else {
        return false;
    };
    (0u32..).zip(directory.frames()).all(|(number, frame)| {
        let range = frame.range();
        let place = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok());
        let stored = place.and_then(|(from, to)| bytes.get(from..to));
        stored.is_some_and(|stored| opener.open_frame(number, stored).is_ok())
    })
}

fuzz_target!(|bytes: &[u8]| {
    if *bytes != **SEALED {
        assert!(!opens(bytes));
    }
    if let Some(changed) = disturbed(&SEALED, bytes) {
        // Frames lie where the directory says; between them and the padding nothing is unaccounted for.
        assert!(!opens(&changed) || object_hash(&changed) == object_hash(&SEALED));
    }
});
