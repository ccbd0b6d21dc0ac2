//! The check that needs no key: whoever can read the storage can do it.
//!
//! It finds what decay, a bad disk or a careless copy does. It cannot find what was replaced
//! by something well formed, or is missing: only a key knows what should be there.

use std::sync::{Arc, Mutex, PoisonError};

use ownkey_crypto::{Class as Sealing, PackKind, object_hash, peek_epoch};
use ownkey_storage::{ObjectMeta, ObjectName, Prefix, Storage, StorageErrorKind};

use super::report::Finding;
use crate::environment::Environment;
use crate::error::Result;
use crate::format::header;
use crate::format::layout::Object;
use crate::io::Io;
use crate::lock::lock;
use crate::monitor::{Figure, Monitor};
use crate::parallel::{WORKERS, each};

/// The result of a check without a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectsReport {
    /// Objects read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are not what their names say.
    pub damaged: Vec<ObjectName>,
    /// Objects that are not ownkey's.
    pub foreign: Vec<ObjectName>,
    /// The same in sentences.
    pub findings: Vec<Finding>,
}

/// Reads every object of the storage and compares it with its name.
///
/// # Errors
/// [`Error::NoRepository`](crate::Error::NoRepository), [`Error::Cancelled`](crate::Error::Cancelled), and those of the storage that are not damage.
pub fn objects(
    environment: &Environment,
    storage: &Arc<dyn Storage>,
    monitor: &dyn Monitor,
) -> Result<ObjectsReport> {
    let io = Io::new(Arc::clone(storage), environment);
    crate::repository::read_header(&io)?;
    let listed = io.list(&Prefix::all())?;
    let report = Mutex::new(ObjectsReport::default());
    each(&listed, WORKERS, monitor, |object| {
        look_at(&io, object, &report, monitor)
    })?;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.damaged.sort();
    report.foreign.sort();
    report.findings.sort_by(|a, b| a.message.cmp(&b.message));
    Ok(report)
}

fn look_at(
    io: &Io,
    listed: &ObjectMeta,
    report: &Mutex<ObjectsReport>,
    monitor: &dyn Monitor,
) -> Result<()> {
    let name = &listed.name;
    let Some(object) = Object::parse(name) else {
        lock(report).foreign.push(name.clone());
        return Ok(());
    };
    let found = match io.get(name) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == StorageErrorKind::TooLarge => None,
        Err(error) => match Finding::of(error.into()) {
            Ok(_) => None,
            Err(error) => return Err(error),
        },
    };
    let wrong = match &found {
        None => Some("it is listed and cannot be read"),
        Some(bytes) if bytes.len() as u64 != listed.size => {
            Some("it has another length than listed")
        }
        Some(bytes) => wrong_with(&object, bytes),
    };
    let length = found.map_or(0, |bytes| bytes.len() as u64);
    monitor.count(Figure::ObjectsChecked, 1);
    monitor.count(Figure::BytesFetched, length);
    let mut report = lock(report);
    report.objects += 1;
    report.bytes += length;
    if let Some(wrong) = wrong {
        report.damaged.push(name.clone());
        report
            .findings
            .push(Finding::damage(format!("object {name}: {wrong}")));
    }
    Ok(())
}

/// What is wrong with an object, as far as can be seen without keys.
pub(crate) fn wrong_with(object: &Object, bytes: &[u8]) -> Option<&'static str> {
    if object.hash().is_some_and(|hash| object_hash(bytes) != hash) {
        return Some("its bytes are not those it is named after");
    }
    let class = match object {
        Object::Header => {
            return header::parse(bytes)
                .is_err()
                .then_some("it is not the header of a repository");
        }
        // Its length and bytes are those it is named after.
        Object::Slot(_) => return None,
        Object::Grant(..) => Sealing::Grant,
        Object::Request(_) => Sealing::Request,
        Object::RosterEntry(..) => Sealing::Roster,
        Object::LogEntry(..) => Sealing::Log,
        Object::Segment(_) => Sealing::Segment,
        Object::Pack(pack) if pack.kind == PackKind::Data => Sealing::DataPack,
        Object::Pack(_) => Sealing::MetaPack,
    };
    match peek_epoch(bytes) {
        Ok((found, _)) if found == class => None,
        Ok(_) => Some("it is an object of another kind"),
        Err(_) => Some("it is not a sealed object"),
    }
}
