//! The way to the server: one session at a time, made when it is needed and made anew after it broke.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::channel::Channel;
use super::child::Ssh;
use super::fault::Fault;
use super::place::{SftpOptions, SftpPlace};
use super::session::Session;

/// Where to connect to, and the connection if there is one.
#[derive(Debug)]
pub(super) struct Connection {
    place: SftpPlace,
    options: SftpOptions,
    current: Mutex<Option<Arc<Session>>>,
}

impl Connection {
    pub(super) fn new(place: SftpPlace, options: SftpOptions) -> Self {
        Self {
            place,
            options,
            current: Mutex::new(None),
        }
    }

    /// The session that is there, or a new one; while one is made, everybody waits for it.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Fault> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_open()) {
            return Ok(session.clone());
        }
        // The old `ssh` ends before another one starts.
        *current = None;
        let session = Arc::new(self.connect().await?);
        *current = Some(session.clone());
        Ok(session)
    }

    async fn connect(&self) -> Result<Session, Fault> {
        let (mut ssh, to, from) = Ssh::start(&self.place, &self.options)?;
        match Channel::open(from, to, self.options.patience).await {
            Ok((channel, extensions)) => Ok(Session::new(channel, extensions, ssh)),
            Err(ended) => Err(ssh.farewell(ended).await),
        }
    }
}
