//! A folder of a snapshot as one stream: tar, or zip for those who have nothing else.
//!
//! Extended attributes, ACLs, file flags and birth times do not fit into archives; a restore
//! brings them back.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::ValueEnum;
use ownkey_engine::format::node::{Device, Node, NodeKind};
use tar::EntryType;
use zip::write::{SimpleFileOptions, StreamWriter};

/// Kinds of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Archive {
    /// With owners, modes, links and times
    Tar,
    /// With modes and links
    Zip,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is in the archive.
    Done,
    /// Archives of this kind cannot hold it, for this reason.
    LeftOut(&'static str),
}

/// An archive being written.
pub(crate) enum Writer<W: Write> {
    Tar(Box<tar::Builder<W>>),
    Zip(Box<zip::ZipWriter<StreamWriter<W>>>),
}

impl<W: Write> Writer<W> {
    /// Begins one.
    pub(crate) fn new(kind: Archive, to: W) -> Self {
        match kind {
            Archive::Tar => Self::Tar(Box::new(tar::Builder::new(to))),
            Archive::Zip => Self::Zip(Box::new(zip::ZipWriter::new_stream(to))),
        }
    }

    /// Adds an entry; `content` is there for files.
    pub(crate) fn put(
        &mut self,
        path: &Path,
        node: &Node,
        content: Option<impl Read>,
    ) -> io::Result<Put> {
        match self {
            Self::Tar(builder) => put_tar(builder, path, node, content),
            Self::Zip(writer) => put_zip(writer, path, node, content),
        }
    }

    /// Ends it.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Tar(builder) => builder.into_inner()?.flush(),
            Self::Zip(writer) => {
                writer.finish().map_err(io::Error::from)?;
                Ok(())
            }
        }
    }
}

fn put_tar<W: Write>(
    builder: &mut tar::Builder<W>,
    path: &Path,
    node: &Node,
    content: Option<impl Read>,
) -> io::Result<Put> {
    let mut header = tar::Header::new_gnu();
    let meta = &node.metadata;
    header.set_mode(meta.mode);
    header.set_uid(u64::from(meta.uid));
    header.set_gid(u64::from(meta.gid));
    // Names longer than the field are left to the numbers.
    let _ = header.set_username(meta.user.as_deref().unwrap_or_default());
    let _ = header.set_groupname(meta.group.as_deref().unwrap_or_default());
    // The format counts from 1970 on.
    header.set_mtime(u64::try_from(meta.mtime.seconds).unwrap_or(0));
    header.set_size(0);
    match &node.kind {
        NodeKind::File { size, .. } => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(*size);
            if let Some(content) = content {
                builder.append_data(&mut header, path, content)?;
            }
            return Ok(Put::Done);
        }
        NodeKind::Symlink { target } => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, path, Path::new(OsStr::from_bytes(target)))?;
            return Ok(Put::Done);
        }
        NodeKind::Directory { .. } => header.set_entry_type(EntryType::Directory),
        NodeKind::Fifo => header.set_entry_type(EntryType::Fifo),
        NodeKind::CharDevice(device) => set_device(&mut header, EntryType::Char, *device)?,
        NodeKind::BlockDevice(device) => set_device(&mut header, EntryType::Block, *device)?,
        NodeKind::Socket => return Ok(Put::LeftOut("archives cannot hold sockets")),
    }
    builder.append_data(&mut header, path, io::empty())?;
    Ok(Put::Done)
}

fn set_device(header: &mut tar::Header, kind: EntryType, device: Device) -> io::Result<()> {
    header.set_entry_type(kind);
    header.set_device_major(device.major)?;
    header.set_device_minor(device.minor)
}

fn put_zip<W: Write>(
    writer: &mut zip::ZipWriter<StreamWriter<W>>,
    path: &Path,
    node: &Node,
    content: Option<impl Read>,
) -> io::Result<Put> {
    // Replacing what is not text could give two entries one name.
    let Some(name) = path.to_str() else {
        return Ok(Put::LeftOut(
            "zip holds only names that are UTF-8; use --archive tar",
        ));
    };
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .unix_permissions(node.metadata.mode);
    match &node.kind {
        NodeKind::File { size, .. } => {
            let large = *size >= u64::from(u32::MAX);
            writer
                .start_file(name, options.large_file(large))
                .map_err(io::Error::from)?;
            if let Some(mut content) = content {
                io::copy(&mut content, writer)?;
            }
        }
        NodeKind::Directory { .. } => writer
            .add_directory(name, options)
            .map_err(io::Error::from)?,
        NodeKind::Symlink { target } => {
            let Ok(target) = std::str::from_utf8(target) else {
                return Ok(Put::LeftOut(
                    "zip holds only link targets that are UTF-8; use --archive tar",
                ));
            };
            writer
                .add_symlink(name, target, options)
                .map_err(io::Error::from)?;
        }
        NodeKind::Fifo | NodeKind::Socket | NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => {
            return Ok(Put::LeftOut("zip cannot hold pipes, sockets and devices"));
        }
    }
    Ok(Put::Done)
}
