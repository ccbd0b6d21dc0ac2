//! The keychain of this user's desktop: the Secret Service, through `secret-tool`.
//!
//! One key lies there, for the device keys of all repositories that were made with `--keychain`. It is never
//! overwritten and never deleted. Promises: the key goes through pipes, never through a command line; a keychain
//! that is missing, locked or silent is an error within half a minute, for somebody may sit there and unlock it.

use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::exit::Class;
use crate::failure::Failure;
use crate::keys::{Random, RecoveryKey};
use crate::new_password::no_randomness;
use crate::signals::{Interrupt, is_readable};

const PROGRAM: &str = "secret-tool";
/// What the key is found by.
const ATTRIBUTES: [&str; 4] = ["application", "ownkey", "purpose", "device-keys"];
/// How long somebody has to unlock it.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
const UNLOCK: &str = "unlock the keychain (log in to the desktop), then run the same command again";
/// Longest answer that is read, in bytes; the key takes 35.
const LIMIT: usize = 4096;

/// The key, which must be there.
pub(crate) fn key(interrupt: &Interrupt) -> Result<RecoveryKey, Failure> {
    find(interrupt)?.ok_or_else(|| {
        unusable("it holds no key of ownkey").hint(
            "if this is another user or desktop session, run it in the one that made the key; if it is lost: ownkey device request --new-key",
        )
    })
}

/// The key; made if there is none.
pub(crate) fn key_or_new(
    interrupt: &Interrupt,
    random: &dyn Random,
) -> Result<RecoveryKey, Failure> {
    if let Some(key) = find(interrupt)? {
        return Ok(key);
    }
    let key = RecoveryKey::generate(random).map_err(|error| no_randomness(&error))?;
    let label = ["store", "--label=ownkey: the keys of this machine"];
    let stored = ask(interrupt, &label, Some(&key.to_groups()))?;
    if !stored.status.success() {
        return Err(unusable(&stored.complaint));
    }
    // What it gives back is what counts, also if another run stored one at the same time.
    find(interrupt)?.ok_or_else(|| unusable("it did not keep what it was given"))
}

fn find(interrupt: &Interrupt) -> Result<Option<RecoveryKey>, Failure> {
    let found = ask(interrupt, &["lookup"], None)?;
    match (found.status.success(), found.complaint.is_empty()) {
        (true, _) => {
            let parsed = RecoveryKey::parse(found.text.trim());
            let not_ours = |_| unusable("what it holds under the name of ownkey is no key");
            Ok(Some(parsed.map_err(not_ours)?.key))
        }
        (false, true) if is_there(interrupt)? => Err(unusable("it is locked").hint(UNLOCK)),
        (false, true) => Ok(None),
        (false, false) => Err(unusable(&found.complaint)),
    }
}

/// Whether there is a key that cannot be had: a locked keychain answers as if there were none, and storing another
/// one would overwrite it as soon as somebody unlocks it.
fn is_there(interrupt: &Interrupt) -> Result<bool, Failure> {
    Ok(!ask(interrupt, &["search", "--all"], None)?.text.is_empty())
}

/// What the program said.
struct Answer {
    status: ExitStatus,
    text: Zeroizing<String>,
    complaint: String,
}

fn ask(
    interrupt: &Interrupt,
    verb: &[&str],
    secret: Option<&Zeroizing<String>>,
) -> Result<Answer, Failure> {
    let started = Command::new(PROGRAM)
        .args(verb)
        .args(ATTRIBUTES)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unusable(&format!("there is no {PROGRAM} on this machine"))
            .hint("on Debian and Ubuntu: sudo apt-get install libsecret-tools"),
        _ => unusable(&format!("cannot start {PROGRAM}")).caused_by(&error),
    })?;
    // Who does not read what it is given says why by its end. Closed afterwards, also where nothing is given.
    if let (Some(mut pipe), Some(secret)) = (child.stdin.take(), secret) {
        let _ = pipe.write_all(secret.as_bytes());
    }
    // Short answers fit into the pipes, so they can be read when all is over.
    let status = wait(&mut child, interrupt)?;
    let complaint = child.stderr.take().map(at_hand).unwrap_or_default();
    Ok(Answer {
        status,
        text: child.stdout.take().map(at_hand).unwrap_or_default(),
        complaint: complaint.lines().next().unwrap_or_default().to_owned(),
    })
}

/// What lies in a pipe. Its end is not waited for: a daemon that the program started may hold it open for ever.
fn at_hand(mut pipe: impl Read + AsFd) -> Zeroizing<String> {
    // Reserved once, so that growing leaves no copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LIMIT));
    let mut part = Zeroizing::new([0; 256]);
    while bytes.len() < LIMIT && is_readable(&pipe).unwrap_or(false) {
        match pipe.read(part.as_mut_slice()) {
            Ok(count @ 1..) => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
            _ => break,
        }
    }
    Zeroizing::new(std::str::from_utf8(&bytes).unwrap_or_default().to_owned())
}

/// Waits for the end, but neither for ever nor against the user's will.
fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<ExitStatus, Failure> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(unusable("it was lost").caused_by(&error)),
        }
        let stop = interrupt.check();
        if stop.is_err() || begun.elapsed() > PATIENCE {
            // It is a child that we started; what it still does concerns nobody.
            let _ = child.kill();
            let _ = child.wait();
            stop?;
            return Err(unusable("it did not answer within half a minute").hint(UNLOCK));
        }
        thread::sleep(PAUSE);
    }
}

fn unusable(why: &str) -> Failure {
    let mut failure = Failure::new(
        Class::WrongCredential,
        "the keychain of this user cannot be used",
    );
    if !why.is_empty() {
        failure.causes.push(why.to_owned());
    }
    failure
}
