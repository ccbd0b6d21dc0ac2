//! The one AEAD: ChaCha20-Poly1305 (RFC 8439), one frame at a time (docs/format.md §5).
//!
//! It promises that the nonce is the frame's number and type and nothing else can be said, that every frame is bound to
//! its header, and that nothing of a frame whose tag does not verify is handed out. Every AEAD call of objects is here.

use crate::bytes::wide;
use crate::error::{OpenError, SealError};
use crate::secret::Secret;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};

pub(crate) const TAG_LEN: usize = 16;

/// The types of docs/format.md §5.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum FrameType {
    Chunks = 0,
    Padding = 1,
    Directory = 2,
    Trailer = 3,
    Single = 4,
}

/// Which frame of an object: its number and type. Both go into the nonce and into the associated data.
#[derive(Clone, Copy)]
pub(crate) struct FrameSlot {
    pub(crate) index: u64,
    pub(crate) kind: FrameType,
}

impl FrameSlot {
    /// The only frame of its type.
    pub(crate) fn only(kind: FrameType) -> Self {
        Self { index: 0, kind }
    }

    /// LE64(index) ‖ LE32(type).
    fn nonce(self) -> [u8; 12] {
        let mut nonce = [0u8; 12];
        let (index, kind) = nonce.split_at_mut(8);
        index.copy_from_slice(&self.index.to_le_bytes());
        kind.copy_from_slice(&(self.kind as u32).to_le_bytes());
        nonce
    }
}

/// The one-time key of one object, bound to its header.
pub(crate) struct FrameKey {
    cipher: ChaCha20Poly1305,
    header_hash: [u8; 32],
    #[cfg(test)]
    key: [u8; 32],
}

impl FrameKey {
    pub(crate) fn new(key: &Secret, header_hash: [u8; 32]) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(key.as_bytes().into()),
            header_hash,
            #[cfg(test)]
            key: *key.as_bytes(),
        }
    }

    /// H ‖ LE64(index) ‖ LE32(type).
    fn associated_data(&self, nonce: &[u8; 12]) -> [u8; 44] {
        let mut data = [0u8; 44];
        let (hash, slot) = data.split_at_mut(32);
        hash.copy_from_slice(&self.header_hash);
        slot.copy_from_slice(nonce);
        data
    }

    /// Encrypts in place and returns the tag.
    pub(crate) fn seal(
        &self,
        slot: FrameSlot,
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], SealError> {
        let nonce = slot.nonce();
        #[cfg(test)]
        audit::note(self.key, nonce);
        self.cipher
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &self.associated_data(&nonce),
                buffer.into(),
            )
            .map(Into::into)
            .map_err(|_| SealError::TooLong)
    }

    /// Encrypts what was appended to `object` since `start`, and appends the tag.
    pub(crate) fn seal_tail(
        &self,
        slot: FrameSlot,
        object: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), SealError> {
        let tag = self.seal(slot, object.get_mut(start..).ok_or(SealError::TooLong)?)?;
        object.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts `ciphertext ‖ tag` into new memory.
    pub(crate) fn open(&self, slot: FrameSlot, stored: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (ciphertext, tag) = stored
            .split_last_chunk::<TAG_LEN>()
            .ok_or(OpenError::TooShort)?;
        let nonce = slot.nonce();
        #[cfg(test)]
        audit::note_open();
        let mut plaintext = ciphertext.to_vec();
        // The tag is verified over the ciphertext before anything is decrypted; on failure the copy is dropped here.
        self.cipher
            .decrypt_inout_detached(
                &Nonce::from(nonce),
                &self.associated_data(&nonce),
                plaintext.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| OpenError::NotAuthentic)?;
        Ok(plaintext)
    }
}

/// Length of a frame in the file, tag included.
pub(crate) fn with_tag(stored_length: u32) -> u64 {
    u64::from(stored_length).saturating_add(wide(TAG_LEN))
}

#[cfg(test)]
pub(crate) mod audit {
    //! Counts the calls of this thread, and remembers every (key, nonce) that sealed something.

    use std::cell::{Cell, RefCell};
    use std::collections::HashSet;

    thread_local! {
        static OPENED: Cell<u64> = const { Cell::new(0) };
        static SEALED: RefCell<HashSet<([u8; 32], [u8; 12])>> = RefCell::default();
        static REPEATED: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn note(key: [u8; 32], nonce: [u8; 12]) {
        if !SEALED.with_borrow_mut(|seen| seen.insert((key, nonce))) {
            REPEATED.set(REPEATED.get() + 1);
        }
    }

    pub(super) fn note_open() {
        OPENED.set(OPENED.get() + 1);
    }

    pub(crate) fn opened() -> u64 {
        OPENED.get()
    }

    pub(crate) fn sealed() -> usize {
        SEALED.with_borrow(HashSet::len)
    }

    pub(crate) fn repeated() -> u64 {
        REPEATED.get()
    }
}
