//! Where a sparse file has data.
//!
//! Asked of the file system with `SEEK_DATA` and `SEEK_HOLE`. The answer may call a hole
//! data, never the reverse, and its memory is bounded whatever the file looks like.

use rustix::fd::AsFd;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::format::node::Extent;

/// The data of an open file of `size` bytes; `None` if the file system has no holes.
pub(crate) fn find<Fd: AsFd>(fd: Fd, size: u64) -> Result<Option<Vec<Extent>>, Errno> {
    let mut extents = Extents::default();
    let mut at = 0;
    while at < size {
        let start = match seek(&fd, SeekFrom::Data(at)) {
            Ok(start) => start.min(size),
            // No data from here to the end.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if start >= size {
            break;
        }
        let end = match seek(&fd, SeekFrom::Hole(start)) {
            Ok(end) => end.min(size),
            // Truncated meanwhile: the caller notices the changed size afterwards.
            Err(Errno::NXIO) => size,
            Err(errno) => return Err(errno),
        };
        // A file system that does not move on would be asked for ever.
        if end <= start {
            return Ok(None);
        }
        extents.push(Extent {
            offset: start,
            length: end - start,
        });
        at = end;
    }
    let dense = matches!(extents.found.as_slice(), [one] if one.offset == 0 && one.length == size);
    Ok((!dense).then_some(extents.found))
}

/// Extents found so far; when there are too many, the smallest holes become data.
#[derive(Debug, Default)]
struct Extents {
    found: Vec<Extent>,
    smallest_hole: u64,
}

/// 16 MiB of memory; a file of 4 TiB may still have a hole in every 4 MiB.
const MOST: usize = 1 << 20;

impl Extents {
    fn push(&mut self, next: Extent) {
        if let Some(last) = self.found.last_mut() {
            let end = last.offset.saturating_add(last.length);
            // Touching extents are one; so are those with a hole too small to keep.
            if next.offset.saturating_sub(end) <= self.smallest_hole {
                last.length = next.offset.saturating_add(next.length) - last.offset;
                return;
            }
        }
        self.found.push(next);
        while self.found.len() > MOST {
            self.smallest_hole = (self.smallest_hole * 2).max(4096);
            let all = std::mem::take(&mut self.found);
            for extent in all {
                self.push(extent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_extents_are_one() {
        let mut extents = Extents::default();
        extents.push(Extent {
            offset: 0,
            length: 10,
        });
        extents.push(Extent {
            offset: 10,
            length: 5,
        });
        extents.push(Extent {
            offset: 16,
            length: 1,
        });
        let wanted = [
            Extent {
                offset: 0,
                length: 15,
            },
            Extent {
                offset: 16,
                length: 1,
            },
        ];
        assert_eq!(extents.found, wanted);
    }

    #[test]
    fn a_file_full_of_holes_costs_bounded_memory_and_loses_no_data() {
        let mut extents = Extents::default();
        let count = 3 * MOST as u64;
        for i in 0..count {
            extents.push(Extent {
                offset: i * 8192,
                length: 4096,
            });
        }
        assert!(extents.found.len() <= MOST);
        assert_eq!(extents.found.first().unwrap().offset, 0);
        let last = extents.found.last().unwrap();
        assert_eq!(last.offset + last.length, (count - 1) * 8192 + 4096);
        // All holes are equal, so all had to go.
        assert_eq!(extents.found.len(), 1);
    }
}
