//! Cutting a run of bytes that comes piece by piece into the chunks of its content.

use ownkey_crypto::{Boundaries, End};

use crate::error::{Error, Result};
use crate::monitor::{Monitor, Stage};

/// Why a run was not cut to its end.
pub(crate) enum Stop<E> {
    /// Its bytes could not be read.
    Source(E),
    /// The run of the program ends.
    Run(Error),
}

/// Reads until `read` gives nothing more, and hands every chunk to `chunk`.
///
/// `buffer` is grown to at most twice the longest chunk, so that what is left over is moved once
/// per several chunks.
pub(crate) fn cut_all<E>(
    boundaries: &Boundaries,
    monitor: &dyn Monitor,
    buffer: &mut Vec<u8>,
    mut read: impl FnMut(&mut [u8]) -> std::result::Result<usize, E>,
    mut chunk: impl FnMut(&[u8]) -> Result<()>,
) -> std::result::Result<(), Stop<E>> {
    let max = boundaries.max();
    let (mut start, mut end, mut more) = (0, 0, true);
    loop {
        while more && end - start < max {
            if end == buffer.len() {
                buffer.copy_within(start..end, 0);
                (start, end) = (0, end - start);
                if end == buffer.len() {
                    buffer.resize((2 * buffer.len()).clamp(64 << 10, 2 * max), 0);
                }
            }
            let room = buffer.get_mut(end..).unwrap_or_default();
            let began = monitor.elapsed();
            let read = read(room).map_err(Stop::Source)?;
            let time = monitor.elapsed().saturating_sub(began);
            monitor.spent(Stage::Read, time, read as u64);
            match read {
                0 => more = false,
                read => end += read,
            }
        }
        let rest = buffer.get(start..end).unwrap_or_default();
        let ends = if more { End::MoreFollows } else { End::Known };
        let began = monitor.elapsed();
        let cut = boundaries.cut(rest, ends).filter(|_| !rest.is_empty());
        let Some(length) = cut else { return Ok(()) };
        let time = monitor.elapsed().saturating_sub(began);
        monitor.spent(Stage::Cut, time, length as u64);
        chunk(rest.get(..length).unwrap_or(rest)).map_err(Stop::Run)?;
        start += length;
    }
}
