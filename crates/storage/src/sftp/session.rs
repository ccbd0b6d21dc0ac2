//! One connection: what files and folders of the server can be asked and told.
//!
//! The verbs of SFTP that are used, typed. Statuses become [`Fault`]s here; what they mean for objects is said by
//! the files that use them.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::channel::{Channel, Ended, Pending};
use super::child::Ssh;
use super::fault::Fault;
use super::packet::{self, Answer, Attributes, Fields, Nonsense, Verb, status};

/// The bytes of one read or write: what every server takes in one packet.
const PIECE: usize = 32 << 10;

/// Pieces under way at once: 2 MiB, the most a line of 20 MB/s and 100 ms holds.
const UNDER_WAY: usize = 64;

/// Extensions of OpenSSH, which other servers offer too.
const FSYNC: &str = "fsync@openssh.com";
const HARDLINK: &str = "hardlink@openssh.com";
const STATVFS: &str = "statvfs@openssh.com";

/// Flags of opening.
const READ: u32 = 1;
const WRITE_NEW: u32 = 2 | 8 | 32;

/// A connection with its server.
#[derive(Debug)]
pub(super) struct Session {
    channel: Channel,
    extensions: Vec<Bytes>,
    ssh: Mutex<Ssh>,
}

/// An open file or folder of the server.
#[derive(Debug)]
pub(super) struct Handle(Bytes);

impl Session {
    pub(super) fn new(channel: Channel, extensions: Vec<Bytes>, ssh: Ssh) -> Self {
        Self {
            channel,
            extensions,
            ssh: Mutex::new(ssh),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.channel.is_open()
    }

    /// What the end of the connection means, with what `ssh` said last.
    pub(super) async fn farewell(&self, ended: Ended) -> Fault {
        self.ssh.lock().await.farewell(ended).await
    }

    /// Whether bytes can be made durable before they are given a name.
    pub(super) fn can_flush(&self) -> bool {
        self.offers(FSYNC)
    }

    /// Whether a second name can be given, which fails where it is taken.
    pub(super) fn can_link(&self) -> bool {
        self.offers(HARDLINK)
    }

    /// Opens a file to be read, or a folder to be flushed.
    pub(super) async fn open(&self, path: &str) -> Result<Handle, Fault> {
        let fields = Fields::default().text(path).u32(READ).u32(0);
        handle(self.send(Verb::Open, fields).await?).await
    }

    /// Makes a new file, readable for its owner alone.
    pub(super) async fn open_new(&self, path: &str) -> Result<Handle, Fault> {
        const MODE: u32 = 4;
        let fields = Fields::default()
            .text(path)
            .u32(WRITE_NEW)
            .u32(MODE)
            .u32(0o600);
        handle(self.send(Verb::Open, fields).await?).await
    }

    /// Closes a handle. Some servers store what was written only now.
    pub(super) async fn close(&self, handle: &Handle) -> Result<(), Fault> {
        let fields = Fields::default().text(&handle.0);
        done(self.send(Verb::Close, fields).await?).await
    }

    /// Makes the bytes of a file, or the names in a folder, durable.
    pub(super) async fn flush(&self, handle: &Handle) -> Result<(), Fault> {
        let fields = Fields::default().text(FSYNC).text(&handle.0);
        done(self.send(Verb::Extended, fields).await?).await
    }

    /// Gives a file a second name.
    pub(super) async fn link(&self, from: &str, to: &str) -> Result<(), Fault> {
        let fields = Fields::default().text(HARDLINK).text(from).text(to);
        done(self.send(Verb::Extended, fields).await?).await
    }

    /// Gives a file another name; the protocol says that it fails where that is taken.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let fields = Fields::default().text(from).text(to);
        done(self.send(Verb::Rename, fields).await?).await
    }

