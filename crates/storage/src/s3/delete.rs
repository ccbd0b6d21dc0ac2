//! Deletion: a thousand names a request, and one by one where a service knows no better.
//!
//! Promise: every name has an answer of its own; what the service is bound to keep is not touched.
//! In a bucket with versions a deletion is a marker on top of them, which S3 sets on locked objects
//! too; so where objects are locked, each is looked at first.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, StatusCode};

use super::bucket::Bucket;
use super::create::{CONTENT_MD5, md5_of};
use super::refusal::Refusal;
use super::wire::{Payload, Question};
use crate::capabilities::{CreateIfAbsent, RetentionSupport};
use crate::error::{Operation, StorageError, StorageErrorKind};
use crate::name::ObjectName;
use crate::object::{DeleteOutcome, MAX_PAGE, Retention};

/// Requests about single names at a time; the client has a bound of its own for all.
const AT_ONCE: usize = 16;

type Outcomes = BTreeMap<ObjectName, DeleteOutcome>;

impl Bucket {
    pub(super) async fn delete(&self, names: &[ObjectName]) -> Vec<(ObjectName, DeleteOutcome)> {
        let distinct: BTreeSet<ObjectName> = names.iter().cloned().collect();
        let mut outcomes = self.kept(&distinct).await;
        let free: Vec<ObjectName> = distinct
            .into_iter()
            .filter(|name| !outcomes.contains_key(name))
            .collect();
        for batch in free.chunks(MAX_PAGE) {
            outcomes.extend(self.delete_batch(batch).await);
        }
        let outcome = |name: &ObjectName| {
            let outcome = outcomes.get(name).cloned();
            outcome.unwrap_or_else(|| DeleteOutcome::Failed(self.unanswered(name)))
        };
        names
            .iter()
            .map(|name| (name.clone(), outcome(name)))
            .collect()
    }

    /// Which names are not to be deleted: their objects are retained, or nobody knows.
    async fn kept(&self, names: &BTreeSet<ObjectName>) -> Outcomes {
        if self.options.capabilities.retention == RetentionSupport::None {
            return Outcomes::new();
        }
        let now = (self.options.clock)();
        let looks = stream::iter(names.iter().cloned()).map(|name| async move {
            let call = self.call(Operation::Delete, Some(&name));
            let outcome = match self.retention(&call, &name).await {
                Ok(Retention::Held) => Some(DeleteOutcome::Deferred),
                Ok(Retention::Until(until)) if until > now => Some(DeleteOutcome::Deferred),
                Ok(_) => None,
                Err(error) if error.kind() == StorageErrorKind::NotFound => None,
                Err(error) => Some(DeleteOutcome::Failed(error)),
            };
            outcome.map(|outcome| (name, outcome))
        });
        let looks = looks.buffer_unordered(AT_ONCE);
        looks.filter_map(|found| async { found }).collect().await
    }

    async fn delete_batch(&self, names: &[ObjectName]) -> Outcomes {
        if !self.habits.deletes_singly() && names.len() > 1 {
            match self.delete_together(names).await {
                Ok(Some(outcomes)) => return outcomes,
                Ok(None) => self.habits.delete_singly(),
                Err(error) => {
                    let failed = |name: &ObjectName| {
                        (name.clone(), DeleteOutcome::Failed(error.clone().of(name)))
                    };
                    return names.iter().map(failed).collect();
                }
            }
        }
        let singles = stream::iter(names.to_vec()).map(|name| async move {
            let outcome = match self.delete_one(&name).await {
                Ok(()) => DeleteOutcome::Done,
                Err(error) => DeleteOutcome::Failed(error),
            };
            (name, outcome)
        });
        singles.buffer_unordered(AT_ONCE).collect().await
    }

    /// One request for all; nothing where the service does not know it.
    async fn delete_together(
        &self,
        names: &[ObjectName],
    ) -> Result<Option<Outcomes>, StorageError> {
        let call = self.call(Operation::Delete, None);
        let objects = names
            .iter()
            .map(|name| format!("<Object><Key>{}</Key></Object>", self.key(name)));
        let body = format!("<Delete>{}</Delete>", objects.collect::<String>());
        let body = Bytes::from(body);
        let question = Question::of_bucket(Method::POST)
            .with("delete", "")
            .saying(CONTENT_MD5, &md5_of(&body).await)
            .carrying(Payload::of(body).await, "application/xml");
        let answer = self.ask(&call, question).await?;
        if !answer.status.is_success() {
            if Refusal::read(&answer).is_ignorance() {
                return Ok(None);
            }
            return Err(self.refused(&call, &answer));
        }
        let document = self.document(&call, &answer, "DeleteResult")?;
        let mut outcomes = Outcomes::new();
        for told in document.children() {
            let key = told.text_of("Key").unwrap_or_default();
            let name = key.strip_prefix(self.prefix()).map(ObjectName::new);
            let Some(Ok(name)) = name else { continue };
            let outcome = match told.name() {
                "Deleted" => DeleteOutcome::Done,
                "Error" => {
                    let refusal = Refusal::told(StatusCode::BAD_REQUEST, told);
                    self.refused_deletion(&name, &refusal)
                }
                _ => continue,
            };
            outcomes.insert(name, outcome);
        }
        Ok(Some(outcomes))
    }

    fn refused_deletion(&self, name: &ObjectName, refusal: &Refusal) -> DeleteOutcome {
        if refusal.is(&["NoSuchKey", "NoSuchVersion"]) {
            return DeleteOutcome::Done;
        }
        let call = self.call(Operation::Delete, Some(name));
        DeleteOutcome::Failed(refusal.explain(&call))
    }

    async fn delete_one(&self, name: &ObjectName) -> Result<(), StorageError> {
        let call = self.call(Operation::Delete, Some(name));
        // Services over folders, which also cannot create exclusively, delete the folder of that name.
        let careless = self.options.capabilities.create_if_absent == CreateIfAbsent::Checked;
        if careless && !self.exists(&call, name).await? {
            return Ok(());
        }
        let question = Question::of_key(Method::DELETE, self.key(name));
        let answer = self.ask(&call, question).await?;
        let ended = match answer.status.is_success() {
            true => self.accepted(&call, &answer),
            false => Err(self.refused(&call, &answer)),
        };
        match ended {
            Err(error) if error.kind() == StorageErrorKind::NotFound => Ok(()),
            ended => ended,
        }
    }

    fn unanswered(&self, name: &ObjectName) -> StorageError {
        let call = self.call(Operation::Delete, Some(name));
        call.error(StorageErrorKind::BrokenContract)
            .saying("it did not say what became of the object")
    }
}
