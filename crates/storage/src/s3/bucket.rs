//! A bucket under an agreement: what is common to all operations.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use http::header::SERVER;

use super::options::S3Options;
use super::refusal::refused;
use super::wire::{Call, Question, Wire};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::http::Answer;
use crate::location::Location;
use crate::name::{ObjectName, Prefix};
use crate::xml::Element;

/// What SeaweedFS calls itself. It sorts each page by bytes and the pages by folders, which no single
/// page betrays.
const SORTS_BY_FOLDERS: &str = "SeaweedFS";

/// One bucket, the prefix in it that is ours, and what we learnt about its service.
#[derive(Debug)]
pub(super) struct Bucket {
    wire: Wire,
    pub(super) options: S3Options,
    pub(super) location: Location,
    pub(super) habits: Habits,
}

impl Bucket {
    pub(super) fn new(wire: Wire, options: S3Options) -> Self {
        Self {
            location: wire.place.location(),
            wire,
            options,
            habits: Habits::default(),
        }
    }

    pub(super) fn call<'a>(
        &'a self,
        operation: Operation,
        name: Option<&'a ObjectName>,
    ) -> Call<'a> {
        Call {
            operation,
            name,
            location: &self.location,
        }
    }

    /// The key of an object.
    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.wire.place.prefix())
    }

    /// What stands before every key of ours.
    pub(super) fn prefix(&self) -> &str {
        self.wire.place.prefix()
    }

    /// What stands before every key under a prefix.
    pub(super) fn under(&self, prefix: &Prefix) -> String {
        format!("{}{prefix}", self.prefix())
    }

    /// Asks once; an answer of any status is an answer.
    pub(super) async fn ask(
        &self,
        call: &Call<'_>,
        question: Question,
    ) -> Result<Answer, StorageError> {
        let answer = self.wire.ask(call, question).await?;
        let server = answer.headers.get(SERVER).and_then(|it| it.to_str().ok());
        if server.is_some_and(|server| server.starts_with(SORTS_BY_FOLDERS)) {
            self.habits.sort_by_folders();
        }
        Ok(answer)
    }

    /// Asks for what only a success can answer.
    pub(super) async fn demand(
        &self,
        call: &Call<'_>,
        question: Question,
    ) -> Result<Answer, StorageError> {
        let answer = self.ask(call, question).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(call, &answer))
    }

    pub(super) fn refused(&self, call: &Call<'_>, answer: &Answer) -> StorageError {
        refused(call, answer, &self.options)
    }

    /// The document of a successful answer, which must be of one kind: some services answer a
    /// failure with 200, and some proxies with a page of their own.
    pub(super) fn document(
        &self,
        call: &Call<'_>,
        answer: &Answer,
        root: &str,
    ) -> Result<Element, StorageError> {
        let document = Element::parse(&answer.body).map_err(|error| {
            call.error(StorageErrorKind::BrokenContract)
                .caused_by(error)
        })?;
        if document.name() == root {
            return Ok(document);
        }
        if document.name() == "Error" {
            return Err(self.refused(call, answer));
        }
        Err(call
            .error(StorageErrorKind::BrokenContract)
            .saying(format!("its answer is no {root}")))
    }
}

/// What we learnt about a service while using it. Never wrong for long: it is learnt anew each time
/// the bucket is opened.
#[derive(Debug, Default)]
pub(super) struct Habits {
    dialect: AtomicU8,
    singly: AtomicBool,
    by_folders: AtomicBool,
}

/// How a creation is put, from the best to what every service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With a SHA-256 sum and a condition.
    Full,
    /// With an MD5 sum and a condition.
    OldSum,
    /// With an MD5 sum and without a condition.
    Unconditional,
}

impl Habits {
    pub(super) fn dialect(&self) -> Dialect {
        match self.dialect.load(Ordering::Relaxed) {
            0 => Dialect::Full,
            1 => Dialect::OldSum,
            _ => Dialect::Unconditional,
        }
    }

    pub(super) fn speaks(&self, dialect: Dialect) {
        self.dialect.store(dialect as u8, Ordering::Relaxed);
    }

    /// Whether objects are deleted one by one.
    pub(super) fn deletes_singly(&self) -> bool {
        self.singly.load(Ordering::Relaxed)
    }

    pub(super) fn delete_singly(&self) {
        self.singly.store(true, Ordering::Relaxed);
    }

    /// Whether listings come folder by folder.
    pub(super) fn sorts_by_folders(&self) -> bool {
        self.by_folders.load(Ordering::Relaxed)
    }

    pub(super) fn sort_by_folders(&self) {
        self.by_folders.store(true, Ordering::Relaxed);
    }
}
