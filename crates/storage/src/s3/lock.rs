//! Object Lock: how long a service is bound to keep an object.

use std::str::FromStr as _;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode};
use reqsign_core::time::Timestamp;

use super::bucket::Bucket;
use super::create::{CONTENT_MD5, md5_of, timestamp};
use super::options::LockMode;
use super::refusal::Refusal;
use super::wire::{Call, Payload, Question};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::ObjectName;
use crate::object::Retention;
use crate::xml::Element;

/// How services say that an object is neither locked nor held.
const UNLOCKED: &[&str] = &[
    "NoSuchObjectLockConfiguration",
    "NoSuchObjectLegalHold",
    "ObjectLockConfigurationNotFoundError",
];

/// How firmly an object is kept, and until when.
struct Lock {
    mode: LockMode,
    until: SystemTime,
}

impl Bucket {
    pub(super) async fn retention(
        &self,
        call: &Call<'_>,
        name: &ObjectName,
    ) -> Result<Retention, StorageError> {
        let hold = self.about(call, name, "legal-hold").await?;
        if hold.is_some_and(|hold| hold.text_of("Status") == Some("ON")) {
            return Ok(Retention::Held);
        }
        let lock = self.lock(call, name).await?;
        Ok(lock.map_or(Retention::None, |lock| Retention::Until(lock.until)))
    }

    pub(super) async fn extend_retention(
        &self,
        name: &ObjectName,
        until: SystemTime,
    ) -> Result<(), StorageError> {
        let call = self.call(Operation::ExtendRetention, Some(name));
        let standing = self.lock(&call, name).await?;
        if standing.as_ref().is_some_and(|lock| lock.until >= until) {
            return Ok(());
        }
        let mode = standing.map_or(self.options.lock.mode, |lock| {
            lock.mode.max(self.options.lock.mode)
        });
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            mode.as_str(),
            timestamp(until)
        );
        let body = Bytes::from(body);
        let question = Question::of_key(Method::PUT, self.key(name))
            .with("retention", "")
            .saying(CONTENT_MD5, &md5_of(&body).await)
            .carrying(Payload::of(body).await, "application/xml");
        self.demand(&call, question).await?;
        Ok(())
    }

    async fn lock(&self, call: &Call<'_>, name: &ObjectName) -> Result<Option<Lock>, StorageError> {
        let Some(told) = self.about(call, name, "retention").await? else {
            // Some services say so of objects that are not there.
            return match self.exists(call, name).await? {
                true => Ok(None),
                false => Err(call.error(StorageErrorKind::NotFound)),
            };
        };
        let unreadable = || {
            call.error(StorageErrorKind::BrokenContract)
                .saying("it does not say until when the object is kept")
        };
        let Some(until) = told.text_of("RetainUntilDate").filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let until = Timestamp::from_str(until).map_err(|_| unreadable())?;
        let mode = match told.text_of("Mode") {
            Some("GOVERNANCE") => LockMode::Governance,
            Some("COMPLIANCE") => LockMode::Compliance,
            _ => return Err(unreadable()),
        };
        Ok(Some(Lock {
            mode,
            until: until.as_system_time(),
        }))
    }

    /// What the service says of one object's retention or hold; nothing where there is none.
    async fn about(
        &self,
        call: &Call<'_>,
        name: &ObjectName,
        what: &str,
    ) -> Result<Option<Element>, StorageError> {
        let question = Question::of_key(Method::GET, self.key(name)).with(what, "");
        let answer = self.ask(call, question).await?;
        if answer.status.is_success() {
            let document = Element::parse(&answer.body);
            return document.map(Some).map_err(|error| {
                call.error(StorageErrorKind::BrokenContract)
                    .caused_by(error)
            });
        }
        let refusal = Refusal::read(&answer);
        let unlocked = refusal.is(UNLOCKED);
        // What is deleted is a version without bytes, and S3 calls that a wrong method.
        if refusal.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Err(call.error(StorageErrorKind::NotFound));
        }
        if unlocked {
            return Ok(None);
        }
        Err(self.refused(call, &answer))
    }
}