    /// Removes a file.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Fault> {
        done(
            self.send(Verb::Remove, Fields::default().text(path))
                .await?,
        )
        .await
    }

    /// Makes a folder, for its owner alone.
    pub(super) async fn make_folder(&self, path: &str) -> Result<(), Fault> {
        const MODE: u32 = 4;
        let fields = Fields::default().text(path).u32(MODE).u32(0o700);
        done(self.send(Verb::Mkdir, fields).await?).await
    }

    /// What stands at a path, without following a link.
    pub(super) async fn look(&self, path: &str) -> Result<Attributes, Fault> {
        attributes(self.send(Verb::Lstat, Fields::default().text(path)).await?).await
    }

    /// What a path leads to.
    pub(super) async fn follow(&self, path: &str) -> Result<Attributes, Fault> {
        attributes(self.send(Verb::Stat, Fields::default().text(path)).await?).await
    }

    /// What an open file is.
    pub(super) async fn measure(&self, handle: &Handle) -> Result<Attributes, Fault> {
        let fields = Fields::default().text(&handle.0);
        attributes(self.send(Verb::Fstat, fields).await?).await
    }

    /// Bytes that are free for us where a path is, where the server tells.
    pub(super) async fn free_bytes(&self, path: &str) -> Option<u64> {
        if !self.offers(STATVFS) {
            return None;
        }
        let fields = Fields::default().text(STATVFS).text(path);
        let sent = self.send(Verb::Extended, fields).await.ok()?;
        let Ok(Answer::Extended(bytes)) = sent.answer().await else {
            return None;
        };
        // The fields of statvfs(3): block size, fragment size, blocks, free blocks, those free for us, ...
        match packet::numbers(bytes)[..] {
            [_, fragment, _, _, free, ..] => Some(fragment.saturating_mul(free)),
            _ => None,
        }
    }

    /// Opens a folder for listing.
    pub(super) async fn open_folder(&self, path: &str) -> Result<Handle, Fault> {
        handle(
            self.send(Verb::Opendir, Fields::default().text(path))
                .await?,
        )
        .await
    }

    /// The next entries of a folder; `None` when there are no more.
    pub(super) async fn next_entries(
        &self,
        folder: &Handle,
    ) -> Result<Option<Vec<(Bytes, Attributes)>>, Fault> {
        let sent = self
            .send(Verb::Readdir, Fields::default().text(&folder.0))
            .await?;
        match sent.answer().await? {
            Answer::Names(names) => Ok(Some(names)),
            Answer::Status { code, .. } if code == status::EOF => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    /// Writes all bytes of a new file.
    pub(super) async fn write(&self, file: &Handle, body: &Bytes) -> Result<(), Fault> {
        let mut under_way = VecDeque::with_capacity(UNDER_WAY);
        let mut offset = 0;
        while offset < body.len() {
            if under_way.len() == UNDER_WAY
                && let Some(first) = under_way.pop_front()
            {
                done(first).await?;
            }
            let piece = body.slice(offset..body.len().min(offset + PIECE));
            let length = piece.len();
            let fields = Fields::default()
                .text(&file.0)
                .u64(offset as u64)
                .u32(u32::try_from(length).unwrap_or(u32::MAX));
            under_way.push_back(self.channel.send(Verb::Write, fields, piece).await?);
            offset += length;
        }
        for pending in under_way {
            done(pending).await?;
        }
        Ok(())
    }

    /// Reads exactly these bytes of a file into memory. The caller has bounded how many they are.
    pub(super) async fn read(&self, file: &Handle, range: Range<u64>) -> Result<Bytes, Fault> {
        let length = usize::try_from(range.end - range.start).map_err(|_| Fault::TooLarge)?;
        let mut bytes = Vec::with_capacity(length);
        let mut under_way = VecDeque::with_capacity(UNDER_WAY);
        let mut asked = 0;
        while bytes.len() < length {
            while asked < length && under_way.len() < UNDER_WAY {
                let piece = PIECE.min(length - asked);
                under_way.push_back((
                    self.ask(file, range.start + asked as u64, piece).await?,
                    piece,
                ));
                asked += piece;
            }
            let Some((pending, mut missing)) = under_way.pop_front() else {
                return Err(Fault::LengthChanged);
            };
            let mut pending = Some(pending);
            // A server may give less than was asked for; the rest is asked for again before going on.
            while missing > 0 {
                let again = match pending.take() {
                    Some(first) => first,
                    None => {
                        self.ask(file, range.start + bytes.len() as u64, missing)
                            .await?
                    }
                };
                let data = data(again).await?;
                if data.is_empty() || data.len() > missing {
                    return Err(Nonsense("a read of another length than asked for").into());
                }
                missing -= data.len();
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.into())
    }

    async fn ask(&self, file: &Handle, offset: u64, length: usize) -> Result<Pending, Fault> {
        let fields = Fields::default()
            .text(&file.0)
            .u64(offset)
            .u32(u32::try_from(length).unwrap_or(u32::MAX));
        self.send(Verb::Read, fields).await
    }

    async fn send(&self, verb: Verb, fields: Fields) -> Result<Pending, Fault> {
        Ok(self.channel.send(verb, fields, Bytes::new()).await?)
    }

    fn offers(&self, extension: &str) -> bool {
        self.extensions.iter().any(|offered| offered == extension)
    }
}

async fn done(pending: Pending) -> Result<(), Fault> {
    match pending.answer().await? {
        Answer::Status { code, .. } if code == status::OK => Ok(()),
        other => Err(unexpected(other)),
    }
}

async fn handle(pending: Pending) -> Result<Handle, Fault> {
    match pending.answer().await? {
        Answer::Handle(handle) => Ok(Handle(handle)),
        other => Err(unexpected(other)),
    }
}

async fn attributes(pending: Pending) -> Result<Attributes, Fault> {
    match pending.answer().await? {
        Answer::Attributes(found) => Ok(found),
        other => Err(unexpected(other)),
    }
}

/// The end of the file before the bytes asked for means that it became shorter since it was measured.
async fn data(pending: Pending) -> Result<Bytes, Fault> {
    match pending.answer().await? {
        Answer::Data(data) => Ok(data),
        Answer::Status { code, .. } if code == status::EOF => Err(Fault::LengthChanged),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: Answer) -> Fault {
    match answer {
        Answer::Status { code, words } if code != status::OK => Fault::of_status(code, &words),
        _ => Nonsense("an answer of another type than asked for").into(),
    }
}
