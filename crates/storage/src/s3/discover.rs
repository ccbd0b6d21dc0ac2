//! What a bucket says about itself. Its word: only trying tells what holds.

use http::Method;

use super::bucket::Bucket;
use super::options::LockMode;
use super::refusal::Refusal;
use super::wire::Question;
use crate::capabilities::{RetentionSupport, VersionSupport};
use crate::error::{Operation, StorageError};
use crate::xml::Element;

/// What a bucket says about itself; nothing where the service does not know or may not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketTraits {
    /// Whether it keeps versions.
    pub versions: Option<VersionSupport>,
    /// Whether its objects can be locked.
    pub retention: Option<RetentionSupport>,
    /// How firmly every new object is locked, where the bucket has a rule of its own.
    pub rule: Option<LockMode>,
}

impl Bucket {
    pub(super) async fn discover(&self) -> Result<BucketTraits, StorageError> {
        let versioning = self.told("versioning").await?;
        let lock = self.told("object-lock").await?;
        let versions = versioning.map(|told| match told.text_of("Status") {
            Some("Enabled") => VersionSupport::Kept,
            _ => VersionSupport::None,
        });
        let rule = lock.as_ref().and_then(|lock| {
            let rule = lock.child("Rule")?.child("DefaultRetention")?;
            match rule.text_of("Mode")? {
                "GOVERNANCE" => Some(LockMode::Governance),
                "COMPLIANCE" => Some(LockMode::Compliance),
                _ => None,
            }
        });
        let retention = lock.map(|lock| match lock.text_of("ObjectLockEnabled") {
            Some("Enabled") => RetentionSupport::Kept,
            _ => RetentionSupport::None,
        });
        Ok(BucketTraits {
            versions,
            retention,
            rule,
        })
    }

    async fn told(&self, what: &str) -> Result<Option<Element>, StorageError> {
        let call = self.call(Operation::Open, None);
        let question = Question::of_bucket(Method::GET).with(what, "");
        let answer = self.ask(&call, question).await?;
        if answer.status.is_success() {
            return Ok(Element::parse(&answer.body).ok());
        }
        let refusal = Refusal::read(&answer);
        if refusal.is(&["ObjectLockConfigurationNotFoundError"]) {
            return Ok(Some(Element::default()));
        }
        // Whoever may not ask, and services that never heard of it.
        let silent = refusal.is_ignorance()
            || refusal.is(&["AccessDenied", "AllAccessDisabled"])
            || (answer.status == 404 && !refusal.is(&["NoSuchBucket"]));
        if silent {
            return Ok(None);
        }
        Err(self.refused(&call, &answer))
    }
}
